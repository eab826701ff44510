"""What `--help` says: every command has an example that could be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest

from nba_engine.cli.main import nba


def walked(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            if inner.callback is None or inner.callback.__module__.startswith("nba_engine."):
                yield from walked(inner, (*path, name))


COMMANDS = dict(walked(nba, ("nba",)))


def examples(command: click.Command) -> list[str]:
    """The lines of the help that could be typed, without what is said beside them."""
    lines = (line.strip() for line in (command.help or "").splitlines())
    return [line.partition("   ")[0] for line in lines if line.startswith("nba ")]


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"nba"}))
def test_the_help_of_every_command_shows_how_it_is_typed(name: str) -> None:
    assert any(line.startswith(name) for line in examples(COMMANDS[name]))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_examples_name_commands_and_options_that_there_are(name: str) -> None:
    for line in examples(COMMANDS[name]):
        words = shlex.split(line)
        depth = max(n for n in range(1, len(words) + 1) if " ".join(words[:n]) in COMMANDS)
        command = COMMANDS[" ".join(words[:depth])]
        alone = not isinstance(command, click.Group) or command.invoke_without_command
        assert alone or words[1] == "demo", line
        known = {word for option in command.params for word in option.opts} | {"--help"}
        used = {word for word in words[depth:] if word.startswith("-")}
        assert words[1] == "demo" or used <= known, line

"""What every command of a plugin must do."""

from __future__ import annotations

import click
import pytest

__all__ = ["CommandSuite"]


class CommandSuite:
    """Inherit, and give the fixture ``command``."""

    @pytest.fixture
    def command(self) -> click.Command:
        """The command that your plugin adds to ``nba``."""
        raise NotImplementedError("give a fixture `command`: what you add to `nba`")

    def test_it_says_in_one_line_what_it_does(self, command: click.Command) -> None:
        assert command.get_short_help_str().strip(), "it has no help; `nba --help` lists it"

    def test_its_help_can_be_shown(self, command: click.Command) -> None:
        context = click.Context(command, info_name=command.name)
        assert "Usage:" in command.get_help(context)

    def test_its_options_say_what_they_are_for(self, command: click.Command) -> None:
        silent = [
            parameter.name
            for parameter in command.params
            if isinstance(parameter, click.Option) and not parameter.help and not parameter.hidden
        ]
        assert not silent, f"options without help: {silent}"

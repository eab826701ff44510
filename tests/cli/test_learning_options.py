"""Options that commands which learn have in common: one wording each, wherever they appear."""

from __future__ import annotations

from collections import defaultdict

import click
import pytest

from nba_engine.cli.main import nba

FITS = (
    "affinity fit",
    "crosssell fit",
    "evaluate",
    "reorder fit",
    "segments fit",
    "train",
    "uplift fit",
    "value fit",
)


def command(path: str) -> click.Command:
    found: click.Command = nba
    for word in path.split():
        assert isinstance(found, click.Group)
        found = found.commands[word]
    return found


def words_of(option: str) -> dict[str, set[str]]:
    """The help of an option, without what its default is, by the names it has in Python."""
    said: dict[str, set[str]] = defaultdict(set)
    for path in FITS:
        for one in command(path).params:
            if isinstance(one, click.Option) and option in one.opts:
                words, _, _ = (one.help or "").partition(" Default: ")
                said[one.name or ""].add(words)
    return said


@pytest.mark.parametrize("option", ["--report", "--seed", "--json"])
def test_an_option_of_several_commands_is_told_in_the_same_words(option: str) -> None:
    said = words_of(option)

    assert len(said) == 1
    assert [len(words) for words in said.values()] == [1]


def test_settings_are_told_not_to_be_read_where_a_file_may_be_given_instead() -> None:
    for path in FITS:
        found = {one.name: one for one in command(path).params}
        settings = found["settings"]
        assert isinstance(settings, click.Option)
        assert ("not read with FILE" in (settings.help or "")) == ("file" in found)

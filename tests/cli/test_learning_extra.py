"""A command that learns, where what learns is not installed."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from nba_engine.cli.learning.extra import learn_extra
from nba_engine.errors import NbaError


def test_a_missing_package_of_the_extra_becomes_one_sentence_with_the_remedy() -> None:
    with (
        pytest.raises(NbaError, match=r"needs sklearn.*pip install 'nba-engine\[learn\]'"),
        learn_extra(),
    ):
        raise ModuleNotFoundError(
            "No module named 'sklearn.linear_model'", name="sklearn.linear_model"
        )


def test_any_other_missing_module_is_a_mistake_of_ours_and_stays_one() -> None:
    with pytest.raises(ModuleNotFoundError), learn_extra():
        raise ModuleNotFoundError("No module named 'nba_engine.x'", name="nba_engine.x")


def test_it_decorates_a_command_with_options() -> None:
    @click.command()
    @click.option("--count", default=1, help="how many")
    @learn_extra()
    def command(count: int) -> None:
        """Learn."""
        click.echo(count + 1)

    assert CliRunner().invoke(command, ["--count", "2"]).output == "3\n"

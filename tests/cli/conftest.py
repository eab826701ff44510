"""A corner shop on disk: settings and a catalog that every command can open."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.cli.main import run

SETTINGS = """
[server]
listen = "127.0.0.1:0"
[catalog]
path = "catalog"
""" + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n'
    for stage in ("profile", "eligibility", "contact_policy", "value", "arbitration", "slate")
)

CATALOG = """
[catalog]
currency = "EUR"
time_zone = "Europe/Berlin"
[attributes.age]
type = "int"
[context.cart]
type = "list<string>"
[aggregates.purchases]
kind = "count"
types = ["purchase"]
[channels.web]
name = "Web"
[placements.home]
channel = "web"
slots = 2
[actions.nothing]
name = "Nothing"
kind = "nothing"
[actions.bread]
name = "Bread"
prior = 0.2
value = 2.0
[actions.bread.treatments.banner]
channel = "web"
cost = 0.01
content = { headline = "Fresh bread [today]" }
[actions.wine]
name = "Wine"
prior = 0.1
value = 9.0
[actions.wine.treatments.banner]
channel = "web"
cost = 0.01
[rules.adults]
tier = "eligibility"
when = "customer.age >= 18"
applies_to = { actions = ["wine"] }
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The settings file of a corner shop."""
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "shop.toml").write_text(CATALOG)
    settings = tmp_path / "nba.toml"
    settings.write_text(SETTINGS)
    return settings


class Nba:
    """Runs a command line in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: object) -> int:
        self._capsys.readouterr()
        code = run([str(a) for a in arguments])
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def nba(capsys: pytest.CaptureFixture[str]) -> Nba:
    """The `nba` command."""
    return Nba(capsys)

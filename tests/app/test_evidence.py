"""Outcomes are counted behind the requests, by a thread of every process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nba_engine.app import App, open_app
from nba_engine.app.evidence import EvidenceCounter
from nba_engine.domain import DecisionRequest, Interaction, PlacementRequest, Tally
from nba_engine.engine.evidence import MARK

SETTINGS = """
[store]
url = "sqlite:nba.db"
decision_log = "decisions.db"
""" + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n'
    for stage in ("profile", "eligibility", "contact_policy", "propensity")
)
SETTINGS += 'settings = { model = "" }\n' + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n' for stage in ("value", "arbitration", "slate")
)
CATALOG = """
[evidence]
[channels.app]
[placements.banner]
channel = "app"
[actions.nothing]
kind = "nothing"
[actions.milk]
value = 4.0
prior = 0.2
treatments.app = { channel = "app" }
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "shop.toml").write_text(CATALOG)
    (tmp_path / "nba.toml").write_text(SETTINGS)
    return tmp_path / "nba.toml"


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def until_known(app: App, wanted: Tally) -> None:
    until(lambda: app.engine.evidence.current.actions == {"milk": wanted})


def shown_and_accepted(app: App, who: str) -> None:
    places = (PlacementRequest("banner"),)
    (one,) = app.engine.decide(DecisionRequest(identity=who, placements=places)).recommendations
    assert one.treatment == "milk.app"
    app.engine.record(
        [
            Interaction(
                interaction_id=f"{one.recommendation_id}/{kind}",
                identity=who,
                type=kind,
                time=time.time(),
                recommendation_id=one.recommendation_id,
            )
            for kind in ("impression", "accept")
        ]
    )


def test_every_engine_of_a_store_learns_what_any_of_them_recorded(settings: Path) -> None:
    with open_app(settings, environ={}) as one, open_app(settings, environ={}) as other:
        for number in range(6):
            shown_and_accepted((one, other)[number % 2], f"crm:{number}")
        for app in (one, other):
            until_known(app, Tally(6, 6))
            places = (PlacementRequest("banner"),)
            asked = DecisionRequest(identity="crm:9", placements=places)
            (shown,) = app.engine.decide(asked).recommendations
            assert shown.propensity == pytest.approx((50 * 0.2 + 6) / 57)


def test_what_was_counted_is_there_after_a_restart(settings: Path) -> None:
    with open_app(settings, environ={}) as app:
        shown_and_accepted(app, "crm:1")
        until(lambda: app.engine.evidence.current.actions)
    with open_app(settings, environ={}) as app:
        until_known(app, Tally(1, 1))
        shown_and_accepted(app, "crm:2")
        until_known(app, Tally(2, 2))


def test_a_catalog_that_does_not_want_it_has_nothing_counted(settings: Path) -> None:
    catalog = settings.parent / "catalog" / "shop.toml"
    catalog.write_text(CATALOG.replace("[evidence]\n", ""))
    with open_app(settings, environ={}) as app:
        shown_and_accepted(app, "crm:1")
        counter = EvidenceCounter(app.engine, seconds=0.001)
        counter.start()
        until(lambda: app.engine.store.count_customers() == 1)
        counter.stop()
        assert app.engine.store.progress(MARK) is None
        counter.stop()

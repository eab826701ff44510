"""Prices are kept in step behind the requests, by a thread of every process."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from nba_engine.app import App, open_app
from nba_engine.app.prices import PriceUpdater
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.engine.prices import MARK
from nba_engine.errors import Unavailable

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
[channels.app]
[placements.banner]
channel = "app"
[actions.nothing]
kind = "nothing"
[actions.milk]
value = 4.0
prior = 0.2
treatments.app = { channel = "app" }
[limits.seats]
measure = "contacts"
amount = 100
window = "day"
pace = "even"
"""
NOON = 1_510_056_000.0


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


def come(app: App, who: int) -> None:
    """A customer of the simulated day, five seconds after the one before."""
    app.engine.decide(
        DecisionRequest(
            identity=f"crm:{who}",
            placements=(PlacementRequest("banner"),),
            time=NOON + 5.0 * who,
            seed=who,
        )
    )


def test_a_crowd_makes_a_price_that_another_process_takes_over(settings: Path) -> None:
    from nba_engine.store import open_store

    open_store(settings.parent / "nba.db", simulated=True).close()
    with open_app(settings, publish=True) as one, open_app(settings, publish=True) as other:
        customers = count()

        def moved() -> bool:
            """The price moves while customers come, as often as the thread gets to it."""
            come(one, next(customers))
            return bool(one.engine.prices.current)

        until(moved)
        until(lambda: other.engine.prices.current == one.engine.prices.current)
        before = one.engine.prices.mark
        assert before.cells["seats"].price > 0.0
    with open_app(settings, publish=True) as again:  # the first decision has them at once
        assert again.engine.prices.current
        assert again.engine.store.progress(MARK)


class Broken:
    """A book whose store does not answer."""

    latest = 1.0

    def step(self, catalog: object, now: float) -> None:
        raise Unavailable("no disk")

    def cells(self, catalog: object) -> tuple[()]:
        return ()


def test_a_store_that_fails_is_told_once(settings: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_app(settings) as app:
        app.engine.prices = Broken()  # type: ignore[assignment]
        updater = PriceUpdater(app.engine)
        pauses = [updater._step() for _ in range(3)]
    assert pauses == [1.0, 1.0, 1.0]
    told = [one.message for one in caplog.records if "prices" in one.message]
    assert told[:1] == ["updating prices of limits failed: UNAVAILABLE"]
    assert len(told) <= 2  # the engine's own thread may have told it, too


class Defective(Broken):
    """A book that has an error of its own, until it has been asked three times."""

    def __init__(self) -> None:
        self.steps = 0

    def step(self, catalog: object, now: float) -> None:
        self.steps += 1
        if self.steps < 3:
            raise IndexError("there are fewer by now")


def test_the_thread_outlives_an_error_and_tells_it_once(
    settings: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_app(settings) as app:
        book = Defective()
        updater = PriceUpdater(app.engine, seconds=0.0)
        app.engine.prices = book  # type: ignore[assignment]
        updater.start()
        try:
            until(lambda: book.steps > 3)
        finally:
            updater.stop()
    told = [one for one in caplog.records if "a step failed" in one.message]
    assert 1 <= len(told) <= 2  # the engine's own thread may have told it, too
    assert told[0].exc_info is not None

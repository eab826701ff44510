from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nba_engine.app import open_app
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.engine.prices import HISTORY
from nba_engine.store import open_store

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

LIMITS = """
[limits.banners]
name = "Banners a day"
measure = "contacts"
amount = 40
window = "day"
pace = "profile"
"""
MIDNIGHT = 1_510_009_200.0  # Tuesday, 7 November 2017, in Berlin


@pytest.fixture
def asked(shop: Path) -> Path:
    """A day of traffic, most of it at noon, for banners of which there are too few."""
    (shop.parent / "catalog" / "limits.toml").write_text(LIMITS)
    open_store(shop.parent / "data" / "nba.db", simulated=True).close()
    with open_app(shop, publish=True) as app:
        for number in range(72):
            hour = number // 3 if number < 24 else 12
            app.engine.decide(
                DecisionRequest(
                    identity=f"crm:{number}",
                    placements=(PlacementRequest("home"),),
                    time=MIDNIGHT + hour * 3600 + number,
                    seed=number,
                )
            )
    return shop


def test_prices_and_profiles_are_learned_from_the_log(asked: Path, nba: Nba) -> None:
    assert nba("prices", "refresh", "--dry-run", "--json", "-s", asked) == 0, nba.err
    found = json.loads(nba.out)
    assert (found["decisions"], found["sample"], found["refused"]) == (72, 72, 0)
    profile = found["profiles"]["banners"]
    assert profile.index(max(profile)) % 24 == 12
    with open_app(asked) as app:
        assert app.engine.store.progress(HISTORY) is None
    assert nba("prices", "refresh", "-s", asked) == 0, nba.err
    assert "72 decisions from 00:00 on 7 November 2017" in nba.out
    assert "Banners a day" in nba.out
    with open_app(asked) as app:
        assert max(app.engine.prices.history.profiles["banners"]) == max(profile)
        price = app.engine.prices.mark.cells["banners"].price
    assert price == pytest.approx(found["prices"]["banners"], rel=0.05)
    assert nba("prices", "-s", asked) == 0


def test_what_is_missing_is_told(shop: Path, nba: Nba) -> None:
    open_app(shop, publish=True).close()
    assert nba("prices", "refresh", "-s", shop) == 1
    assert "no limit has a price" in nba.err
    (shop.parent / "catalog" / "limits.toml").write_text(LIMITS)
    assert nba("prices", "refresh", "-s", shop) == 1
    assert "no decisions yet" in nba.err

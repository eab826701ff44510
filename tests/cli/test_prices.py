from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from nba_engine.cli.prices import meaning
from nba_engine.domain import Hold, ReservationRequest
from nba_engine.engine.prices import MARK, CellPrice, PriceMark, PriceRow
from nba_engine.store import open_store
from nba_engine.testing.world import make_catalog

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

LIMITS = """
[limits.seats]
name = "Contacts a day"
scope = ["channel"]
measure = "contacts"
amount = 50
window = "day"
pace = "even"
"""
NOON = 1_510_056_000.0


@pytest.fixture
def paced(shop: Path, nba: Nba) -> Path:
    """The corner shop with a paced limit, of which something was used."""
    (shop.parent / "catalog" / "limits.toml").write_text(LIMITS)
    store = open_store(shop.parent / "data" / "nba.db", simulated=True)
    mark = PriceMark(NOON, {"seats|channel=web": CellPrice(0.42, 30, "2017-11-07")})
    store.bulk(now=NOON, progress=(MARK, msgspec.json.encode(mark).decode()))
    hold = Hold(account="seats|channel=web|2017-11-07", limit="seats", amount=30, ceiling=50)
    ask = ReservationRequest(
        reservation_id="r", decision_id="d", customer_id="c", holds=(hold,), expires=NOON + 9e4
    )
    store.reserve([ask], now=NOON)
    store.close()
    return shop


def test_prices_are_told_with_what_they_mean(paced: Path, nba: Nba) -> None:
    assert nba("prices", "-s", paced) == 0, nba.err
    _, row, updated = nba.out.splitlines()
    assert row.split()[:9] == ["Contacts", "a", "day", "channel", "web", "30", "27", "50", "0.42"]
    assert row.endswith("as planned; a contact goes out if it earns 0.42 EUR more than it costs")
    assert updated == "Updated 13:00 on 7 November 2017."
    assert nba("prices", "--limit", "seats", "--json", "-s", paced) == 0
    found = json.loads(nba.out)
    (told,) = found["prices"]
    assert (told["price"], told["used"], told["amount"], told["pace"]) == (0.42, 30, 50, "even")
    assert found["updated"] == found["time"] == NOON


def test_an_unknown_limit_is_refused(paced: Path, nba: Nba) -> None:
    assert nba("prices", "--limit", "seat", "-s", paced) == 2
    assert "did you mean" in nba.err.lower() or "seats" in nba.err


def test_without_paced_limits_there_is_nothing_to_show(shop: Path, nba: Nba) -> None:
    open_store(shop.parent / "data" / "nba.db", simulated=True).close()
    assert nba("prices", "-s", shop) == 0, nba.err
    assert "no limit has a price" in nba.out


@pytest.mark.parametrize(
    ("used", "price", "words"),
    [
        (50, 1.0, "used up; a contact goes out if it earns 1.00 USD more"),
        (40, 1.0, "ahead of its plan"),
        (5, 0.0, "behind its plan; there is enough"),
        (25, 0.0, "as planned"),
    ],
)
def test_a_price_in_words(used: float, price: float, words: str) -> None:
    row: dict[str, Any] = {"limit": "x", "name": "X", "scope": {}, "pace": "even"}
    row |= {"measure": "contacts", "account": "x|d", "amount": 50.0, "planned": 25.0}
    row |= {"used": used, "price": price, "per_contact": 1.0, "start": 0.0, "end": 9.0}
    assert words in meaning(PriceRow(**row), make_catalog())


@pytest.mark.parametrize(
    ("used", "bonus", "words"),
    [
        (50, 1.0, "reached; nothing is added any more"),
        (5, 1.0, "behind its plan; a contact counts 1.00 USD more than it earns"),
        (5, 9.0, "behind its plan, and it will not be met: a contact counts 9.00 USD more"),
        (25, 0.0, "as planned; so many go out anyway"),
    ],
)
def test_a_minimum_in_words(used: float, bonus: float, words: str) -> None:
    row: dict[str, Any] = {"limit": "x", "name": "X", "scope": {}, "pace": "even", "floor": True}
    row |= {"measure": "contacts", "account": "x|d", "amount": 50.0, "planned": 25.0, "most": 9.0}
    row |= {"used": used, "price": bonus, "per_contact": 1.0, "start": 0.0, "end": 9.0}
    assert words in meaning(PriceRow(**row), make_catalog())


def test_a_minimum_stands_beside_its_limit(paced: Path, nba: Nba) -> None:
    limits = paced.parent / "catalog" / "limits.toml"
    limits.write_text(LIMITS.replace("amount = 50", "at_least = 60"))
    store = open_store(paced.parent / "data" / "nba.db", simulated=True)
    cells = {"seats|channel=web|at_least": CellPrice(0.12, 30, "2017-11-07")}
    mark = msgspec.json.encode(PriceMark(NOON, cells)).decode()
    store.bulk(now=NOON, progress=(MARK, mark))
    store.close()
    assert nba("prices", "-s", paced) == 0, nba.err
    row = nba.out.splitlines()[1]
    assert " ".join(row.split()).startswith("Contacts a day channel web 30 33 ≥ 60 +0.12 EUR")
    assert nba("limits", "seats", "-s", paced) == 0, nba.err
    assert "at least 60" in nba.out

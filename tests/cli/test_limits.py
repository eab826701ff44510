from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nba_engine.app import open_app
from nba_engine.domain import Hold, ProfileUpdate, ReservationRequest
from nba_engine.store import open_store

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

LIMITS = """
[limits.seats]
name = "Contacts an hour"
scope = ["channel"]
measure = "contacts"
amount = 50
window = "hour"
[limits.often]
name = "Contacts of one"
scope = ["customer"]
measure = "contacts"
amount = 2
window = "rolling 7d"
[limits.budget]
name = "Autumn budget"
measure = "money"
amount = 0.02
window = "lifetime"
"""


@pytest.fixture
def limited(shop: Path, nba: Nba) -> Path:
    """The corner shop with limits, of which decisions for one customer have used something."""
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(catalog.read_text() + LIMITS)
    open_app(shop, publish=True).close()
    for _ in range(2):
        assert nba("decide", "crm:1", "-s", shop, "-p", "home:1") == 0
    return shop


def lines(nba: Nba) -> dict[str, list[str]]:
    """The rows of the table by their first word."""
    return {line.split()[0]: line.split() for line in nba.out.splitlines() if line.strip()}


def test_every_limit_is_a_row_with_what_is_left_and_when_it_resets(limited: Path, nba: Nba) -> None:
    assert nba("limits", "-s", limited) == 0
    heading, seats, often, budget = nba.out.splitlines()
    assert heading.split()[:2] == ["limit", "of"]
    assert seats.startswith("Contacts an hour (seats)  channel web")
    assert seats.split()[-9:-4] == ["4%", "2", "0", "48", "50"]
    assert often.startswith("Contacts of one (often)   1 customer ")
    assert often.split("rolling 7d")[1].split() == [
        "1",
        "full",
        "2",
        "0",
        "2",
        "each",
        "bit",
        "by",
        "bit",
    ]
    assert "██████████ 100%" in budget
    assert budget.split()[-6:] == ["0.02", "0.00", "0.00", "0.02", "EUR", "never"]


def test_a_terminal_of_80_columns_gets_ids_and_no_bars(
    limited: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nba_engine.cli.output.output._force_terminal", True)
    monkeypatch.setattr("nba_engine.cli.output.output._color_system", None)
    monkeypatch.setattr("nba_engine.cli.output.output._width", 80)
    assert nba("limits", "-s", limited) == 0
    assert all(len(line) <= 80 for line in nba.out.splitlines())
    assert "Autumn" not in nba.out
    assert "█" not in nba.out
    (budget,) = (line.split() for line in nba.out.splitlines() if line.startswith("budget"))
    assert budget == ["budget", "lifetime", "100%", "0.02", "0.00", "0.00", "0.02", "never"]


def test_limits_are_picked_by_id(limited: Path, nba: Nba) -> None:
    assert nba("limits", "budget", "-s", limited) == 0
    assert len(nba.out.splitlines()) == 2
    assert nba("limits", "bugdet", "-s", limited) == 2
    assert 'did you mean "budget"' in nba.err


def test_one_customer_has_rows_of_its_own_limits(limited: Path, nba: Nba) -> None:
    assert nba("limits", "--customer", "crm:1", "-s", limited) == 1
    assert "crm:1: no customer is known by this identity" in nba.err
    with open_app(limited) as app:
        app.engine.update_profile(ProfileUpdate(identity="crm:1", attributes={"age": 41}))
        assert nba("limits", "--customer", "crm:1", "-s", limited) == 0  # while others are at work
    _, often = nba.out.splitlines()
    assert nba("limits", "budget", "--customer", "crm:1", "-s", limited) == 0
    assert nba.out == "none of these limits is per customer\n"
    assert often.split("100%")[1].split() == ["2", "0", "0", "2", "bit", "by", "bit"]


def test_it_is_the_catalog_in_force_that_counts_whatever_becomes_of_the_folder(
    limited: Path, nba: Nba
) -> None:
    catalog = limited.parent / "catalog" / "shop.toml"
    catalog.write_text(catalog.read_text() + "[limits.broken]\n")
    assert nba("limits", "-s", limited) == 0
    assert "broken" not in nba.out


def test_everything_is_there_as_json(limited: Path, nba: Nba) -> None:
    assert nba("limits", "seats", "budget", "--json", "-s", limited) == 0
    told: dict[str, Any] = json.loads(nba.out)
    seats, budget = told["limits"]
    assert told["currency"] == "EUR"
    assert (seats["scope"], seats["reserved"], seats["left"]) == ({"channel": "web"}, 2, 48)
    assert seats["start"] <= told["time"] < seats["end"] == seats["start"] + 3600
    assert (budget["reserved"], budget["amount"], budget["full"]) == (0.02, 0.02, 1)


def test_what_is_used_beyond_the_amount_is_told_in_a_column_of_its_own(
    limited: Path, nba: Nba
) -> None:
    assert nba("limits", "-s", limited) == 0
    assert "beyond" not in nba.out
    catalog = limited.parent / "catalog" / "shop.toml"
    catalog.write_text(catalog.read_text().replace("amount = 0.02", "amount = 0.015"))
    assert nba("catalog", "publish", "-s", limited) == 0
    assert nba("limits", "budget", "-s", limited) == 0
    assert "beyond the amount" in nba.out
    assert "0.0050 overhang" in nba.out


def test_a_simulated_store_shows_the_latest_windows_or_those_of_a_time(
    shop: Path, nba: Nba
) -> None:
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(catalog.read_text() + LIMITS)
    open_store(shop.parent / "data" / "nba.db", simulated=True).close()
    for minute in ("15:20", "16:20", "16:30"):
        assert (
            nba("decide", "crm:1", "-p", "home:1", "-s", shop, "--time", f"2017-11-06T{minute}")
            == 0
        )
    assert nba("limits", "seats", "-s", shop) == 0
    assert "16:00, 6 Nov 2017" in nba.out
    assert "latest windows" in nba.err
    assert nba("limits", "seats", "--past", "-s", shop, "--time", "2017-11-06T16:59") == 0
    _, now, before = nba.out.splitlines()
    assert now.endswith("Mon 6 Nov 17:00")
    assert before.split() == [
        "channel",
        "web",
        "15:00,",
        "6",
        "Nov",
        "2017",
        "░░░░░░░░░░",
        "2%",
        "1",
        "0",
        "49",
        "50",
        "over",
    ]


def test_a_time_is_for_simulated_stores_only(limited: Path, nba: Nba) -> None:
    assert nba("limits", "-s", limited, "--time", "2017-11-06") == 2
    assert "simulated" in nba.err


def test_without_a_store_there_is_nothing_to_show_and_none_is_made(shop: Path, nba: Nba) -> None:
    assert nba("limits", "-s", shop) == 1
    assert "does not exist" in nba.err
    assert not (shop.parent / "data").exists()


def test_a_catalog_without_limits_says_so(shop: Path, nba: Nba) -> None:
    open_app(shop, publish=True).close()
    assert nba("limits", "-s", shop) == 0
    assert nba.out == "the catalog has no limits\n"


def test_windows_that_were_deleted_are_told(limited: Path, nba: Nba) -> None:
    old = Hold(account="seats|channel=web|2017-11-06T15:00Z", limit="seats", amount=3, ceiling=50)
    request = ReservationRequest(
        reservation_id="r", decision_id="d", customer_id="c", holds=(old,), expires=time.time()
    )
    with open_app(limited) as app:
        assert app.engine.store.reserve([request], now=time.time() - 60.0)[0].granted
        app.engine.store.expire(now=time.time())
    assert nba("limits", "seats", "--past", "-s", limited) == 0
    assert "15:00, 6 Nov 2017" in nba.out or "16:00, 6 Nov 2017" in nba.out
    prune = ("store", "prune", "--windows-days", 31, "-s", limited)
    assert nba(*prune, "--dry-run") == 0
    assert nba.out.startswith("1 account of windows that ended before ")
    assert nba.out.endswith(" would be deleted\n")
    assert nba(*prune) == 0
    assert nba("limits", "seats", "--past", "-s", limited) == 0
    assert "6 Nov 2017" not in nba.out
    assert "are not kept ([retention] windows_days)" in nba.out
    nba("limits", "--json", "-s", limited)
    assert 30 * 86_400 < time.time() - json.loads(nba.out)["windows_since"] < 33 * 86_400


def test_a_store_of_an_unknown_kind_is_told_with_a_remedy(
    limited: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBA_STORE__URL", "sqlit:data/nba.db")
    assert nba("limits", "-s", limited) == 78
    assert "no plugin offers stores of the scheme 'sqlit'" in nba.err
    assert 'did you mean "sqlite"?' in nba.err

"""`nba value slipped` on a shop whose customers come and go."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from nba_engine.app import open_app
from nba_engine.app.slipped import find_slipped
from nba_engine.domain import CustomerView, Interaction
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.purchase_days import days_until
from tests.catalog.test_customer_value import MODEL, VALUE

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

DAY = 86_400.0
END = 20_000 * DAY + 3_600.0
CUSTOMERS = 120


def history(who: int) -> list[Interaction]:
    """A customer who buys at a pace of their own and stops one day; some are written to."""
    chance = np.random.default_rng(who)
    found: list[Interaction] = []
    day, pace = float(chance.uniform(0, 200)), float(chance.uniform(3, 40))
    last = float(chance.uniform(100, 420))
    while day < last or not found:
        found.append(happened(who, len(found), "purchase", day, amount=float(chance.integers(90))))
        day += float(chance.exponential(pace))
    if who % 3:
        one = happened(who, len(found), "impression", last, channel=("app", "email")[who % 2])
        found.append(one)
    return found


def happened(who: int, number: int, kind: str, day: float, **properties: Any) -> Interaction:
    return Interaction(
        interaction_id=f"{who}-{number}",
        identity=f"crm:{who}",
        type=kind,
        time=min(END - (400 - day) * DAY, END),
        properties=properties,
        recommendation_id=f"d{who}.0.1" if kind == "impression" else "",
    )


@pytest.fixture
def busy(shop: Path) -> Path:
    folder = shop.parent / "catalog"
    (folder / "value.toml").write_text(VALUE)
    (folder / "value_model.toml").write_text(MODEL)
    with open_app(shop, publish=True) as app:
        for who in range(CUSTOMERS):
            app.engine.record(history(who))
    return shop


def test_they_are_those_whose_attribute_turned_between_the_moments(busy: Path) -> None:
    since = END - 60 * DAY
    with open_app(busy) as app:
        catalog = app.engine.catalog
        found = find_slipped(app.engine.store, catalog, since=since, until=END)
        fold = fold_for(catalog.aggregates)
        turned: dict[bool, set[str]] = {True: set(), False: set()}
        away = 0
        for who in range(CUSTOMERS):
            state = app.engine.profile(f"crm:{who}")
            was, now = (
                CustomerView(
                    type(state)(
                        customer_id=state.customer_id,
                        aggregates=fold({}, [one for one in history(who) if one.time <= moment]),
                    ),
                    catalog.aggregates,
                    moment,
                ).get("win_back")
                for moment in (since, END)
            )
            away += bool(now)
            if was != now:
                turned[bool(now)].add(state.customer_id)
        assert {one.customer_id for one in found.slipped} == turned[True]
        assert found.returned == len(turned[False])
        assert found.away == away
        assert len(turned[True]) > 3
        one = found.slipped[0]
        view = CustomerView(app.engine.profile(one.identity), catalog.aggregates, END)
        assert (one.p_alive, one.purchase_days) == (view["p_alive"], view["purchase_days"])
        assert one.p_alive < 0.3 <= one.p_alive_before
        assert [each.worth for each in found.slipped] == sorted(
            (each.worth for each in found.slipped), reverse=True
        )


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_line_for_each_is_written_in_whatever_format(busy: Path, nba: Nba, ending: str) -> None:
    out = busy.parent / f"who.{ending}"
    moment = datetime.fromtimestamp(END, UTC).isoformat()
    options = ("-s", busy, "--since", "60d", "--until", moment, "--out", out)
    assert nba("value", "slipped", *options, "--json") == 0
    told = json.loads(nba.out)
    if ending == "csv":
        with out.open() as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
    else:
        rows = json.loads(out.read_text()) if ending == "json" else pq.read_table(out).to_pylist()
    assert [row["customer_id"] for row in rows] == [one["customer_id"] for one in told["slipped"]]
    assert sum(float(row["worth"]) for row in rows) == pytest.approx(told["worth"])
    assert all(row["identity"].startswith("crm:") for row in rows)
    assert {row["touch_channel"] or "" for row in rows} <= {"app", "email", ""}
    assert datetime.fromisoformat(rows[0]["last_purchase"]).timestamp() <= END
    assert list(busy.parent.glob(".who*")) == []


def test_the_summary_is_for_marketers(busy: Path, nba: Nba) -> None:
    until = datetime.fromtimestamp(END, UTC).isoformat()
    assert nba("value", "slipped", "-s", busy, "--since", "60d", "--until", until) == 0
    for part in (
        "slipped away between",
        "They were worth",
        "Last touch by one of our recommendations: ",
        "who had slipped away before bought again",
        "customer",
    ):
        assert part in nba.out
    assert nba("value", "slipped", "-s", busy, "--since", "1d", "--until", "1980-01-01") == 0
    assert nba.out.startswith("0 customers slipped away")


def test_where_nobody_slips_away_that_is_said(busy: Path, nba: Nba) -> None:
    model = busy.parent / "catalog" / "value_model.toml"
    model.write_text("\n".join(x for x in MODEL.splitlines() if not x.startswith("alive")))
    with open_app(busy, publish=True):
        pass
    assert nba("value", "slipped", "-s", busy) == 0
    assert "nobody slips away" in nba.out


def test_mistakes_are_told_with_their_remedy(busy: Path, nba: Nba) -> None:
    assert nba("value", "slipped", "-s", busy, "--since", "soon") == 2
    assert "neither a duration (7d) nor a date" in nba.err
    assert nba("value", "slipped", "-s", busy, "--out", "who.txt") == 2
    assert nba("value", "slipped", "-s", busy, "--since", "2990-01-01") == 2
    (busy.parent / "catalog" / "value_model.toml").unlink()
    with open_app(busy, publish=True):
        pass
    assert nba("value", "slipped", "-s", busy) == 1
    assert "nba value fit" in nba.err


def test_days_after_a_moment_are_left_out_of_a_state() -> None:
    state = [100, 1.0, 3.0, {"2": 0b1011, "3": 0b1}]  # days 100, 101, 103 and 150
    assert days_until(state, 99.9 * DAY) is None
    assert days_until(state, 100.5 * DAY) == [100, 1.0, 3.0, {"2": 0b1}]
    assert days_until(state, 102.5 * DAY) == [100, 1.0, 3.0, {"2": 0b11}]
    assert days_until(state, 149.5 * DAY) == [100, 1.0, 3.0, {"2": 0b1011}]
    assert days_until(state, 150.0 * DAY) == state

"""A store with customers to plan for, and what is read of a plan."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from nba_engine.app import open_app
from nba_engine.domain import (
    PLAN_ATTRIBUTE,
    PLAN_MARK,
    CustomerPlan,
    Hold,
    PlanMark,
    ProfileUpdate,
    ReservationRequest,
    decode_customer_plan,
    decode_plan_mark,
)
from nba_engine.store import SqliteStore, open_store
from tests.cli.conftest import CATALOG as SHOP
from tests.cli.conftest import SETTINGS as PIPELINE

MONDAY = "2017-11-13T09:00"
START = 1_510_527_600.0  # its midnight in Berlin
CUSTOMERS, LETTERS, USED, DAILY = 60, 6, 4, 2
SETTINGS = '\n[batch]\nsettings = { workers = 2, workers_are = "threads" }\n'
CATALOG = (
    """
[attributes.liking]
type = "double"
[attributes.purse]
type = "double"
[channels.email]
direction = "outbound"
[channels.post]
direction = "outbound"
[placements.newsletter]
channel = "email"
[placements.letter]
channel = "post"
[limits.letters]
name = "Letters"
measure = "contacts"
amount = LETTERS
window = "week"
applies_to = { channels = ["post"] }
[limits.emails]
name = "E-mails"
measure = "contacts"
amount = DAILY
window = "day"
applies_to = { channels = ["email"] }
[limits.each]
name = "Letters per customer"
scope = ["customer"]
measure = "contacts"
amount = 1
window = "month"
applies_to = { channels = ["post"] }
[contact_plan]
period = "7d"
periods = 3
most_contacts = 3
diminishing = 0.8
budget = "customer.purse"
""".replace("LETTERS", str(LETTERS)).replace("DAILY", str(DAILY))
    + "".join(
        f"""
[actions.{name}]
name = "{name}"
prior = {prior}
value = "{value}"
treatments.email = {{ channel = "email", cost = 0.02 }}
treatments.letter = {{ channel = "post", cost = 0.7 }}
"""
        for name, prior, value in (
            ("milk", 0.3, "customer.liking * 10.0"),
            ("tea", 0.2, "12.0 - customer.liking * 9.0"),
            ("jam", 0.4, "2.0 + customer.liking * customer.liking"),
        )
    )
)


def write_shop(folder: Path) -> Path:
    (folder / "catalog").mkdir()
    (folder / "catalog" / "shop.toml").write_text(SHOP)
    (folder / "nba.toml").write_text(PIPELINE)
    return folder / "nba.toml"


def fill(shop: Path) -> Path:
    (shop.parent / "data").mkdir()
    shop.write_text(shop.read_text() + SETTINGS)
    with (shop.parent / "catalog" / "shop.toml").open("a") as file:
        file.write(CATALOG)
    opened(shop, create=True).close()
    rng = np.random.default_rng(3)
    with open_app(shop, environ={}) as app:
        app.engine.load(
            updates=[
                ProfileUpdate(
                    identity=f"crm:{number}",
                    attributes={"liking": rng.random(), "purse": 2.0 * rng.random()},
                )
                for number in range(CUSTOMERS)
            ]
        )
        holds = (Hold(account="letters|2017-11-13", limit="letters", amount=USED, ceiling=9),)
        sent = ReservationRequest(
            reservation_id="r1", decision_id="d1", customer_id="x", expires=2 * START, holds=holds
        )
        app.engine.store.reserve([sent], now=START)
    return shop


def opened(shop: Path, *, create: bool = False) -> SqliteStore:
    path = shop.parent / "data" / "nba.db"
    return open_store(path, create=create, simulated=True if create else None)


def plan(shop: Path, *more: object) -> tuple[object, ...]:
    return ("plan", "-s", shop, "--out", shop.parent / "plan", "--time", MONDAY, *more)


def chains_of(shop: Path) -> dict[str, list[dict[str, Any]]]:
    rows = pq.read_table(shop.parent / "plan" / "plan.parquet").to_pylist()
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["customer"]].append(row)
    return found


def in_store(shop: Path) -> tuple[PlanMark | None, dict[str, CustomerPlan]]:
    store = opened(shop)
    try:
        mark = decode_plan_mark(store.progress(PLAN_MARK) or "")
        found = {}
        for number in range(CUSTOMERS):
            customer = store.customer(f"crm:{number}")
            assert customer is not None
            text = customer[0].attributes.get(PLAN_ATTRIBUTE)
            if text is not None:
                own = decode_customer_plan(text)
                assert own is not None
                found[f"crm:{number}"] = own
        assert store.count_customers() == CUSTOMERS
        return mark, found
    finally:
        store.close()

"""`nba plan` on a store: within limits and what is used of them, resumable, and back into the store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import numpy as np
import pyarrow.parquet as pq
import pytest

from nba_engine.app import open_app, open_logged
from nba_engine.app.contact_plans import PlanRun, keeping, offers
from nba_engine.cli.main import run
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
from nba_engine.engine.contact_plans import Offering, PlanContacts, chain_of
from nba_engine.errors import Unavailable
from nba_engine.learning.report import Report
from nba_engine.store import SqliteStore, open_store
from tests.cli.conftest import CATALOG as SHOP
from tests.cli.conftest import SETTINGS as PIPELINE

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

pytestmark = pytest.mark.xdist_group("plan_store")

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


@pytest.fixture
def filled(shop: Path) -> Path:
    """A simulated store with customers; some of this week's letters are sent already."""
    return fill(shop)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, planned."""
    shop = fill(write_shop(tmp_path_factory.mktemp("planned")))
    assert run([str(word) for word in plan(shop)]) == 0
    return shop


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


@pytest.fixture(autouse=True)
def _forget_what_is_open() -> Iterator[None]:
    yield
    offers._opened.clear()


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are not drawn: pictures take longer than plans."""
    monkeypatch.setattr(Report, "picture", lambda *_: None)


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


def test_a_plan_keeps_every_rule_and_every_limit_less_what_is_used(planned: Path) -> None:
    letters: dict[int, int] = defaultdict(int)
    emails: dict[int, int] = defaultdict(int)
    chains = chains_of(planned)
    store = opened(planned)
    for customer, rows in chains.items():
        state = store.customer(customer)
        assert state is not None
        assert sum(row["cost"] for row in rows) <= state[0].attributes["purse"] + 1e-9
        assert len(rows) <= 3
        assert len({row["action"] for row in rows}) == len(rows)
        assert all(b["period"] > a["period"] for a, b in pairwise(rows))
        for row in rows:
            (letters if row["channel"] == "post" else emails)[row["period"]] += 1
        # one a month: the third week reaches into December
        assert sum(row["channel"] == "post" and row["period"] < 3 for row in rows) <= 1
    store.close()
    assert letters[1] == LETTERS - USED  # they are worth it
    assert letters[2] == letters[3] == LETTERS
    assert all(emails[period] <= 7 * DAILY for period in (1, 2, 3))
    summary = json.loads((planned.parent / "plan" / "summary.json").read_text())
    assert summary["customers"] == CUSTOMERS
    assert summary["contacts"] == sum(map(len, chains.values()))
    assert not (planned.parent / "plan" / "work").exists()


def test_what_is_planned_is_in_force_in_the_store(planned: Path) -> None:
    mark, plans = in_store(planned)
    assert mark is not None
    assert (mark.starts, mark.terms.periods) == (START, 3)
    assert set(mark.prices) == {"letters", "emails"}
    assert min(mark.prices["letters"]) > 0.0
    chains = chains_of(planned)
    assert plans.keys() == chains.keys()
    for customer, own in plans.items():
        assert own.plan == mark.id
        for contact, row in zip(own.contacts, chains[customer], strict=True):
            assert (contact.period + 1, contact.action) == (row["period"], row["action"])
            assert contact.starts == START + contact.period * 604_800.0
            assert (contact.treatment, contact.value) == (row["treatment"], row["value"])


def test_a_single_customer_gets_the_same_chain_at_the_prices_of_the_plan(planned: Path) -> None:
    mark, plans = in_store(planned)
    assert mark is not None
    with open_logged(planned, with_log=False, environ={}) as logged:
        contacts = PlanContacts(logged.snapshot.catalog, mark.terms, starts=mark.starts)
        prices = contacts.prices(mark.prices)
        offering = Offering(logged.snapshot, logged.store, now=mark.made)
        alike = 0
        for identity, own in plans.items():
            customer = logged.store.customer(identity)
            assert customer is not None
            if own.contacts[0].reason == "best_at_prices":
                offered = offering.offers(customer[0].customer_id)
                assert offered is not None
                assert chain_of(offered, contacts, prices) == own.contacts
                alike += 1
    assert alike >= 10


@pytest.mark.usefixtures("unseen")
def test_a_plan_that_was_stopped_while_it_was_written_is_in_force_only_when_all_is(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nba(*plan(filled)) == 0, nba.err
    assert "violation 0" in nba.out
    before, first = in_store(filled)
    assert before is not None
    assert f"in force: plan {before.id}" in nba.out
    monkeypatch.setattr(keeping, "_COMMIT", 5)
    commits = 0
    bulk = SqliteStore.bulk

    def full(store: SqliteStore, **given: Any) -> Any:
        nonlocal commits
        commits += 1
        if commits == 4:
            raise Unavailable("the disk is away")
        return bulk(store, **given)

    monkeypatch.setattr(SqliteStore, "bulk", full)
    assert nba(*plan(filled)) == 1
    assert "the disk is away" in nba.err
    mark, plans = in_store(filled)
    assert mark == before  # the old one is in force for everybody, written or not
    assert {name: own.of(before.id) for name, own in plans.items() if name in first} == first
    begun = {own.plan for own in plans.values()} - {before.id}
    assert len(begun) == 1
    assert nba(*plan(filled)) == 0, nba.err
    assert "going on with" in nba.err
    mark, plans = in_store(filled)
    assert mark is not None
    assert {mark.id} == begun
    assert {own.plan for own in plans.values()} == {mark.id}
    assert plans.keys() == chains_of(filled).keys()


@pytest.mark.usefixtures("unseen")
def test_a_run_that_was_stopped_while_asking_goes_on_with_the_same_moment(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nba_engine.cli.plan_store._SHARE", 20)
    asked = []
    ask = Offering.offers

    def some(offering: Offering, customer_id: str, *, seed: int = 0) -> Any:
        asked.append(customer_id)
        if len(asked) == 45:
            raise Unavailable("the store is away")
        return ask(offering, customer_id, seed=seed)

    monkeypatch.setattr(Offering, "offers", some)
    assert nba(*plan(filled, "--dry-run")) == 1
    assert nba(*plan(filled, "--dry-run", "--limit", 5)) == 1
    assert "differs in limit; --fresh begins anew" in nba.err
    assert nba(*plan(filled, "--dry-run")) == 0, nba.err
    assert len(asked) < 2 * CUSTOMERS - 20  # what was done was not asked again
    stopped = chains_of(filled)
    assert nba(*plan(filled, "--dry-run")) == 0, nba.err
    assert chains_of(filled) == stopped


@pytest.mark.usefixtures("unseen")
def test_what_if_puts_nothing_in_force_and_shows_both(filled: Path, nba: Nba) -> None:
    more = ("--set", f"limit.letters.amount={3 * LETTERS}", "--compare")
    assert nba(*plan(filled, *more)) == 0, nba.err
    assert "nothing was put in force: it is a what-if plan (--set)" in nba.out
    assert in_store(filled) == (None, {})
    found = json.loads((filled.parent / "plan" / "compare.json").read_text())
    # what is used is taken off either way
    assert found["limits"]["letters, period 1"]["amount"] == [LETTERS - USED, 3 * LETTERS - USED]
    before, after = found["figures"]["value"]
    assert after > before
    assert found["customers_changed"] > 0
    assert nba(*plan(filled, "--set", "limit.each.amount=0", "--json")) == 0, nba.err
    assert all(
        row["channel"] == "email"
        for rows in chains_of(filled).values()
        for row in rows
        if row["period"] < 3
    )
    assert nba(*plan(filled, "--set", "limit.letter.amount=1")) == 1
    assert "letters" in nba.err


@pytest.mark.usefixtures("unseen")
def test_what_was_found_is_void_when_chains_are_searched_again(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **_more: object) -> None:
        raise Unavailable("the store is away")

    run_of = PlanRun(filled.parent / "plan")
    with monkeypatch.context() as stopped:
        stopped.setattr(keeping, "encode_plan_mark", away)  # all is written but the mark
        assert nba(*plan(filled)) == 1
    found = run_of.mark()
    assert found is not None
    with monkeypatch.context() as stopped:
        stopped.setattr("nba_engine.planning.run.summary", away)  # plan.parquet is another one
        assert nba(*plan(filled, "--set", "limit.letters.amount=1")) == 1
    assert run_of.mark() is None
    assert nba(*plan(filled)) == 0, nba.err
    mark, plans = in_store(filled)
    assert mark is not None
    assert mark.id != found.id
    assert plans.keys() >= chains_of(filled).keys()
    in_force = {name for name, own in plans.items() if own.plan == mark.id}
    assert in_force == chains_of(filled).keys()


@pytest.mark.usefixtures("unseen")
def test_a_trial_asks_a_few_customers(filled: Path, nba: Nba) -> None:
    assert nba(*plan(filled, "--limit", 7, "--json")) == 0, nba.err
    assert json.loads(nba.out)["customers"] == 7
    assert in_store(filled) == (None, {})


def test_a_catalog_without_a_plan_and_a_store_without_customers_are_told(
    shop: Path, nba: Nba
) -> None:
    (shop.parent / "data").mkdir()
    opened(shop, create=True).close()
    assert nba(*plan(shop)) == 1
    assert "no table [contact_plan]" in nba.err
    with (shop.parent / "catalog" / "shop.toml").open("a") as file:
        file.write(CATALOG)
    assert nba(*plan(shop)) == 1
    assert "no customers" in nba.err


@pytest.mark.usefixtures("unseen")
def test_what_if_with_other_periods_shows_the_limits_of_both(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("--set", "periods=2", "--compare", "--limit", 9)
    with monkeypatch.context() as patched:
        full = Mock(side_effect=Unavailable("the disk is full"))
        patched.setattr("nba_engine.planning.compare.write_changes", full)
        assert nba(*plan(filled, *more)) == 1
    assert (filled.parent / "plan" / "work").exists()  # what was asked is not asked again
    assert nba(*plan(filled, *more)) == 0, nba.err
    assert "going on with" in nba.err
    found = json.loads((filled.parent / "plan" / "compare.json").read_text())
    assert found["limits"]["letters, period 3"]["amount"] == [LETTERS, None]
    assert found["limits"]["letters, period 1"]["amount"] == 2 * [LETTERS - USED]
    assert not (filled.parent / "plan" / "work").exists()


PUSH = """
[limits.push]
name = "Jam is pushed"
measure = "contacts"
at_least = 18
window = "week"
applies_to = { actions = ["jam"] }
"""


@pytest.mark.usefixtures("unseen")
def test_a_plan_has_the_minimums_of_the_catalog_as_far_as_there_is_room(
    filled: Path, nba: Nba
) -> None:
    catalog = filled.parent / "catalog" / "shop.toml"

    def jam(*more: object) -> list[int]:
        assert nba(*plan(filled, "--fresh", *more)) == 0, nba.err
        rows = [row for chain in chains_of(filled).values() for row in chain]
        return [sum(r["action"] == "jam" and r["period"] == p for r in rows) for p in (1, 2, 3)]

    assert min(jam("--dry-run")) < 15
    without = catalog.read_text()
    catalog.write_text(without + PUSH.replace("18", "15"))
    assert jam() == [15, 15, 15]
    assert "violation 0" in nba.out
    mark, plans = in_store(filled)
    assert mark is not None
    assert min(mark.prices["push|at_least"]) > 0.0
    assert nba("decide", "crm:1", "-s", filled, "-p", "letter", "--time", MONDAY) == 0, nba.err
    fewer = jam("--set", "limit.push.at_least=13", "--dry-run")
    assert min(fewer) >= 13
    assert sum(fewer) < 45
    assert nba(*plan(filled, "--fresh", "--set", "limit.push.at_least=1.5")) == 1
    assert "must be a whole number" in nba.err
    assert nba(*plan(filled, "--fresh", "--set", "limit.each.at_least=1")) == 1
    assert "has no minimum" in nba.err
    # six letters and fourteen e-mails a week, four letters of the first one are written
    catalog.write_text(without + PUSH.replace("18", "19"))
    found = jam("--json")
    assert found[0] <= 16
    assert min(found[1:]) >= 18
    told = json.loads(nba.out)["not_planned_with"]
    assert told[0].startswith("push, at least, period 1: 19 contacts are lacking, and the plan has")
    mark, plans = in_store(filled)
    assert mark is not None
    assert {own.plan for own in plans.values()} >= {mark.id}


@pytest.mark.usefixtures("unseen")
def test_of_two_plans_that_are_written_at_once_one_is_refused_and_goes_on_later(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_COMMIT", 5)
    bulk = SqliteStore.bulk
    ids: list[PlanMark | None] = []

    def meanwhile(store: SqliteStore, **given: Any) -> Any:
        if given.get("updates") and not ids:  # the first commit: another one is planned and written
            mark, _ = in_store(filled)
            ids.append(mark)
            other = ("--time", MONDAY, "--out", filled.parent / "other")
            assert run([str(word) for word in ("plan", "-s", filled, *other)]) == 0
            ids.append(in_store(filled)[0])
        return bulk(store, **given)

    monkeypatch.setattr(SqliteStore, "bulk", meanwhile)
    assert nba(*plan(filled)) == 1
    assert "another plan is being written into this store" in nba.err
    mark, plans = in_store(filled)
    assert mark is not None
    assert ids == [None, mark]  # the other one, for everybody
    assert {own.of(mark.id) is not None for own in plans.values()} == {True}
    assert nba(*plan(filled)) == 0, nba.err
    assert "going on with" in nba.err
    now_mark, plans = in_store(filled)
    assert now_mark is not None
    assert now_mark.id != mark.id
    in_force = {name for name, own in plans.items() if own.plan == now_mark.id}
    assert in_force == chains_of(filled).keys()

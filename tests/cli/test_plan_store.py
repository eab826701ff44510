"""`nba plan` on a store: within limits and what is used of them, and back into the store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nba_engine.app import open_logged
from nba_engine.app.contact_plans import offers
from nba_engine.cli.main import run
from nba_engine.engine.contact_plans import Offering, PlanContacts, chain_of
from nba_engine.learning.report import Report
from tests.cli.planned_store import (
    CATALOG,
    CUSTOMERS,
    DAILY,
    LETTERS,
    MONDAY,
    START,
    USED,
    chains_of,
    fill,
    in_store,
    opened,
    plan,
    write_shop,
)

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

pytestmark = pytest.mark.xdist_group("plan_store")


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


@pytest.fixture(autouse=True)
def _forget_what_is_open() -> Iterator[None]:
    yield
    offers._opened.clear()


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are not drawn: pictures take longer than plans."""
    monkeypatch.setattr(Report, "picture", lambda *_: None)


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
    assert told[0].startswith("push, at least, period 1: only ")
    assert "of 19 contacts that are lacking can be planned" in told[0]
    mark, plans = in_store(filled)
    assert mark is not None
    assert {own.plan for own in plans.values()} >= {mark.id}


@pytest.mark.usefixtures("unseen")
def test_what_a_supposed_minimum_pushes_is_offered_although_it_loses(
    filled: Path, nba: Nba
) -> None:
    catalog = filled.parent / "catalog" / "shop.toml"
    catalog.write_text(
        catalog.read_text()
        + "[actions.pie]\nvalue = 1.0\nprior = 0.1\n"
        + 'treatments.email = { channel = "email", cost = 0.5 }\n'
        + PUSH.replace("jam", "pie").replace("at_least = 18", "amount = 100")
    )
    pies = []
    for more in ((), ("--set", "limit.push.at_least=3", "--compare", "--json")):
        assert nba(*plan(filled, "--dry-run", *more)) == 0, nba.err
        rows = [row for chain in chains_of(filled).values() for row in chain]
        pies.append(sum(row["action"] == "pie" for row in rows))
    assert pies == [0, 9]
    assert json.loads(nba.out)["not_planned_with"] == [[], []]
    for wrong in ("limit.push.at_least=nan", "limit.push.amount=-1"):
        assert nba(*plan(filled, "--set", wrong)) == 2
        assert "must be at least 0" in nba.err

"""A store against a small model: random decisions, contacts, links, catalogs, clocks, restarts.

What is reserved comes from a real catalog, whose amounts are changed by publishing others; what
becomes of it from interactions. After every step the store must say of everything what the model
(`nba_engine.testing.state_model`) says, and what a recount of its reservations gives.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from nba_engine.catalog import Catalog, Vocabulary, load
from nba_engine.domain import (
    CatalogFiles,
    Consent,
    CustomerState,
    LinkRequest,
    ProfileUpdate,
    Publication,
    ReservationRequest,
    Store,
)
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.merging import merge_for
from nba_engine.stages.accounts import Accounts
from nba_engine.testing.customers_suite import happened
from nba_engine.testing.deciding import make_deciding
from nba_engine.testing.state_model import Account, Asked, Held, StateModel
from nba_engine.testing.world import NOW

__all__ = ["StoreMachine"]

CATALOG = """
catalog = {{ currency = "EUR", time_zone = "UTC" }}
attributes.purse = {{ type = "double", merge = "max" }}
aggregates.purchases = {{ kind = "count", types = ["purchase"] }}
channels.mail = {{ name = "Mail", reservation_ttl = "10m" }}
channels.phone = {{ name = "Phone", reservation_ttl = "2h" }}
placements.inbox = {{ channel = "mail" }}
placements.desk = {{ channel = "phone" }}
[actions.nothing]
name = "Nothing"
kind = "nothing"
[actions.offer]
name = "Offer"
value = 5.0
treatments.letter = {{ channel = "mail", cost = 1.5 }}
treatments.call = {{ channel = "phone", cost = 4.0 }}
[limits]
hour = {{ scope = ["customer"], measure = "contacts", amount = {hour}, window = "hour" }}
rolls = {{ scope = ["customer"], measure = "contacts", amount = {rolls}, window = "rolling {minutes}m" }}
seats = {{ scope = ["channel"], measure = "contacts", amount = {seats}, window = "hour", applies_to = {{ channels = ["phone"] }} }}
budget = {{ measure = "money", amount = {budget}, window = "lifetime" }}
purse = {{ scope = ["customer"], measure = "money", amount = "customer.purse", window = "lifetime", applies_to = {{ channels = ["mail"] }} }}
"""
# what the catalog says, once more: the model does not ask the code that reads it
TERMS = {"hour": 2, "rolls": 3, "minutes": 30, "seats": 2, "budget": 12}
DRAWS = {
    "offer.letter": {"hour": 1, "rolls": 1, "budget": 1_500_000, "purse": 1_500_000},
    "offer.call": {"hour": 1, "rolls": 1, "seats": 1, "budget": 4_000_000},
}
LIVES = {"offer.letter": 600.0, "offer.call": 7_200.0}
MICROS = 1_000_000
HOUR = 3_600
CONSENT = "marketing:mail"
ENDS = {"impression": "confirmed", "delivery": "confirmed", "reject": "released"}

NAMES = ("cookie:1", "cookie:2", "crm:1", "crm:2")
IDENTITIES = st.sampled_from(NAMES)
TREATMENTS = st.sampled_from(sorted(DRAWS))
RECENT = st.integers(0, 5)  # which one, from the latest on
STEPS = st.sampled_from([300.0, 600.0, 1_800.0, 3_600.0, -300.0, -3_600.0])


class Wanted(NamedTuple):
    """A reservation that was decided on, and what the model calls it."""

    request: ReservationRequest
    held: Held


@functools.lru_cache(maxsize=256)
def loaded(text: str) -> tuple[Catalog, Accounts]:
    """The catalog of a text, and its accounts."""
    catalog = load({"catalog.toml": text}, Vocabulary())
    return catalog, Accounts(catalog)


class StoreMachine(RuleBasedStateMachine):
    """Each rule does one thing to the store and to the model; they must agree."""

    open_named: Callable[[str], Store]
    names = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.name = f"machine{next(self.names)}"
        self.store = type(self).open_named(self.name)
        self.model = StateModel()
        self.now = NOW
        self.published: Mapping[str, int] = TERMS
        self.made: list[Wanted] = []  # every reservation that was asked for
        self.waiting: list[Wanted] = []  # decided on, not yet reserved
        self.recorded: list[Any] = []

    @classmethod
    def check(cls, open_named: Callable[[str], Store], **changes: Any) -> None:
        """Run the machine over real stores that ``open_named`` opens, again for the same name.

        ``NBA_MACHINE_EXAMPLES``: how many runs (40); ``changes`` are those of `hypothesis.settings`.
        """
        machine = type("Machine", (cls,), {"open_named": staticmethod(open_named)})
        given = {
            "max_examples": int(os.environ.get("NBA_MACHINE_EXAMPLES", "40")),
            "stateful_step_count": 40,
            "deadline": None,
            "suppress_health_check": [HealthCheck.too_slow],
        }
        run_state_machine_as_test(machine, settings=settings(**{**given, **changes}))

    @initialize()
    def start(self) -> None:
        self.publish(TERMS)
        self.reload()

    def publish(self, terms: Mapping[str, int]) -> None:
        text = CATALOG.format(**terms)
        version = loaded(text)[0].version
        self.store.publish_catalog(
            CatalogFiles(version=version, files={"catalog.toml": text}),
            Publication(version=version, time=self.now, switch_time=self.now),
        )
        self.published = terms

    @rule(limit=st.sampled_from(sorted(TERMS)), by=st.sampled_from([-1, 1, 2]))
    def change_amount(self, limit: str, by: int) -> None:
        """Somebody publishes another amount (or window): it counts when processes have taken it."""
        by = 15 * by if limit == "minutes" else by
        self.publish({**self.published, limit: max(1, self.published[limit] + by)})

    @rule()
    def reload(self) -> None:
        files = self.store.catalog_files(self.store.publications()[-1].version)
        assert files is not None
        self.catalog, self.accounts = loaded(files["catalog.toml"])
        self.terms = self.published

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = type(self).open_named(self.name)
        self.reload()

    @rule(identity=IDENTITIES, treatments=st.lists(TREATMENTS, min_size=1, max_size=2))
    def decide(self, identity: str, treatments: list[str]) -> None:
        """A decision reads customer and amounts; it reserves in the next moment, or later."""
        found = self.store.customer(identity)
        state = CustomerState(customer_id=identity) if found is None else found[0]
        deciding = make_deciding(self.catalog, state=state, now=self.now)
        for treatment in treatments:
            expires = self.now + LIVES[treatment]
            request = ReservationRequest(
                reservation_id=f"r{len(self.made)}",
                decision_id="d",
                customer_id=state.customer_id,
                holds=self.accounts.holds(deciding, self.catalog.treatment_index[treatment]),
                expires=expires,
            )
            holds = dict(self.asked(identity, limit, treatment) for limit in DRAWS[treatment])
            self.made.append(Wanted(request, Held(expires, holds)))
            self.waiting.append(self.made[-1])

    def asked(self, identity: str, limit: str, treatment: str) -> tuple[Account, Asked]:
        """What a treatment draws on a limit, by the table above."""
        own = limit in {"hour", "rolls", "purse"}
        hour = int(self.now // HOUR) if limit in {"hour", "seats"} else -1
        amount = self.terms.get(limit, 0) * (MICROS if limit == "budget" else 1)
        if limit == "purse" and identity in self.model.owner:
            amount = self.model.person(identity).purse * MICROS
        rolls = self.terms["minutes"] * 60.0 if limit == "rolls" else float("inf")
        account = Account(limit, identity if own else "", hour)
        return account, Asked(DRAWS[treatment][limit], amount, rolls)

    @rule(identity=IDENTITIES, treatments=st.lists(TREATMENTS, min_size=1, max_size=2))
    def decide_and_reserve(self, identity: str, treatments: list[str]) -> None:
        self.decide(identity, treatments)
        self.reserve()

    @rule()
    def reserve(self) -> None:
        latest = max(self.now, self.model.clock)
        if any(one.held.expires <= latest for one in self.waiting):
            del self.waiting[1:]  # what is due at once frees its room at once, or a moment later
        asked, self.waiting = self.waiting, []
        self.try_to_reserve(asked)

    @rule(which=RECENT)
    def repeat_a_reservation(self, which: int) -> None:
        self.try_to_reserve(self.made[-1 - which :][:1])

    def try_to_reserve(self, asked: list[Wanted]) -> None:
        if not asked:
            return
        answers = self.store.reserve([one.request for one in asked], now=self.now)
        for one, answer in zip(asked, answers, strict=True):
            name = one.request.reservation_id
            known = name in self.model.held
            refused_by, room = self.model.reserve(name, one.held, self.now)
            assert answer.granted == (not refused_by), (answer, refused_by)
            if not known:
                assert (answer.refused_by, answer.room) == (refused_by, room)

    @rule(identity=IDENTITIES, which=RECENT, kind=st.sampled_from(sorted(ENDS)))
    def record_a_contact(self, identity: str, which: int, kind: str) -> None:
        name = f"r{len(self.made) - 1 - which}"
        item = happened(len(self.recorded), kind, identity=identity, recommendation=name)
        self.recorded.append(item)
        (result,) = self.store.record([item], fold_for(self.catalog.aggregates), now=self.now)
        self.model.tell(identity)
        self.model.tick(self.now)
        known = name in self.model.held
        expected = self.model.end(name, ENDS[kind], self.now) if known else "unknown"
        assert (result.status, result.reservation) == ("recorded", expected)

    @rule(identity=IDENTITIES)
    def buy(self, identity: str) -> None:
        self.recorded.append(happened(len(self.recorded), identity=identity))
        self.store.record(self.recorded[-1:], fold_for(self.catalog.aggregates), now=self.now)
        self.model.tell(identity, bought=1)
        self.model.tick(self.now)

    @rule(which=RECENT)
    def repeat_an_interaction(self, which: int) -> None:
        again = self.recorded[-1 - which :][:1]
        results = self.store.record(again, fold_for(self.catalog.aggregates), now=self.now)
        assert all((one.status, one.reservation) == ("duplicate", "") for one in results)
        self.model.tick(self.now)

    @rule(which=RECENT)
    def release(self, which: int) -> None:
        """A decision that failed gives back what it reserved."""
        name = f"r{len(self.made) - 1 - which}"
        self.store.release([name], now=self.now)
        self.model.tick(self.now)
        if name in self.model.held:
            self.model.end(name, "released", self.now)

    @rule()
    def expire(self) -> None:
        before = [one.status for one in self.model.held.values()]
        self.model.tick(self.now)
        after = [one.status for one in self.model.held.values()]
        assert self.store.expire(now=self.now) == after.count("expired") - before.count("expired")

    @rule(seconds=STEPS)
    def move_the_clock(self, seconds: float) -> None:
        self.now += seconds

    @rule(identity=IDENTITIES, withdrawn=st.booleans(), time=st.integers(1, 3))
    def consent(self, identity: str, withdrawn: bool, time: int) -> None:  # noqa: FBT001
        said = {CONSENT: Consent(granted=not withdrawn, time=float(time), source="page")}
        self.store.update([ProfileUpdate(identity=identity, consents=said)])
        self.model.tell(identity, (withdrawn, float(time)))

    @rule(identity=IDENTITIES, purse=st.integers(1, 5))
    def fill_the_purse(self, identity: str, purse: int) -> None:
        attributes = {"purse": float(purse)}
        self.store.update([ProfileUpdate(identity=identity, attributes=attributes)])
        self.model.tell(identity, purse=purse)

    @rule(identities=st.lists(IDENTITIES, min_size=2, max_size=3, unique=True))
    def link(self, identities: list[str]) -> None:
        rules = {name: one.merge for name, one in self.catalog.attributes.items()}
        merge = merge_for(rules, self.catalog.aggregates)
        self.store.link(LinkRequest(identities=tuple(identities)), merge, now=self.now)
        self.model.link(*identities)

    @invariant()
    def customers_agree(self) -> None:
        found = {name: self.store.customer(name) for name in NAMES}
        known = {name: one[0] for name, one in found.items() if one is not None}
        assert known.keys() == self.model.owner.keys()
        ids = {(state.customer_id, self.model.owner[name]) for name, state in known.items()}
        assert len({one for one, _ in ids}) == len({name for _, name in ids}) == len(ids)
        for customer_id, name in ids:
            person, state = self.model.person(name), known[name]
            told = self.store.identities(name)
            assert told is not None
            assert told.customer_id == state.customer_id == customer_id
            assert {*told.identities} == {o for o in NAMES if self.model.owner.get(o) == name}
            assert {(not one.granted, one.time) for one in told.consents} == person.said
            consent = state.consents.get(CONSENT, Consent(granted=True, time=-1.0))
            assert (not consent.granted, consent.time) == person.consent
            assert state.attributes.get("purse", 0) == person.purse
            assert state.aggregates.get("purchases", 0) == person.bought

    @invariant()
    def accounts_agree(self) -> None:
        owners = self.model.owner.items()
        ids = {one[0].customer_id: o for n, o in owners if (one := self.store.customer(n))}
        found = {
            account_of(one.account, ids): (one.reserved, one.spent, one.overrun)
            for one in self.store.accounts("", now=self.model.clock, most=1_000)
        }
        asked = {self.model.now(one) for held in self.model.held.values() for one in held.holds}
        for account in asked | found.keys():
            assert found.get(account, (0, 0, 0)) == self.model.used(account), account
        recount = getattr(self.store, "recount", None)
        assert recount is None or list(recount()) == list(self.store.usage_report())

    @invariant()
    def each_reservation_ended_as_the_model_says(self) -> None:
        for name in {*self.model.owner.values()}:
            page = self.store.holdings(name)
            assert page is not None
            assert {one.reservation_id: one.status for one in page.reservations} == {
                one: held.status
                for one, held in self.model.held.items()
                if name in {self.model.now(account).customer for account in held.holds}
            }

    def teardown(self) -> None:
        self.store.close()


def account_of(text: str, ids: Mapping[str, str]) -> Account:
    """The model's name of an account."""
    limit, *scope, window = text.split("|")
    whose = dict(part.split("=", 1) for part in scope).get("customer", "")
    hour = -1 if window in {"lifetime", "rolling"} else int(moment(window) // HOUR)
    return Account(limit, ids.get(whose, whose), hour)


def moment(window: str) -> float:
    return dt.datetime.strptime(f"{window}+0000", "%Y-%m-%dT%H:%MZ%z").timestamp()

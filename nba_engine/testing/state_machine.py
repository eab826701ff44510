"""A store against a small model: random decisions, contacts, links, erasures, clocks, restarts.

What is reserved comes from a real catalog, whose amounts are changed by publishing others; what
becomes of it from interactions. After every step the store must say of everything what the model
(`nba_engine.testing.state_model`) says, and what a recount of its reservations gives.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from nba_engine.domain import (
    CatalogFiles,
    Consent,
    CustomerState,
    Fold,
    Interaction,
    InteractionResult,
    LinkRequest,
    ProfileUpdate,
    Publication,
    ReservationRequest,
    Store,
    id_time,
)
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.merging import merge_for
from nba_engine.testing.customers_suite import happened
from nba_engine.testing.deciding import make_deciding
from nba_engine.testing.state_catalog import (
    CATALOG,
    CONSENT,
    DRAWS,
    HOUR,
    LIVES,
    MICROS,
    TERMS,
    account_of,
    loaded,
)
from nba_engine.testing.state_model import Account, Asked, Held, StateModel

__all__ = ["StoreMachine"]

NOW = 694_444 * HOUR  # in the year 2049: an erasure looks at the clock of the machine, too
NAMES = ("cookie:1", "crm:1", "crm:2")
IDENTITIES = st.sampled_from(NAMES)
TREATMENTS = st.lists(st.sampled_from(sorted(DRAWS)), min_size=1, max_size=2)
RECENT = st.integers(0, 2)  # which one, from the latest on
PURSES = st.integers(0, 4)  # 0: as it is
# how far the clock moves before something happens: mostly not at all, sometimes back
LATER = st.sampled_from([0.0, 0.0, 0.0, 300.0, 600.0, 600.0, 1_800.0, 3_600.0, -300.0, -3_600.0])


class Wanted(NamedTuple):
    """A reservation that was decided on, and what the model calls it."""

    request: ReservationRequest
    held: Held


class StoreMachine(RuleBasedStateMachine):
    """Each rule does one thing to the store and to the model; they must agree."""

    open_named: Callable[[str], Store]
    names = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.name = f"machine{next(self.names)}"
        self.store = type(self).open_named(self.name)
        self.others: list[Store] = []  # the same store, as another process has it open
        self.model = StateModel()
        self.now = float(NOW)
        self.published: Mapping[str, int] = TERMS
        self.made: list[Wanted] = []  # every reservation that was asked for
        self.waiting: list[Wanted] = []  # decided on, not yet reserved
        self.recorded: list[Interaction] = []
        self.ids: dict[str, str] = {}  # customer ids, also of merged customers → an identity
        self.erased: dict[str, float] = {}  # identities and such ids → when

    @classmethod
    def check(cls, open_named: Callable[[str], Store], **changes: Any) -> None:
        """Run the machine over real stores that ``open_named`` opens, again for the same name.

        ``NBA_MACHINE_EXAMPLES``: how many runs; without it 30, and one that fails is told as it is,
        since making it short takes minutes. ``changes`` are those of `hypothesis.settings`.
        """
        machine = type("Machine", (cls,), {"open_named": staticmethod(open_named)})
        many = os.environ.get("NBA_MACHINE_EXAMPLES", "")
        given = {
            "max_examples": int(many or 30),
            "phases": [one for one in Phase if many or one not in {Phase.shrink, Phase.explain}],
            "stateful_step_count": 40,
            "deadline": None,
            "suppress_health_check": [HealthCheck.too_slow],
        }
        run_state_machine_as_test(machine, settings=settings(**{**given, **changes}))

    @initialize(purse=PURSES, decisions=st.lists(st.tuples(IDENTITIES, TREATMENTS), max_size=3))
    def start(self, purse: int, decisions: list[tuple[str, list[str]]]) -> None:
        self.publish(TERMS)
        self.reload()
        self.tell("crm:1", purse)
        self.tell("crm:2", 2)
        for identity, treatments in decisions:
            self.decide(identity, treatments)

    def publish(self, terms: Mapping[str, int]) -> None:
        text = CATALOG.format(**terms)
        version = loaded(text)[0].version
        self.store.publish_catalog(
            CatalogFiles(version=version, files={"catalog.toml": text}),
            Publication(version=version, time=self.now, switch_time=self.now),
        )
        self.published = terms

    @rule(
        limit=st.sampled_from(sorted(TERMS)), by=st.sampled_from([-1, 1, 2]), at_once=st.booleans()
    )
    def change_amount(self, limit: str, by: int, at_once: bool) -> None:  # noqa: FBT001
        """Somebody publishes another amount (or window): it counts once processes have taken it."""
        by = 15 * by if limit == "minutes" else by
        self.publish({**self.published, limit: max(1, self.published[limit] + by)})
        if at_once:
            self.reload()

    @rule()
    def reload(self) -> None:
        files = self.store.catalog_files(self.store.publications()[-1].version)
        assert files == {"catalog.toml": CATALOG.format(**self.published)}
        self.catalog, self.accounts = loaded(files["catalog.toml"])
        self.terms = self.published

    @rule()
    def restart(self) -> None:
        self.teardown()
        self.store, self.others = type(self).open_named(self.name), []
        self.reload()

    @rule()
    def go_on_in_another_process(self) -> None:
        before, self.store = self.store, (self.others or [type(self).open_named(self.name)])[0]
        self.others = [before]

    def decide(self, identity: str, treatments: Sequence[str]) -> None:
        """A decision reads customer and amounts, and reserves."""
        self.read(identity, treatments)
        self.reserve()

    def read(self, identity: str, treatments: Sequence[str]) -> None:
        found = self.store.customer(identity)
        state = CustomerState(customer_id=identity) if found is None else found[0]
        deciding = make_deciding(self.catalog, state=state, now=self.now)
        for treatment in treatments:
            expires = self.now + LIVES[treatment]
            request = ReservationRequest(
                reservation_id=f"r{len(self.made)}",
                decision_id=f"{id_time(self.now)}{len(self.made):04}",
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

    def reserve(self) -> None:
        latest = max(self.now, self.model.clock)
        if any(one.held.expires <= latest for one in self.waiting):
            del self.waiting[1:]  # what is due at once frees its room at once, or a moment later
        asked, self.waiting = self.waiting, []
        self.try_to_reserve(asked)

    def granted(self, which: int) -> str:
        """The name of one of the latest reservations; of nobody's, if there are not so many."""
        return next(itertools.islice(reversed(self.model.held), which, None), "nobody's")

    @rule(identity=IDENTITIES, later=LATER)
    def decide_on_a_letter(self, identity: str, later: float) -> None:
        self.now += later
        self.decide(identity, ["offer.letter"])

    @rule(identity=IDENTITIES, later=LATER)
    def decide_on_a_call(self, identity: str, later: float) -> None:
        self.now += later
        self.decide(identity, ["offer.call"])

    @rule(identity=IDENTITIES, treatments=TREATMENTS)
    def decide_slowly(self, identity: str, treatments: list[str]) -> None:
        """It reserves with the next decision: much may happen in between."""
        self.read(identity, treatments)

    def try_to_reserve(self, asked: list[Wanted]) -> None:
        if not asked:
            return
        answers = self.store.reserve([one.request for one in asked], now=self.now)
        for one, answer in zip(asked, answers, strict=True):
            name = one.request.reservation_id
            known = name in self.model.held
            self.model.tick(self.now)
            if not known and self.is_late(one.request):
                assert (answer.granted, answer.room) == (False, 0)
                continue
            refused_by, room = self.model.reserve(name, one.held, self.now)
            assert answer.granted == (not refused_by), (answer, refused_by)
            if not known:
                assert (answer.refused_by, answer.room) == (refused_by, room)

    def is_late(self, request: ReservationRequest) -> bool:
        """Whether its customer was erased since, or in the same moment."""
        erased = self.erased.get(request.customer_id)
        return erased is not None and request.decision_id < id_time(erased + 0.001)

    @rule(identity=IDENTITIES, which=RECENT, later=LATER)
    def record_an_impression(self, identity: str, which: int, later: float) -> None:
        self.record(identity, which, later, "impression", "confirmed")

    @rule(identity=IDENTITIES, which=RECENT, later=LATER)
    def record_a_delivery(self, identity: str, which: int, later: float) -> None:
        self.record(identity, which, later, "delivery", "confirmed")

    @rule(identity=IDENTITIES, which=RECENT, later=LATER)
    def record_a_rejection(self, identity: str, which: int, later: float) -> None:
        self.record(identity, which, later, "reject", "released")

    def record(self, identity: str, which: int, later: float, kind: str, end: str) -> None:
        self.now += later
        name = self.granted(which)
        (result,) = self.tell_store(identity, kind, name)
        if result.status == "recorded":
            known = name in self.model.held
            expected = self.model.end(name, end, self.now) if known else "unknown"
            assert result.reservation == expected

    @rule(identity=IDENTITIES)
    def buy(self, identity: str) -> None:
        (result,) = self.tell_store(identity, "purchase", "")
        if result.status == "recorded":
            self.model.tell(identity, bought=1)

    def tell_store(self, identity: str, kind: str, name: str) -> Sequence[InteractionResult]:
        item = happened(
            len(self.recorded), kind, identity=identity, recommendation=name, time=self.now
        )
        self.recorded.append(item)
        results = self.store.record([item], self.fold, now=self.now)
        self.model.tick(self.now)
        late = self.now < self.erased.get(identity, 0.0)
        assert [one.status for one in results] == ["rejected" if late else "recorded"]
        if not late:
            self.model.tell(identity)
        return results

    @rule(which=RECENT, later=LATER)
    def repeat(self, which: int, later: float) -> None:
        """What was asked for, and what was told, once more."""
        self.now += later
        self.try_to_reserve(self.made[-1 - which :][:1])
        again = self.recorded[-1 - which :][:1]
        results = self.store.record(again, self.fold, now=self.now)
        late = [one.time < self.erased.get(one.identity, 0.0) for one in again]
        expected = ["rejected" if one else "duplicate" for one in late]
        assert [one.status for one in results] == expected
        assert not any(one.reservation for one in results)
        self.model.tick(self.now)

    @rule(which=RECENT)
    def release(self, which: int) -> None:
        """A decision that failed gives back what it reserved."""
        name = self.granted(which)
        self.store.release([name], now=self.now)
        self.model.tick(self.now)
        if name in self.model.held:
            self.model.end(name, "released", self.now)

    @rule(later=LATER)
    def expire(self, later: float) -> None:
        self.now += later
        before = [one.status for one in self.model.held.values()]
        self.model.tick(self.now)
        after = [one.status for one in self.model.held.values()]
        assert self.store.expire(now=self.now) == after.count("expired") - before.count("expired")

    @rule(identity=IDENTITIES, purse=PURSES, withdrawn=st.booleans(), time=st.integers(1, 3))
    def tell(self, identity: str, purse: int, withdrawn: bool = False, time: int = 1) -> None:  # noqa: FBT001, FBT002
        consent = Consent(granted=not withdrawn, time=float(time), source="page")
        attributes = {"purse": float(purse)} if purse else {}
        update = ProfileUpdate(
            identity=identity, attributes=attributes, consents={CONSENT: consent}
        )
        self.store.update([update])
        self.model.tell(identity, (withdrawn, float(time)), purse=purse)

    @rule(identities=st.lists(IDENTITIES, min_size=2, max_size=3, unique=True))
    def link(self, identities: list[str]) -> None:
        rules = {name: one.merge for name, one in self.catalog.attributes.items()}
        merge = merge_for(rules, self.catalog.aggregates)
        self.store.link(LinkRequest(identities=tuple(identities)), merge, now=self.now)
        self.model.link(*identities)

    @rule(identity=IDENTITIES)
    def erase(self, identity: str) -> None:
        self.now = max(self.now, self.model.clock) + 300.0  # all that is known happened before
        self.store.expire(now=self.now)
        self.model.tick(self.now)
        self.store.erase(identity, now=self.now)
        name = self.model.owner.get(identity, identity)
        names = {identity, *(one for one in NAMES if self.model.owner.get(one) == name)}
        ids = [one for one, whose in self.ids.items() if whose in names]
        self.erased |= dict.fromkeys([*names, *ids], self.now)
        for one in ids:
            del self.ids[one]
        self.model.erase(identity)

    @property
    def fold(self) -> Fold:
        return fold_for(self.catalog.aggregates)

    @invariant()
    def customers_agree(self) -> None:
        found = {name: self.store.customer(name) for name in NAMES}
        known = {name: one[0] for name, one in found.items() if one is not None}
        assert known.keys() == self.model.owner.keys()
        self.ids |= {state.customer_id: name for name, state in known.items()}
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
        for store in (self.store, *self.others):
            store.close()

"""Identities, links and consents of a `FakeStore`: what the embedded store keeps in tables."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

import msgspec

from nba_engine.domain import (
    Consent,
    ConsentChange,
    CustomerState,
    Held,
    Identities,
    Link,
    Linked,
    LinkRequest,
    Merge,
    ProfileUpdate,
    ReservationRequest,
    of_customer,
)
from nba_engine.domain.identities import Stamps
from nba_engine.errors import FailedPrecondition, InvalidRequest, Violation
from nba_engine.store.customers import NOBODY
from nba_engine.testing.fake_ledger import FakeLedger

__all__ = ["FakeIdentities"]


class FakeIdentities:
    """Customers and the identities that lead to them; `copy` it to try something."""

    def __init__(self) -> None:
        self.customers: dict[str, CustomerState] = {}  # the one known longest first
        self.known: dict[str, int] = {}  # customer id, also of those that are no more → number
        self.stamps: dict[str, Stamps] = {}
        self.of: dict[str, str] = {}  # identity → customer id
        self.merged: dict[str, str] = {}  # id of a customer that is no more → who it is now
        self.links: dict[str, tuple[Link, ...]] = {}
        self.consents: dict[str, frozenset[ConsentChange]] = {}
        self.requests: dict[str, bytes] = {}

    def copy(self) -> FakeIdentities:
        """The same state, to be changed."""
        other = FakeIdentities()
        for name, value in vars(self).items():
            setattr(other, name, dict(value))
        return other

    def customer(self, identity: str, ledger: FakeLedger) -> CustomerState:
        """The customer behind an identity; a new one if it is unknown."""
        if identity not in self.of:
            name = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
            self.of[identity] = name
            self.customers[name] = CustomerState(customer_id=name, version=1)
            self.known[name] = len(self.known) + 1
            ledger.move(identity, name)
        return self.customers[self.of[identity]]

    def stamp(self, customer: str, update: ProfileUpdate) -> None:
        """Note when the attributes of an update were set."""
        stamps = dict(self.stamps.get(customer, {}))
        stamps |= {
            name: update.time for name, value in update.attributes.items() if value is not None
        }
        self.stamps[customer] = {n: s for n, s in stamps.items() if n not in update.remove}

    def note_consent(self, customer: str, key: str, said: Consent, identity: str) -> None:
        """Keep what was said of a consent; the same said again is no news."""
        change = ConsentChange(
            consent=key, granted=said.granted, time=said.time, source=said.source, identity=identity
        )
        noted = self.consents.get(customer, frozenset())
        if not any(_same(change, one) for one in noted):
            self.consents[customer] = noted | {change}

    def seen(self, request_id: str, asked: object, field: str) -> bool:
        """Whether this was asked for before; what takes its id for something else is refused."""
        text = msgspec.msgpack.encode(asked, order="deterministic")
        body = hashlib.blake2b(text, digest_size=16).digest()
        before = self.requests.setdefault(request_id, body)
        if before != body:
            wrong = Violation(field=field, description="was used before for another request")
            raise InvalidRequest([wrong], reason="REQUEST_ID_REUSED")
        return before is not body

    def link(self, request: LinkRequest, merge: Merge, now: float, ledger: FakeLedger) -> Linked:
        """Lead the identities to one customer: the one known longest."""
        names = sorted(set(request.identities))
        asked = ("link", names, request.source)
        done = bool(request.request_id) and self.seen(request.request_id, asked, "request_id")
        found = {self.of[name] for name in names if name in self.of}
        customers = [name for name in self.customers if name in found]
        strangers = [name for name in names if name not in self.of]
        if done and not customers:  # its customer was erased since
            return Linked(state=NOBODY, identities=())
        if done or (len(customers) == 1 and not strangers):
            return self._linked(customers[0])
        count = len(strangers) + sum(customer in found for customer in self.of.values())
        if count > request.most:
            raise FailedPrecondition(
                "the customer would have too many identities",
                reason="TOO_MANY_LINKS",
                metadata={"identities": str(count), "max_links": str(request.most)},
            )
        if not customers:
            customers = [self.customer(strangers[0], ledger).customer_id]
        first, *others = customers
        for other in others:
            self._merge(first, other, merge, ledger)
        for name in strangers:
            if name not in self.of:
                self.of[name] = first
                ledger.move(name, first)
        made = Link(time=now, source=request.source, identities=tuple(names), merged=tuple(others))
        self.links[first] = (*self.links.get(first, ()), made)
        return self._linked(first, tuple(others))

    def _merge(self, first: str, other: str, merge: Merge, ledger: FakeLedger) -> None:
        held = merge(self._held(first), self._held(other))
        self.customers[first], self.stamps[first] = held.state, held.stamps
        del self.customers[other]
        for leading in (self.of, self.merged):
            leading.update({name: first for name, now in leading.items() if now == other})
        self.merged[other] = first
        self.links[first] = (*self.links.get(first, ()), *self.links.pop(other, ()))
        for one in self.consents.pop(other, frozenset()):
            said = Consent(granted=one.granted, time=one.time, source=one.source)
            self.note_consent(first, one.consent, said, one.identity)
        ledger.move(other, first)

    def _held(self, customer: str) -> Held:
        return Held(state=self.customers[customer], stamps=self.stamps.get(customer, {}))

    def _linked(self, customer: str, merged: tuple[str, ...] = ()) -> Linked:
        identities = self._identities(customer)
        return Linked(state=self.customers[customer], identities=identities, merged=merged)

    def _identities(self, customer: str) -> tuple[str, ...]:
        return tuple(sorted(name for name, leads_to in self.of.items() if leads_to == customer))

    def current(self, request: ReservationRequest) -> ReservationRequest:
        """The request for who its customer is by now."""
        before = request.customer_id
        after = self.merged.get(before) or self.of.get(before)
        if after is None:
            return request
        holds = tuple(
            msgspec.structs.replace(hold, account=of_customer(hold.account, before, after))
            for hold in request.holds
        )
        return msgspec.structs.replace(request, customer_id=after, holds=holds)

    def names(self) -> Iterable[str]:
        """Every identity and customer id, of those that are no more too."""
        return {*self.of, *self.customers, *self.merged}

    def names_of(self, asked: Iterable[str]) -> set[str]:
        """These names, and all others of the customers that they lead to."""
        names = set(asked)
        found = {self.of.get(name) or self.merged.get(name) or name for name in names}
        found &= self.customers.keys()
        for leading in (self.of, self.merged):
            names |= {name for name, customer in leading.items() if customer in found}
        return names | found

    def remove(self, names: Collection[str]) -> dict[str, int]:
        """Remove the customers behind these names, and all that leads to them; how much of what."""
        gone = names & self.customers.keys()
        counts = {
            "consents": sum(len(self.consents.pop(one, ())) for one in gone),
            "links": sum(len(self.links.pop(one, ())) for one in gone),
            "customers": len(gone),
        }
        for one in gone:
            del self.customers[one]
            self.stamps.pop(one, None)
        for kind, leading in (("identities", self.of), ("merged", self.merged)):
            theirs = [name for name, customer in leading.items() if customer in gone]
            counts[kind] = len(theirs)
            for name in theirs:
                del leading[name]
        return counts

    def read(self, identity: str) -> Identities | None:
        """Who the customer behind an identity is."""
        customer = self.of.get(identity)
        if customer is None:
            return None
        return Identities(
            customer_id=customer,
            identities=self._identities(customer),
            stamps=self.stamps.get(customer, {}),
            links=tuple(sorted(self.links.get(customer, ()), key=lambda link: link.time)),
            consents=tuple(
                sorted(
                    self.consents.get(customer, ()),
                    key=lambda said: (said.time, said.consent, not said.granted, said.source),
                )
            ),
        )


def _same(one: ConsentChange, other: ConsentChange) -> bool:
    """The same words at the same time, by whichever identity."""
    return msgspec.structs.replace(one, identity="") == msgspec.structs.replace(other, identity="")

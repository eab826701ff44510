"""What a store must hold, in as few lines as possible: nothing is counted, all is looked up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

__all__ = ["Account", "Asked", "Held", "Person", "StateModel"]


class Account(NamedTuple):
    """What counts together; ``customer`` "" and ``hour`` -1: all of them."""

    limit: str
    customer: str = ""
    hour: int = -1


class Asked(NamedTuple):
    """How much of an account, of which amount in force, and for how long it counts once spent."""

    much: int
    amount: int
    rolls: float = float("inf")


class Held(msgspec.Struct):
    """One reservation, and what became of it: how much was ``over`` the amount, has ``fallen``."""

    expires: float
    holds: Mapping[Account, Asked]
    status: str = "reserved"
    ended: float = 0.0
    over: Mapping[Account, int] = {}
    fallen: frozenset[Account] = frozenset()


class Person(NamedTuple):
    """A customer. A consent is whether it was withdrawn, and since when."""

    said: frozenset[tuple[bool, float]] = frozenset()
    consent: tuple[bool, float] = (False, -1.0)
    purse: int = 0
    bought: int = 0


class StateModel:
    """The state of a store. A customer bears the name of one of its identities."""

    def __init__(self) -> None:
        self.clock = 0.0  # never runs backwards
        self.owner: dict[str, str] = {}  # known identity → customer
        self.facts: dict[str, Person] = {}  # known identity → what it brings into its customer
        self.held: dict[str, Held] = {}
        self.latest: dict[Account, Asked] = {}  # amount of the last grant, length of the window

    def person(self, identity: str) -> Person:
        each = [fact for one, fact in self.facts.items() if self.owner[one] == self.owner[identity]]
        said = frozenset(one for fact in each for one in fact.said)
        consent, purse = max(fact.consent for fact in each), max(fact.purse for fact in each)
        return Person(said, consent, purse, sum(fact.bought for fact in each))

    def tell(
        self, identity: str, *said: tuple[bool, float], purse: int = 0, bought: int = 0
    ) -> None:
        name = self.owner.setdefault(identity, identity)
        self.facts.setdefault(identity, Person())
        was = self.person(identity)
        consent = max([was.consent, *said], key=lambda one: one[::-1])
        fact = Person(was.said | {*said}, consent, purse or was.purse)
        self.facts |= {one: fact for one in self.owner if self.owner[one] == name}
        self.facts[identity] = fact._replace(bought=was.bought + bought)

    def link(self, *identities: str) -> None:
        names = {self.owner.setdefault(one, one) for one in identities}
        self.facts = dict.fromkeys(identities, Person()) | self.facts
        self.owner |= {one: min(names) for one, name in self.owner.items() if name in names}
        before, self.latest = self.latest, {}
        for account, one in before.items():  # the lower amount, the longer window
            two = self.latest.get(self.now(account), one)
            both = Asked(0, min(one.amount, two.amount), max(one.rolls, two.rolls))
            self.latest[self.now(account)] = both

    def erase(self, identity: str) -> None:
        """What was drawn on accounts of all stays."""
        name = self.owner.get(identity, identity)
        for held in self.held.values():
            held.holds = {a: n for a, n in held.holds.items() if self.now(a).customer != name}
        self.latest = {one: asked for one, asked in self.latest.items() if one.customer != name}
        self.facts = {one: fact for one, fact in self.facts.items() if self.owner[one] != name}
        self.owner = {one: owner for one, owner in self.owner.items() if owner != name}

    def now(self, account: Account) -> Account:
        """The account of who the customer is by now."""
        return account._replace(customer=self.owner.get(account.customer, account.customer))

    def used(self, account: Account) -> tuple[int, int, int]:
        """Reserved, spent, overrun: a recount of all reservations."""
        total: Counter[str] = Counter()
        for held in self.held.values():
            for one in held.holds.keys() - held.fallen:
                if self.now(one) == account:
                    total[held.status] += held.holds[one].much
                    total["over"] += held.over.get(one, 0)
        return total["reserved"], total["confirmed"], total["over"]

    def tick(self, now: float) -> None:
        """Time passes: what is due expires, what was spent leaves its window for good."""
        self.clock = max(self.clock, now)
        for held in self.held.values():
            if held.status == "reserved" and held.expires <= self.clock:
                held.status = "expired"
            for one in held.holds if held.status == "confirmed" else ():
                if held.ended + self.latest[self.now(one)].rolls <= self.clock:
                    held.fallen |= {one}

    def reserve(self, name: str, wanted: Held, now: float) -> tuple[str, int]:
        """The limit that refuses it, and what is left of that; "" when it is granted."""
        self.tick(now)
        if name in self.held:
            return ("" if self.held[name].status in {"reserved", "confirmed"} else "ended"), 0
        asked = {self.now(account): one for account, one in wanted.holds.items()}
        for known in self.latest.keys() & asked.keys():
            self.latest[known] = self.latest[known]._replace(rolls=asked[known].rolls)
        self.tick(now)
        for account, one in asked.items():
            room = one.amount - sum(self.used(account)[:2])
            if one.much > room:
                return account.limit, max(0, room)
        self.latest |= asked
        self.held[name] = wanted
        return "", 0

    def end(self, name: str, how: str, now: float) -> str:
        """A contact took place or failed: what becomes of its reservation."""
        self.tick(now)
        held = self.held[name]
        if how == "confirmed" and held.status == "expired":
            for one, asked in held.holds.items():
                room = self.latest[self.now(one)].amount - sum(self.used(self.now(one))[:2])
                held.over = {**held.over, one: max(0, asked.much - max(0, room))}
        elif held.status != "reserved":
            return "unchanged"
        held.status, held.ended = how, self.clock
        return "overrun" if any(held.over.values()) else how

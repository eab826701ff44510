"""What interactions add to the tallies of actions: by the same rules that label examples for training.

A customer's interactions are gone through in the order of their arrival. Each recommendation that
they name becomes a contact once, and positive once: by an interaction that names it within its
time, or, where the outcome says ``by``, by any of the customer's that holds the action's word. When
it was decided is noted with it, and how long its outcome took (`nba_engine.engine.delays`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from nba_engine.domain import Arrival, Arrivals, CatalogView, Interaction, OutcomeSpec, Tally
from nba_engine.engine.delays import Delays, entered, settled, told, waiting, with_waiting

__all__ = ["Counted", "Decided", "Outcomes", "counted", "tallies"]

SHOWN = frozenset({"impression", "delivery"})  # what shows a recommendation, unless an outcome says

# recommendation id → when it was decided; None: not known
Decided = Callable[[str], float | None]


class _Rule(NamedTuple):
    """How a treatment's recommendations end. ``word``: what an interaction's ``by`` must hold."""

    contact: frozenset[str]
    positive: frozenset[str]
    within: float
    by: str
    word: str

    @property
    def kind(self) -> str:
        """Whose outcomes take as long."""
        return f"{' '.join(sorted(self.positive))} in {self.within:g} s by {self.by or 'name'}"


class Counted(msgspec.Struct, frozen=True):
    """What was counted.

    ``actions``: all contacts and positive outcomes; ``delays`` by kind of outcome; ``until``: when the
    latest of what was counted was recorded.
    """

    actions: dict[str, Tally] = {}
    delays: dict[str, Delays] = {}
    until: float = 0.0


class Outcomes:
    """What counts as a contact and as its positive outcome, as a catalog says."""

    def __init__(self, catalog: CatalogView) -> None:
        self._rules = {
            treatment.id: _rule(spec, catalog.actions[action].attributes.get(spec.key))
            for treatment, spec, action in zip(
                catalog.treatments, catalog.outcomes, catalog.action_of.tolist(), strict=True
            )
        }
        self._nothing = {
            treatment.id
            for treatment, nothing in zip(catalog.treatments, catalog.is_nothing, strict=True)
            if nothing
        }
        self._other = _rule(OutcomeSpec(), None)
        rules = {*self._rules.values(), self._other}
        self.named: frozenset[str] = frozenset().union(
            *(one.contact if one.by else one.contact | one.positive for one in rules)
        )
        """types that matter when they name a recommendation"""
        self.unnamed: frozenset[str] = frozenset().union(
            *(one.positive for one in rules if one.by and one.word)
        )
        """types that matter also when they name none"""
        self.told_by: tuple[str, ...] = tuple(sorted({one.by for one in rules if one.by}))
        """properties that tell which contacts an interaction is the outcome of"""
        self.reach = 2 * max((one.within for one in rules if one.by), default=0.0)
        """seconds before an interaction in which lies what it may belong to"""

    def rule(self, treatment: object) -> _Rule | None:
        """That of a treatment; of one that the catalog does not have, what counts by default.

        None: it is *nothing*, of which there is nothing to learn.
        """
        name = str(treatment)
        return None if name in self._nothing else self._rules.get(name, self._other)


class _Contact:
    """A recommendation that was named."""

    __slots__ = ("_decided", "_id", "action", "rule", "seen", "won")

    def __init__(self, name: str, action: str, rule: _Rule, decided: Decided) -> None:
        self.action, self.rule = action, rule
        self.seen = self.won = False
        self._id, self._decided = name, decided

    @property
    def decided(self) -> float | None:
        """When; None: not known."""
        return self._decided(self._id)

    def wins(self, one: Interaction) -> bool:
        """Whether an interaction is its positive outcome, which names it, or holds its word.

        One that need not name it must be later than the decision.
        """
        rule = self.rule
        if one.type not in rule.positive:
            return False
        decided = self.decided
        if decided is None:  # of another system: what names it is all that is known
            return not rule.by
        if rule.by and one.time <= decided:
            return False
        return one.time <= decided + rule.within


class _Customer:
    """What is known of one customer so far."""

    def __init__(self, outcomes: Outcomes, decided: Decided) -> None:
        self._outcomes = outcomes
        self._decided = decided
        self._named: dict[str, _Contact] = {}
        # by the property that tells the outcome, and the word that it must hold
        self._open: dict[tuple[str, str], list[_Contact]] = {}  # contacts without an outcome yet
        self._happened: dict[tuple[str, str], list[Interaction]] = {}  # for what is named later

    def add(self, one: Interaction) -> Iterator[tuple[_Contact, bool, bool]]:
        """Whether a recommendation is one contact more, and whether one positive outcome more."""
        if one.recommendation_id:
            yield from self._name(one)
        if one.type in self._outcomes.unnamed:
            for by in self._outcomes.told_by:
                for word in _words(one.properties.get(by)):
                    yield from self._happen(one, (by, word))

    def _happen(
        self, one: Interaction, key: tuple[str, str]
    ) -> Iterator[tuple[_Contact, bool, bool]]:
        """What an interaction with this word is the outcome of."""
        self._happened.setdefault(key, []).append(one)
        left = []
        for contact in self._open.pop(key, []):
            contact.won = contact.wins(one)
            if not contact.won:
                left.append(contact)
            elif contact.seen:
                yield contact, False, True
        if left:
            self._open[key] = left

    def _name(self, one: Interaction) -> Iterator[tuple[_Contact, bool, bool]]:
        contact = self._named.get(one.recommendation_id)
        if contact is None:
            action = one.properties.get("action")
            rule = self._outcomes.rule(one.properties.get("treatment"))
            if rule is None or not isinstance(action, str):
                return  # the latter: of a decision that is not on record any more
            contact = _Contact(one.recommendation_id, action, rule, self._decided)
            self._named[one.recommendation_id] = contact
            if rule.by:
                key = (rule.by, rule.word)
                contact.won = any(contact.wins(earlier) for earlier in self._happened.get(key, ()))
                if not contact.won and rule.word:
                    self._open.setdefault(key, []).append(contact)
        seen, won = contact.seen, contact.won and contact.seen
        contact.seen |= one.type in contact.rule.contact
        if not contact.rule.by and not contact.won:
            contact.won = contact.wins(one)
        if contact.seen:
            yield contact, not seen, contact.won and not won


def counted(page: Arrivals, outcomes: Outcomes, before: Counted, decided: Decided) -> Counted:
    """What is counted after a page: each recommendation is a contact once, and positive once."""
    after, delays = dict(before.actions), dict(before.delays)
    until = before.until
    customers: dict[int | str, _Customer] = {}
    for place, arrival in enumerate((*page.before, *page.arrivals)):
        customer = customers.get(arrival.customer)
        if customer is None:
            customer = customers[arrival.customer] = _Customer(outcomes, decided)
        for which, contact, positive in customer.add(arrival.interaction):
            if place < len(page.before) or not (contact or positive):
                continue
            until = max(until, _recorded(arrival))
            known = after.get(which.action, Tally())
            after[which.action] = Tally(known.contacts + contact, known.positives + positive)
            at, kind = which.decided, which.rule.kind
            if at is None:
                continue
            delays.setdefault(kind, Delays(which.rule.within))
            if contact:
                delays[kind] = entered(delays[kind], which.action, at)
            if positive:
                delays[kind] = told(delays[kind], at, _recorded(arrival))
    return Counted(after, {kind: settled(one, until) for kind, one in delays.items()}, until)


def tallies(found: Counted, as_of: float) -> dict[str, Tally]:
    """What is known of each action at a moment."""
    after = dict(found.actions)
    waits: dict[str, float] = {}
    for one in found.delays.values():
        for action, number in waiting(one, as_of).items():
            waits[action] = waits.get(action, 0.0) + number
    for action, number in waits.items():
        after[action] = with_waiting(after[action], number)
    return after


def _recorded(arrival: Arrival) -> float:
    return arrival.interaction.time if arrival.recorded is None else arrival.recorded


def _rule(spec: OutcomeSpec, word: object) -> _Rule:
    positive = frozenset(spec.positive)
    contact = frozenset(spec.shown_by) or SHOWN | positive | frozenset(spec.negative)
    known = word if spec.by and isinstance(word, str) else ""
    return _Rule(contact, positive, spec.within, spec.by, known)


def _words(value: object) -> set[str]:
    found = value if isinstance(value, list) else [value]
    return {word for word in found if isinstance(word, str) and word}

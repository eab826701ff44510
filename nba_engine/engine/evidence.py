"""Evidence counted from what was recorded: shared by all processes of a store, each outcome once.

What was counted, and up to which interaction, is one progress mark of the store: whoever counts
moves it on from where it was, in one commit, or not at all. So nothing is counted twice or passed
over, whoever dies when, and no request and no recording writes a row that others write, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from nba_engine.domain import (
    NO_EVIDENCE,
    Arrival,
    CatalogView,
    Evidence,
    OutcomeSpec,
    Store,
    Tally,
)
from nba_engine.errors import FailedPrecondition

__all__ = ["MARK", "EvidenceBook", "counted"]

MARK = "evidence"  # the name of the progress mark
SHOWN = frozenset({"impression", "delivery"})  # what shows a recommendation, unless an outcome says
_PAGE = 1_000  # interactions counted in one commit
_LAG = 20_000  # interactions passed over until the mark moves without anything counted

_DEFAULT = OutcomeSpec()


class _Mark(msgspec.Struct, frozen=True):
    """The progress mark: what was counted up to and with the interaction numbered ``last``."""

    last: int = 0
    actions: dict[str, Tally] = {}


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(_Mark).decode


class _Types(NamedTuple):
    positive: frozenset[str]
    contact: frozenset[str]


class EvidenceBook:
    """The evidence as this process knows it. One thread calls `step`; anybody reads ``current``."""

    def __init__(self, store: Store, *, clock: Callable[[], float]) -> None:
        self.current: Evidence = NO_EVIDENCE
        self._store = store
        self._clock = clock
        self._noted: str | None = None  # the mark as it was seen last
        self._mark = _Mark()
        self._passed = 0  # the number up to which nothing is to be counted beyond the mark

    def step(self, catalog: CatalogView) -> bool:
        """Take over what others counted, or count a page; whether there is more to do at once.

        What counts as an outcome is what the catalog says. Raises `Unavailable`, `Exhausted`.
        """
        noted = self._store.progress(MARK) or ""
        if noted != self._noted:
            first, self._noted = self._noted is None, noted
            self._mark = _decode(noted) if noted else _Mark()
            self._passed = self._mark.last
            self.current = Evidence(self._mark.actions)
            if not first:  # somebody else is at it
                return False
        types = {
            treatment.id: _types(spec)
            for treatment, spec in zip(catalog.treatments, catalog.outcomes, strict=True)
        }
        wanted = frozenset[str]().union(
            _types(_DEFAULT).contact, *(t.contact for t in types.values())
        )
        page = self._store.arrivals(wanted, after=self._passed, most=_PAGE)
        actions = counted(page.arrivals, types, self._mark.actions)
        if actions != self._mark.actions or page.last - self._mark.last >= _LAG:
            self._note(noted, _Mark(page.last, actions))
        self._passed = page.last  # not before it is noted
        return page.more

    def _note(self, before: str, mark: _Mark) -> None:
        """Move the mark on; if somebody else did, what they counted is taken over next time."""
        after = _encode(mark).decode()
        try:
            self._store.bulk(now=self._clock(), progress=(MARK, after), follows=before)
        except FailedPrecondition:
            return
        self._noted, self._mark = after, mark
        self.current = Evidence(mark.actions)


def counted(
    arrivals: Iterable[Arrival], types: Mapping[str, _Types], before: Mapping[str, Tally]
) -> dict[str, Tally]:
    """The tallies after some arrivals: each recommendation is a contact once, and positive once."""
    default = _types(_DEFAULT)
    after = dict(before)
    for arrival in arrivals:
        one = arrival.interaction
        action = one.properties.get("action")
        if not isinstance(action, str):
            continue  # of a decision that is not on record any more
        mine = types.get(str(one.properties.get("treatment")), default)
        contact = one.type in mine.contact and not arrival.earlier & mine.contact
        positive = one.type in mine.positive and not arrival.earlier & mine.positive
        if contact or positive:
            known = after.get(action, Tally())
            after[action] = Tally(known.contacts + contact, known.positives + positive)
    return after


def _types(spec: OutcomeSpec) -> _Types:
    positive = frozenset(spec.positive)
    shown = frozenset(spec.shown_by) or SHOWN
    return _Types(positive, shown | positive | frozenset(spec.negative))

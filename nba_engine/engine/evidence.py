"""Evidence counted from what was recorded: shared by all processes of a store, each outcome once.

What was counted, and up to which interaction, is one progress mark of the store: whoever counts
moves it on from where it was, in one commit, or not at all. So nothing is counted twice or passed
over, whoever dies when, and no request and no recording writes a row that others write, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from nba_engine.domain import (
    NO_EVIDENCE,
    Arrivals,
    CatalogView,
    DecisionLog,
    Evidence,
    Store,
    Tally,
    time_of_decision,
)
from nba_engine.engine.tallying import Counted, Decided, Outcomes, counted, tallies
from nba_engine.errors import FailedPrecondition

__all__ = ["MARK", "EvidenceBook", "Recount", "decision_times", "known_evidence"]

MARK = "evidence"  # the name of the progress mark
_PAGE = 1_000  # interactions counted in one commit
_LAG = 20_000  # interactions passed over until the mark moves without anything counted
_KNOWN = 10_000  # times of decisions that are remembered
_AGED = 60.0  # seconds after which open contacts are weighed again, though nothing came


class _Mark(Counted, frozen=True):
    """The progress mark: what was counted up to and with the interaction numbered ``last``."""

    last: int = 0


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(_Mark).decode


class EvidenceBook:
    """The evidence as this process knows it. One thread calls `step`; anybody reads ``current``."""

    def __init__(self, store: Store, *, clock: Callable[[], float], decided: Decided) -> None:
        """``decided`` tells when a recommendation was decided (`decision_times`)."""
        self.current: Evidence = NO_EVIDENCE
        self._store = store
        self._clock = clock
        self._decided = decided
        self._outcomes: tuple[CatalogView, Outcomes] | None = None
        self._noted: str | None = None  # the mark as it was seen last
        self._mark = _Mark()
        self._passed = 0  # the number up to which nothing is to be counted beyond the mark
        self._weighed: tuple[_Mark, float] | None = None  # what ``current`` is of

    def step(self, catalog: CatalogView) -> bool:
        """Take over what others counted, or count a page; whether there is more to do at once.

        What counts as an outcome is what the catalog says. Raises `Unavailable`, `Exhausted`.
        """
        noted = self._store.progress(MARK) or ""
        if noted != self._noted:
            first, self._noted = self._noted is None, noted
            self._mark = _decode(noted) if noted else _Mark()
            self._passed = self._mark.last
            self._weigh(more=True)
            if not first:  # somebody else is at it
                return False
        if self._outcomes is None or self._outcomes[0] is not catalog:
            self._outcomes = (catalog, Outcomes(catalog))
        outcomes = self._outcomes[1]
        page = _page(self._store, outcomes, self._passed)
        found = counted(page, outcomes, self._mark, self._decided)
        if found.actions != self._mark.actions or page.last - self._mark.last >= _LAG:
            self._note(noted, _marked(found, page.last))
        self._passed = page.last  # not before it is noted
        self._weigh(more=page.more)
        return page.more

    def _weigh(self, *, more: bool) -> None:
        """Weigh open contacts as of now; while there is ``more`` to count, as of what was counted."""
        as_of = _as_of(self._mark, self._store, None if more else self._clock())
        weighed = self._weighed
        if weighed is None or weighed[0] is not self._mark or as_of >= weighed[1] + _AGED:
            self.current = (
                Evidence(tallies(self._mark, as_of)) if self._mark.actions else NO_EVIDENCE
            )
            self._weighed = (self._mark, as_of)

    def _note(self, before: str, mark: _Mark) -> None:
        """Move the mark on; if somebody else did, what they counted is taken over next time."""
        after = _encode(mark).decode()
        try:
            self._store.bulk(now=self._clock(), progress=(MARK, after), follows=before)
        except FailedPrecondition:
            return
        self._noted, self._mark = after, mark


class Recount:
    """Counts everything anew, from the first interaction that is stored.

    By the outcomes of today's catalog, and with all that links of identities brought together since.
    """

    def __init__(self, store: Store, catalog: CatalogView, decided: Decided) -> None:
        self._store = store
        self._outcomes = Outcomes(catalog)
        self._decided = decided
        self._mark = _Mark()

    @property
    def actions(self) -> Mapping[str, Tally]:
        """The tallies so far, each contact as one."""
        return self._mark.actions

    def kept(self) -> Mapping[str, Tally]:
        """The tallies that are kept, each contact as one."""
        noted = self._store.progress(MARK)
        return _decode(noted).actions if noted else {}

    def run(self) -> Iterator[int]:
        """Count up to the newest; yields the number of the last interaction counted, page by page."""
        more = True
        while more:
            page = _page(self._store, self._outcomes, self._mark.last)
            found = counted(page, self._outcomes, self._mark, self._decided)
            self._mark, more = _marked(found, page.last), page.more
            yield page.last

    def note(self, *, now: float) -> None:
        """Put what was counted in the place of what is kept, whoever moves that on meanwhile.

        Interactions that arrived after the last page are counted by whoever counts next.
        """
        after = _encode(self._mark).decode()
        while True:
            before = self._store.progress(MARK) or ""
            try:
                self._store.bulk(now=now, progress=(MARK, after), follows=before)
            except FailedPrecondition:
                continue
            return


def known_evidence(store: Store, *, now: float) -> dict[str, Tally]:
    """The evidence that decisions go by now. Raises `Unavailable`."""
    noted = store.progress(MARK)
    mark = _decode(noted) if noted else _Mark()
    return tallies(mark, _as_of(mark, store, now))


def decision_times(store: Store, log: DecisionLog) -> Decided:
    """When recommendations were decided: their ids say it, in a simulated store the log.

    There requests say what time it is, and the ids do not follow it.
    """
    if not store.simulated:
        return lambda name: time_of_decision(name.partition(".")[0])
    known: dict[str, float | None] = {}

    def decided(name: str) -> float | None:
        decision_id = name.partition(".")[0]
        if decision_id not in known:
            if len(known) >= _KNOWN:
                known.clear()
            record = log.read(decision_id)
            known[decision_id] = None if record is None else record.time
        return known[decision_id]

    return decided


def _as_of(mark: _Mark, store: Store, now: float | None) -> float:
    """A simulated store's time is that of what was recorded."""
    return mark.until if store.simulated or now is None else max(mark.until, now)


def _marked(found: Counted, last: int) -> _Mark:
    return _Mark(found.actions, found.delays, found.until, last)


def _page(store: Store, outcomes: Outcomes, after: int) -> Arrivals:
    return store.arrivals(
        outcomes.named, unnamed=outcomes.unnamed, reach=outcomes.reach, after=after, most=_PAGE
    )

"""A changed catalog held against logged requests: who would get something else, and why."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from nba_engine.domain import Deciding, DecisionRecord, Hold, Recommendation
from nba_engine.engine.causes import Cause, Place, causes_of
from nba_engine.engine.decide import settle
from nba_engine.engine.differences import (
    ActionChange,
    CauseCount,
    Differences,
    DropChange,
    Example,
    LimitChange,
    Money,
)
from nba_engine.engine.repetition import check_profile
from nba_engine.engine.replay import RecordedReads, replay
from nba_engine.engine.snapshot import Snapshot
from nba_engine.engine.supposed import SupposedReads
from nba_engine.errors import FailedPrecondition, InvalidRequest, NbaError

__all__ = ["Comparison"]

EXAMPLES = 10
_MICROS = 1e6


class _Course(NamedTuple):
    """One decision as it goes with one of the two catalogs."""

    deciding: Deciding
    dropped: Mapping[str, int]
    holds: Mapping[str, tuple[Hold, ...]]  # of what is recommended, by recommendation


class Comparison:
    """Decides logged requests with both catalogs; give it records in the order of logging.

    Each request is decided with the clock, the seed, the customer and the usage of limits on
    record. Before: as it was logged or, when it was logged with another catalog or other models,
    as the catalog in force decides it. After: with the changed catalog, where usage is what is on
    record plus what earlier decisions of this comparison took more, or less, with it. A limit that
    is not on record starts empty. Whatever is reserved counts as spent.
    """

    def __init__(self, before: Snapshot, after: Snapshot) -> None:
        self._before, self._after = before, after
        self._decisions = self._as_logged = self._others = self._forms = 0
        self._customers: set[str] = set()
        self._customers_changed: set[str] = set()
        self._first, self._last = float("inf"), float("-inf")
        self._not_asked: Counter[str] = Counter()
        self._actions: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._limits: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._drops: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._costs, self._gains = [0.0, 0.0], [0.0, 0.0]
        self._lost: Counter[Cause] = Counter()
        self._won: Counter[Cause] = Counter()
        self._examples: list[Example] = []
        self._used: dict[str, int] = {}  # account → units, when a record last told
        self._shift: dict[str, int] = {}  # account → units the changed catalog took more
        # what falls out of windows that roll: when, account, units of _shift, units of _used
        self._rolling: list[tuple[float, str, int, int]] = []

    def add(self, record: DecisionRecord) -> None:
        """Decide one logged request both ways, and count what differs."""
        self._let_go(record.time)
        self._used.update(record.usage)
        logged = self._is_of_before(record)
        try:
            check_profile(record)
            recorded = RecordedReads(record)
            reads = recorded if logged else self._reads(record, recorded, after=False)
            before = _course(replay(self._before, record, reads, None), reads.granted)
            supposed = self._reads(record, recorded, after=True)
            after = _course(replay(self._after, record, supposed, None), supposed.granted)
        except (FailedPrecondition, InvalidRequest) as error:
            self._not_asked[error.message] += 1
            return
        except NbaError as error:
            self._not_asked[f"a decision fails: {error.message}"] += 1
            return
        self._decisions += 1
        self._as_logged += logged
        self._first, self._last = min(self._first, record.time), max(self._last, record.time)
        self._customers.add(record.customer_id)
        self._count(before, after)
        self._compare(record, recorded, before, after, logged=logged)
        self._move(record.time, before, after)

    def differences(self) -> Differences:
        """Everything found so far."""
        return Differences(
            catalog_before=self._before.catalog.version,
            catalog_after=self._after.catalog.version,
            decisions=self._decisions,
            as_logged=self._as_logged,
            first=self._first if self._decisions else None,
            last=self._last if self._decisions else None,
            other_actions=self._others,
            other_form=self._forms,
            customers=len(self._customers),
            customers_changed=len(self._customers_changed),
            not_asked=dict(self._not_asked.most_common()),
            money=Money(
                cost_before=self._costs[0],
                cost_after=self._costs[1],
                expected_before=self._gains[0],
                expected_after=self._gains[1],
            ),
            actions=tuple(
                ActionChange(action=action, before=before, after=after)
                for action, before, after in _pairs(*self._actions)
            ),
            limits=tuple(self._limit_changes()),
            drops=tuple(
                DropChange(
                    stage=key.partition("/")[0],
                    reason=key.partition("/")[2],
                    before=before,
                    after=after,
                )
                for key, before, after in _pairs(*self._drops)
                if before != after
            ),
            lost=_causes(self._lost),
            won=_causes(self._won),
            examples=tuple(self._examples),
        )

    def _is_of_before(self, record: DecisionRecord) -> bool:
        snapshot = self._before
        return (
            record.catalog_version == snapshot.catalog.version
            and record.model_versions == snapshot.model_versions
        )

    def _reads(
        self, record: DecisionRecord, recorded: RecordedReads, *, after: bool
    ) -> SupposedReads:
        return SupposedReads(
            record,
            recorded,
            lambda accounts: {account: self._used.get(account, 0) for account in accounts},
            shift=self._shift if after else None,
        )

    def _count(self, before: _Course, after: _Course) -> None:
        for side, course in enumerate((before, after)):
            self._drops[side].update(course.dropped)
            for one in course.deciding.recommendations:
                self._actions[side][one.action] += 1
                self._costs[side] += one.cost
                self._gains[side] += one.propensity * one.value - one.cost
            for holds in course.holds.values():
                for hold in holds:
                    self._limits[side][hold.limit] += hold.amount

    def _compare(
        self,
        record: DecisionRecord,
        recorded: RecordedReads,
        before: _Course,
        after: _Course,
        *,
        logged: bool,
    ) -> None:
        old, new = _slates(before.deciding), _slates(after.deciding)
        if old == new:
            return
        if _actions(old) == _actions(new):
            self._forms += 1
            return
        self._others += 1
        self._customers_changed.add(record.customer_id)
        lost = [place for place in _places(old) if place not in _places(new)]
        won = [place for place in _places(new) if place not in _places(old)]
        why_lost = causes_of(
            self._after,
            lost,
            lambda watch: replay(
                self._after, record, self._reads(record, recorded, after=True), watch
            ),
        )
        reads = RecordedReads(record) if logged else self._reads(record, recorded, after=False)
        why_won = causes_of(
            self._before, won, lambda watch: replay(self._before, record, reads, watch)
        )
        self._lost.update(why_lost.values())
        self._won.update(why_won.values())
        if len(self._examples) < EXAMPLES:
            self._examples.append(
                Example(
                    decision_id=record.decision_id,
                    customer_id=record.customer_id,
                    time=record.time,
                    before=[f"{place}: {treatment}" for place, treatment in lost],
                    after=[f"{place}: {treatment}" for place, treatment in won],
                    why_not_any_more=[cause.words for cause in why_lost.values()],
                    why_not_before=[cause.words for cause in why_won.values()],
                )
            )

    def _move(self, time: float, before: _Course, after: _Course) -> None:
        """The changed catalog's ledger drifts away from the one on record."""
        for sign, course in ((-1, before), (1, after)):
            for holds in course.holds.values():
                for hold in holds:
                    moved = sign * hold.amount
                    used = hold.amount if sign < 0 else 0
                    self._drift(hold.account, moved, used)
                    if hold.rolls:
                        ends = time + hold.rolls
                        heapq.heappush(self._rolling, (ends, hold.account, moved, used))

    def _let_go(self, now: float) -> None:
        """What has fallen out of windows that roll no longer counts."""
        while self._rolling and self._rolling[0][0] <= now:
            _, account, moved, used = heapq.heappop(self._rolling)
            self._drift(account, -moved, -used)

    def _drift(self, account: str, moved: int, used: int) -> None:
        self._shift[account] = self._shift.get(account, 0) + moved
        self._used[account] = self._used.get(account, 0) + used

    def _limit_changes(self) -> list[LimitChange]:
        limits = {
            limit.id: limit
            for snapshot in (self._before, self._after)
            for limit in snapshot.catalog.limits
        }
        found = []
        for name, limit in limits.items():
            unit = 1.0 if limit.measure == "contacts" else _MICROS
            found.append(
                LimitChange(
                    limit=name,
                    name=limit.name,
                    measure=limit.measure,
                    before=self._limits[0][name] / unit,
                    after=self._limits[1][name] / unit,
                )
            )
        return found


def _course(deciding: Deciding, granted: Mapping[str, tuple[Hold, ...]]) -> _Course:
    dropped = settle(deciding)
    chosen = {one.recommendation_id for one in deciding.recommendations}
    return _Course(
        deciding, dropped, {name: holds for name, holds in granted.items() if name in chosen}
    )


def _slates(deciding: Deciding) -> dict[str, list[Recommendation]]:
    """By placement, as far as customers see them: no scores, no ids."""
    slates: dict[str, list[Recommendation]] = {}
    for one in deciding.recommendations:
        slates.setdefault(one.placement, []).append(_seen(one))
    return slates


def _seen(one: Recommendation) -> Recommendation:
    return Recommendation(
        recommendation_id="",
        placement=one.placement,
        position=one.position,
        action=one.action,
        treatment=one.treatment,
        channel=one.channel,
        content=one.content,
    )


def _actions(slates: Mapping[str, list[Recommendation]]) -> dict[str, set[str]]:
    return {place: {one.action for one in slate} for place, slate in slates.items()}


def _places(slates: Mapping[str, list[Recommendation]]) -> list[Place]:
    return [Place(place, one.treatment) for place, slate in slates.items() for one in slate]


def _pairs(before: Counter[str], after: Counter[str]) -> list[tuple[str, int, int]]:
    """Both counts of each key, what changed most first."""
    pairs = [(key, before[key], after[key]) for key in {*before, *after}]
    return sorted(pairs, key=lambda pair: (-abs(pair[2] - pair[1]), -pair[1], pair[0]))


def _causes(counts: Counter[Cause]) -> tuple[CauseCount, ...]:
    return tuple(
        CauseCount(stage=cause.stage, reason=cause.reason, by=cause.by, recommendations=count)
        for cause, count in counts.most_common()
    )

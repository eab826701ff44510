"""Decisions decided again from their records, watched stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from nba_engine.domain import (
    Answer,
    CandidateTrace,
    CatalogView,
    Change,
    CustomerState,
    Deciding,
    Decision,
    DecisionRecord,
    Drop,
    Evidence,
    Explains,
    Explanation,
    Hold,
    Origin,
    Reads,
    Recommendation,
    ReservationRequest,
    Stage,
    StageCount,
    Tally,
)
from nba_engine.domain.words import with_changes
from nba_engine.engine.background import background_sentences, customer_value, with_columns
from nba_engine.engine.decide import answer, dropped_counts, prepare, settle
from nba_engine.engine.record import decision_of
from nba_engine.engine.shadows import needed_models, shadow_sentences, with_shadows
from nba_engine.engine.snapshot import Snapshot
from nba_engine.engine.story import (
    asked_by_limits,
    recommended_text,
    runners_up,
    story,
    without_nothing,
)
from nba_engine.errors import FailedPrecondition, Unavailable
from nba_engine.pipeline import STAGE_FAILED, AfterStage, log_failure
from nba_engine.stages.limits import PricePart

__all__ = [
    "RecordedReads",
    "Replayed",
    "Told",
    "check_versions",
    "decided_again",
    "explain",
    "explained",
    "replay",
]

# the treatments that are told of; None: all
Told = Collection[str] | None


class RecordedReads:
    """Answers from the record what the decision asked of the store.

    ``granted`` collects what the ledger granted, by reservation; ``refused``, per account, how much
    others had used when the ledger refused a request: what supposed decisions hold against changed
    amounts. Accounts that the decision never read are only asked for by explanations (the limit,
    if there were consent): the ``live`` store knows; without one they count as unused.
    """

    def __init__(self, record: DecisionRecord, live: Reads | None = None) -> None:
        self._record = record
        self._live = live
        self._evidence = Evidence(record.evidence, record.evidence_groups)
        self._answers = {one.reservation_id: one for one in record.answers}
        self.refused: dict[str, int] = {}
        self.granted: dict[str, tuple[Hold, ...]] = {}  # by reservation
        self._own: dict[str, int] = {}  # account → what this decision itself has reserved

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:  # noqa: ARG002
        profile = self._record.profile
        if not self._record.known and not profile:
            return None
        return msgspec.msgpack.decode(profile, type=CustomerState), profile

    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]:
        recorded = self._record.usage
        unread = tuple(account for account in accounts if account not in recorded)
        found = self._live.usage(unread) if unread and self._live is not None else {}
        return {account: recorded.get(account, found.get(account, 0)) for account in accounts}

    def evidence(self) -> Evidence:
        return self._evidence

    def reserve(
        self,
        requests: tuple[ReservationRequest, ...],
        *,
        now: float,  # noqa: ARG002
    ) -> tuple[Answer, ...]:
        return tuple(self._answer(request) for request in requests)

    def release(self, reservations: tuple[str, ...], *, now: float) -> None:
        """Nothing: what was given back does not change what the ledger answered."""

    def _answer(self, request: ReservationRequest) -> Answer:
        answer = self._answers.get(request.reservation_id)
        if answer is None:  # the ledger could not be reached then: it cannot now
            raise Unavailable("the ledger gave no answer to this request")
        if answer.granted:
            self.granted[request.reservation_id] = request.holds
        for hold in request.holds:
            own = self._own.get(hold.account, 0)
            if answer.granted:
                self._own[hold.account] = own + hold.amount
            elif hold.limit == answer.refused_by:
                self.refused[hold.account] = hold.ceiling - answer.room - own
        return answer


class Replayed(NamedTuple):
    """A decision decided again, and what was seen of each dropped candidate on the way."""

    deciding: Deciding
    dropped: dict[str, int]
    traces: tuple[CandidateTrace, ...]


def explain(
    snapshot: Snapshot, record: DecisionRecord, live: Reads, told: Told = None
) -> Explanation:
    """Replay a logged decision and explain it; it must come out as it did.

    ``told``: the treatments whose candidates are told of.
    """
    check_versions(snapshot, record)

    def again(asked: Told) -> Replayed:
        watch = Watch(snapshot.catalog, asked)
        deciding = replay(snapshot, record, RecordedReads(record, live), watch)
        dropped = settle(deciding)
        check_same(record, deciding.recommendations, dropped)
        traces = with_shadows(watch.finished(deciding), record, deciding)
        return Replayed(deciding, dropped, traces)

    decision = decision_of(record)
    found = explained(
        snapshot.catalog, decision, decided_again(snapshot.catalog, again, told), told
    )
    sentences = (*found.sentences, *shadow_sentences(decision, record))
    return msgspec.structs.replace(found, sentences=sentences)


def decided_again(catalog: CatalogView, again: Callable[[Told], Replayed], told: Told) -> Replayed:
    """The decision ``again``, with reasons for ``told`` and for what the story tells of.

    To find what would change the fate of hundreds of candidates takes far longer than to decide. So
    where not all are told of, it is decided twice: first to see who came closest.
    """
    if told is None:
        return again(None)
    closest = runners_up(without_nothing(catalog, again(()).traces))
    return again(frozenset([*told, *(trace.treatment for trace in closest)]))


def replay(
    snapshot: Snapshot, record: DecisionRecord, reads: Reads, after: AfterStage | None
) -> Deciding:
    """Run the pipeline in force over a record."""
    request, plan = snapshot.requests.read(record.request, simulated=True)
    deciding = prepare(
        snapshot.catalog,
        request,
        plan,
        decision_id=record.decision_id,
        reads=reads,
        now=record.time,
        seed=record.seed,
    )
    deciding.decided_by = record.decided_by
    deciding.prices = dict(record.prices)
    deciding.plan_of = lambda _: record.contact_plan
    snapshot.pipeline.replay(deciding, failed=record.failed, after=after)
    return deciding


def check_versions(snapshot: Snapshot, record: DecisionRecord) -> None:
    """Raises `FailedPrecondition` when catalog or models are not those of the record."""
    metadata = {"decision_id": record.decision_id, "catalog_version": record.catalog_version}
    if record.catalog_version != snapshot.catalog.version:
        raise FailedPrecondition(
            f"the decision was made with catalog {record.catalog_version}, which is not stored; "
            f"in force is {snapshot.catalog.version}",
            reason="CATALOG_CHANGED",
            metadata=metadata,
        )
    differing = [
        name
        for name, version in sorted(needed_models(record).items())
        if snapshot.model_versions.get(name) != version
    ]
    if differing:
        raise FailedPrecondition(
            f"models have changed since the decision: {', '.join(differing)}",
            reason="CATALOG_CHANGED",
            metadata=metadata,
        )


def check_same(
    record: DecisionRecord, recommendations: Sequence[Recommendation], dropped: Mapping[str, int]
) -> None:
    """Raises `FailedPrecondition` saying what differs between the record and its replay."""
    then, now = _outline(record.recommendations), _outline(recommendations)
    differences = [
        f"{one} then, {other} now" for one, other in zip(then, now, strict=False) if one != other
    ]
    if len(then) != len(now):
        differences.append(f"{len(then)} recommendations then, {len(now)} now")
    if not differences and record.dropped != dropped:
        differences.append(f"dropped {dict(record.dropped)} then, {dict(dropped)} now")
    if differences:
        raise FailedPrecondition(
            f"the replay differs from the decision ({'; '.join(differences[:3])}): a stage uses "
            "what is not on record (a clock, a random generator or a service of its own)",
            metadata={"decision_id": record.decision_id},
        )


def _outline(recommendations: Sequence[Recommendation]) -> list[str]:
    return [
        f"{one.placement}[{one.position}] {one.treatment} {one.score:.9g}"
        for one in recommendations
    ]


class Watch:
    """Asks each stage, right after it ran, about the candidates it dropped.

    Those of other treatments than ``asked`` get traces without reasons.
    """

    def __init__(self, catalog: CatalogView, asked: Told = None) -> None:
        self._catalog = catalog
        self._asked = asked
        self._traces: list[CandidateTrace] = []
        self._seen = 0

    def __call__(self, name: str, stage: Stage, deciding: Deciding, before: int) -> None:  # noqa: ARG002
        for drop in deciding.candidates.drops[before:]:
            for position in range(len(drop.index)):
                self._traces.append(self._trace(stage, deciding, drop, position))
        self._seen = len(deciding.candidates.drops)

    def finished(self, deciding: Deciding) -> tuple[CandidateTrace, ...]:
        """All traces: the recommended ones first, then the dropped ones in pipeline order."""
        for drop in deciding.candidates.drops[self._seen :]:  # dropped when the books were closed
            for position in range(len(drop.index)):
                self._traces.append(self._trace(None, deciding, drop, position))
        asked = asked_by_limits(self._catalog, deciding)
        chosen = [
            self._chosen(one, self._traces, deciding.evidence, asked.get(one.treatment, ()))
            for one in deciding.recommendations
        ]
        return (*chosen, *self._traces)

    def _trace(
        self, stage: object, deciding: Deciding, drop: Drop, position: int
    ) -> CandidateTrace:
        treatment = self._catalog.treatments[int(drop.index[position])]
        changes: Sequence[Change] = ()
        text = ""
        if self._asked is not None and treatment.id not in self._asked:
            pass  # nobody reads why
        elif drop.reason == STAGE_FAILED:
            text = f"The stage {drop.stage} failed, so what it could not judge was left out."
        elif isinstance(stage, Explains):
            try:
                text, changes = _told(stage.explain(deciding, drop, position))
            # a plugin's code: it costs its sentence, not the answer
            except (Exception, SystemExit) as error:
                log_failure(f"explaining {drop.reason} by stage {drop.stage}", error)
        return CandidateTrace(
            treatment=treatment.id,
            action=treatment.action,
            placement=deciding.placements[int(drop.slot[position])].placement,
            stage=drop.stage,
            reason=drop.reason,
            text=with_changes(text or f"It was dropped by {drop.stage} ({drop.reason}).", changes),
            changes=tuple(changes),
            columns={
                name: float(column[position])
                for name, column in drop.columns.items()
                if name not in deciding.candidates.words
            },
        )

    def _chosen(
        self,
        one: Recommendation,
        dropped: Sequence[CandidateTrace],
        evidence: Mapping[str, Tally],
        prices: Sequence[PricePart],
    ) -> CandidateTrace:
        columns = (
            "score",
            "propensity",
            "value",
            "cost",
            "lever",
            "weight",
            "selection_probability",
        )
        return CandidateTrace(
            treatment=one.treatment,
            action=one.action,
            placement=one.placement,
            text=recommended_text(self._catalog, one, dropped, evidence, prices),
            columns={name: getattr(one, name) for name in columns}
            | ({"price": sum(part.total for part in prices)} if prices else {}),
        )


def _told(explanation: Any) -> tuple[str, tuple[Change, ...]]:
    """What a stage told, held to what it must be."""
    text, changes = explanation
    if not isinstance(text, str) or not all(isinstance(change, Change) for change in changes):
        raise TypeError("explain must return a sentence and changes")
    return text, tuple(changes)


def explained(
    catalog: CatalogView, decision: Decision, replayed: Replayed, told: Told = None
) -> Explanation:
    """Decision, funnel, traces of the treatments that are ``told`` of, and the story told from all."""
    funnel = tuple(
        StageCount(stage=stage, reason=reason, candidates=count)
        for (stage, _, reason), count in (
            (key.partition("/"), count)
            for key, count in dropped_counts(replayed.deciding.candidates).items()
        )
    )
    deciding, traces = replayed.deciding, with_columns(replayed.traces, replayed.deciding)
    return Explanation(
        decision=decision,
        funnel=funnel,
        candidates=tuple(one for one in traces if told is None or one.treatment in told),
        sentences=(
            *story(catalog, deciding, decision, traces),
            *background_sentences(catalog, deciding, traces),
        ),
        origins=origins_of(deciding),
        customer_value=customer_value(catalog, deciding),
    )


def origins_of(deciding: Deciding) -> tuple[Origin, ...]:
    """Where those attributes came from that profile sources gave, in their order."""
    state = deciding.state
    return tuple(
        Origin(attribute=name, source=one.source, time=one.time)
        for one in (() if state is None else state.fetched)
        for name in one.attributes
    )


def supposed_decision(snapshot: Snapshot, replayed: Replayed) -> Decision:
    """The decision a what-if question leads to."""
    return answer(
        replayed.deciding,
        dropped=replayed.dropped,
        model_versions=snapshot.model_versions,
        micros={},
    )

"""The engine: decides, explains, records, over one store and the catalog in force."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from nba_engine.domain import (
    CatalogView,
    Change,
    CustomerState,
    Decision,
    DecisionLog,
    DecisionRecord,
    DecisionRequest,
    Erasure,
    Explanation,
    Identities,
    Interaction,
    InteractionResult,
    Linked,
    LinkRequest,
    ProfileUpdate,
    Reads,
    Store,
    id_time,
)
from nba_engine.engine.contact_plans import CurrentPlan, PlanBook
from nba_engine.engine.decide import answer, give_back, prepare, settle
from nba_engine.engine.entropy import entropy
from nba_engine.engine.evidence import EvidenceBook, decision_times
from nba_engine.engine.export import Exported, export_customer
from nba_engine.engine.identities import MAX_LINKS, checked_link
from nba_engine.engine.interactions import load_batch, record_interactions
from nba_engine.engine.once import REQUEST_WINDOW, Once, Open
from nba_engine.engine.prices import PriceBook
from nba_engine.engine.profile_sources import ProfileSources, SourcedReads
from nba_engine.engine.profiles import checked_update, checked_updates, dated, unknown_customer
from nba_engine.engine.publishing import Assemble, Catalogs
from nba_engine.engine.reads import LiveReads
from nba_engine.engine.record import record_of
from nba_engine.engine.replay import Told, explain
from nba_engine.engine.requests import Plan, identity_violation
from nba_engine.engine.snapshot import Snapshot
from nba_engine.engine.tap import Tap
from nba_engine.engine.what_if import what_if
from nba_engine.errors import (
    Exhausted,
    InvalidRequest,
    Mistake,
    MistakesFound,
    NotFound,
)

__all__ = ["Engine"]


class Engine:
    """Thread-safe. ``store`` and ``log`` stay; the snapshot is swapped whole by ``catalogs``.

    Errors are those of `nba_engine.errors`; ``deadline`` is on `time.monotonic`.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        store: Store,
        log: DecisionLog,
        *,
        assemble: Assemble | None = None,
        clock: Callable[[], float] = time.time,
        request_window: float = REQUEST_WINDOW,
        max_links: int = MAX_LINKS,
        tap: Tap | None = None,
        sequence: int = 0,
        folder: Callable[[], Mapping[str, str]] | None = None,
        profile_sources: ProfileSources | None = None,
    ) -> None:
        """``sequence`` and ``folder`` as `Catalogs` takes them.

        ``request_window``: seconds during which a repeated request id gets the first answer.
        ``max_links``: how many identities one customer may have.
        ``tap`` hears of every decision made, of every call of `record`, and of what sources bring,
        not of imports. ``profile_sources`` say more of customers to decisions; whoever opened them closes them.
        """
        self.store = store
        self.log = log
        self._simulated = store.simulated
        self.catalogs = Catalogs(
            store, snapshot, assemble, clock=clock, sequence=sequence, folder=folder
        )
        self._clock = clock
        self._tap = tap
        self._profile_sources = profile_sources
        self._max_links = max_links
        # who removes what the store does not hold: it is told that there is something to do
        self.on_erased: Callable[[], object] = lambda: None
        self._reads = LiveReads(store)
        # `EvidenceCounter` keeps it up to date
        self.evidence = EvidenceBook(store, clock=clock, decided=decision_times(store, log))
        self.prices = PriceBook(store)  # `PriceUpdater` does
        self.plans = PlanBook(store)  # and this one
        self._once = Once(store, window=request_window, clock=clock)

    @property
    def _snapshot(self) -> Snapshot:
        return self.catalogs.snapshot

    @property
    def catalog(self) -> CatalogView:
        """The catalog in force."""
        return self._snapshot.catalog

    @property
    def now(self) -> float:
        """The time, by the clock of the engine."""
        return self._clock()

    @property
    def model_versions(self) -> Mapping[str, str]:
        """Name → version of the models in force."""
        return self._snapshot.model_versions

    def decide(self, request: DecisionRequest, *, deadline: float | None = None) -> Decision:
        """The best treatments for each placement asked for; reserved, logged.

        With a ``request_id``, a repeat gets the first answer and reserves nothing. Raises
        `InvalidRequest`, `Unavailable`, `Exhausted`, `DeadlineExceeded` (nothing stays reserved
        then). An empty slate is no error.
        """
        snapshot = self._snapshot
        request, plan = snapshot.requests.read(request, simulated=self._simulated)
        if not request.request_id:
            return self._decide(snapshot, request, plan, deadline)
        return self._once.decide(
            request,
            lambda attempt: self._decide(snapshot, request, plan, deadline, attempt),
            deadline=deadline,
        )

    def _decide(
        self,
        snapshot: Snapshot,
        request: DecisionRequest,
        plan: Plan,
        deadline: float | None,
        open_attempt: Open | None = None,
    ) -> Decision:
        """Decide and log; as an attempt at its request id, if it has one."""
        wall = self._clock()
        random = entropy()
        seed = request.seed
        # 128 bits, ordered by time: 48 bits of milliseconds, 80 random ones
        decision_id = f"{id_time(wall)}{random[:10].hex()}"
        now = wall if request.time is None else request.time
        attempt = None if open_attempt is None else open_attempt(decision_id, now)
        live = attempt or LiveReads(self.store, now)
        live.known = self.evidence.current
        reads: Reads = live
        if self._profile_sources is not None:
            reads = SourcedReads(reads, self._profile_sources, snapshot.catalog, deadline)
        deciding = prepare(
            snapshot.catalog,
            request,
            plan,
            decision_id=decision_id,
            reads=reads,
            now=now,
            seed=int.from_bytes(random[10:]) >> 1 if seed is None else seed,
            deadline=deadline,
        )
        deciding.prices = self.prices.at(now)
        deciding.plan_of = self.plans.reader(snapshot, now=now, evidence=live.known)
        try:
            micros = snapshot.pipeline.run(deciding)
            decision = answer(
                deciding,
                dropped=settle(deciding),
                model_versions=snapshot.model_versions,
                micros=micros,
            )
            self.prices.shown(deciding, decision.recommendations)
            if attempt is not None:
                attempt.seal(decision)
            elif deciding.answers:
                give_back(deciding, recommended=True)
        except BaseException:
            if attempt is not None:
                attempt.give_up()
            elif deciding.answers:
                give_back(deciding, recommended=False)
            raise
        try:
            self.log.append(record_of(deciding, request, plan, decision))
        except Exhausted:  # the answer is worth more than its record; it says what it lacks
            degraded = (*decision.degraded, "decision_log")
            decision = msgspec.structs.replace(decision, degraded=degraded)
        if self._tap is not None:
            self._tap.decided(request, decision)
        return decision

    def withdraw(self, decision: Decision) -> None:
        """Give back what a decision reserved whose answer nobody gets.

        What cannot be given back, because the store does not answer, expires by itself.
        """
        made = decision.recommendations
        if reserved := tuple(r.recommendation_id for r in made if r.expires is not None):
            LiveReads(self.store).release(reserved, now=self._clock())

    def explain(self, decision_id: str, *, treatments: Told = None) -> Explanation:
        """Why a logged decision came out as it did: what became of every candidate.

        ``treatments``: tell of those of these alone (faster; None: all); the sentences stay the same.
        Raises `NotFound`; `FailedPrecondition` when the catalog that decided, or a model, is gone.
        """
        snapshot = self.catalogs.of(record := self._record(decision_id))
        return explain(snapshot, record, self._reads, treatments)

    def what_if(
        self, decision_id: str, changes: Sequence[Change], *, treatments: Told = None
    ) -> Explanation:
        """The same decision with changes applied, explained. Reserves nothing, logs nothing.

        Takes ``treatments`` and raises like `explain`; `InvalidRequest`: what cannot be applied.
        """
        snapshot = self.catalogs.of(record := self._record(decision_id))
        return what_if(snapshot, record, changes, self._reads, self.plans.at, treatments)

    def contact_plan(self, identity: str, *, time: float | None = None) -> CurrentPlan:
        """What is planned for the customer behind an identity, as of now.

        ``time``: as of then. Raises `NotFound`, `InvalidRequest`, and `FailedPrecondition` when no
        plan is in force.
        """
        state = self.profile(identity)
        state = self.seen(identity) or state  # with what profile sources said
        now = self._clock() if time is None else time
        return self.plans.latest(self._snapshot, state, now=now, evidence=self.evidence.current)

    def record(self, interactions: Sequence[Interaction]) -> list[InteractionResult]:
        """Record what happened; durable when this returns. A result per item, in order.

        What names a recommendation gets the properties action, treatment and channel from it, and
        what the treatment has of tags, texts and flags.

        Malformed items are rejected one by one; `InvalidRequest` only for too many of them.
        """
        snapshot = self._snapshot
        results = record_interactions(
            self.store,
            self.log,
            snapshot.fold,
            interactions,
            now=self._clock(),
            facts=snapshot.facts,
        )
        if self._tap is not None:
            self._tap.recorded(interactions, results)
        return results

    def load(
        self,
        *,
        updates: Sequence[ProfileUpdate] = (),
        interactions: Sequence[Interaction] = (),
        progress: tuple[str, str] | None = None,
        follows: str | None = None,
        tell: bool = False,
    ) -> list[InteractionResult]:
        """Profiles and interactions in one commit with a progress mark: for imports and sources.

        Any number of rows; ``follows`` as in `Store.bulk`. With ``tell`` the tap hears of what was
        recorded. Raises `InvalidRequest` naming the first update that does not fit the
        schema (``updates[3].attributes[age]``); malformed interactions are rejected one by one.
        """
        snapshot, now = self._snapshot, self._clock()
        results = load_batch(
            self.store,
            self.log,
            snapshot.fold,
            [dated(update, now) for update in checked_updates(updates, snapshot)],
            interactions,
            now=now,
            progress=progress,
            facts=snapshot.facts,
            follows=follows,
        )
        if tell and self._tap is not None:
            self._tap.recorded(interactions, results)
        return results

    def profile(self, identity: str) -> CustomerState:
        """The customer behind an identity. Raises `NotFound`."""
        if (wrong := identity_violation(identity)) is not None:
            raise InvalidRequest([wrong])
        found = self._reads.customer(identity)
        if found is None:
            raise unknown_customer(identity)
        return found[0]

    def seen(self, identity: str) -> CustomerState | None:
        """All that a decision may have seen of a customer, as it is kept now; None: nothing.

        That is its state, and what profile sources last said. Asks no source.
        """
        found = self._reads.customer(identity)
        if self._profile_sources is not None:
            found = self._profile_sources.lay_over(identity, found, self.catalog)
        return None if found is None else found[0]

    def identities(self, identity: str) -> Identities:
        """All identities of a customer, with links and consents. Raises `NotFound`."""
        if (wrong := identity_violation(identity)) is not None:
            raise InvalidRequest([wrong])
        found = self.store.identities(identity)
        if found is None:
            raise unknown_customer(identity)
        return found

    def export(self, identity: str) -> Iterator[Exported]:
        """Everything that is held about the customer behind an identity. Raises `NotFound`."""
        found = self.identities(identity)
        state = self.seen(identity) or self.profile(identity)
        self.log.flush()
        return export_customer(found, state, self.catalog, self.store, self.log, now=self._clock())

    def link_identities(self, request: LinkRequest) -> Linked:
        """Lead identities to one customer; durable when this returns. ``most`` is the settings'.

        Raises `InvalidRequest`, and `FailedPrecondition` when the customer would have too many.
        """
        checked = msgspec.structs.replace(checked_link(request), most=self._max_links)
        return self.store.link(checked, self._snapshot.merge, now=self._clock())

    def erase_profile(self, identity: str, *, request_id: str = "") -> Erasure:
        """Erase the customer behind an identity, with all its identities, for good.

        When this returns it is gone from the store, and whatever was late does not bring it back;
        where something is ``pending``, `on_erased` was called to have it removed there. The repeat
        of a ``request_id`` tells how far that is. Raises `InvalidRequest`; somebody unknown is
        no error.
        """
        if (wrong := identity_violation(identity)) is not None:
            raise InvalidRequest([wrong])
        erasure = self.store.erase(identity, erasure_id=request_id, now=self._clock())
        if erasure.pending:
            self.on_erased()
        return erasure

    def checked_update(self, update: ProfileUpdate) -> ProfileUpdate:
        """The update in its normal form; writes nothing. Raises `InvalidRequest`."""
        return checked_update(update, self._snapshot)

    def update_profile(self, update: ProfileUpdate) -> CustomerState:
        """Create or change a customer; durable when this returns. Raises `InvalidRequest`.

        A repeat within a week has no further effect. The same id with another body is refused.
        """
        checked = dated(checked_update(update, self._snapshot), self._clock())
        try:
            return self.store.update([checked])[0]
        except InvalidRequest as wrong:  # the only one of its call needs no number
            raise InvalidRequest(
                [
                    msgspec.structs.replace(v, field=v.field.removeprefix("updates[0]."))
                    for v in wrong.violations
                ],
                reason=wrong.reason,
            ) from None

    def validate_catalog(self, files: Mapping[str, str]) -> list[Mistake]:
        """Every mistake that would keep these catalog files from going live."""
        try:
            self.catalogs.assembled(files)
        except MistakesFound as found:
            return list(found.mistakes)
        return []

    def reload(self, files: Mapping[str, str]) -> None:
        """Put these files in force in this process alone; `catalogs` does it in all of a store.

        Raises `MistakesFound`; the old ones stay then.
        """
        self.catalogs.swap(self.catalogs.assembled(files))

    def _record(self, decision_id: str) -> DecisionRecord:
        record = self.log.read(decision_id)
        if record is None:
            self.log.flush()
            record = self.log.read(decision_id)
        if record is None:
            raise NotFound(
                f"no decision {decision_id!r} is on record",
                reason="DECISION_NOT_FOUND",
                metadata={"decision_id": decision_id},
            )
        return record

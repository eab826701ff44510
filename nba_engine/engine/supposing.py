"""Decisions that are only supposed: as they would be now, with nothing reserved and nothing logged.

Each starts from the accounts as they stand. What it would reserve is counted within the decision and
told, but uses up nothing for the next one.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nba_engine.domain import (
    NO_EVIDENCE,
    Answer,
    CatalogView,
    CustomerState,
    Decision,
    DecisionRequest,
    Evidence,
    Hold,
    PlanMark,
    ReservationRequest,
    Store,
    Tally,
)
from nba_engine.engine.contact_plans import PlanBook
from nba_engine.engine.decide import answer, prepare, settle
from nba_engine.engine.evidence import known_evidence
from nba_engine.engine.prices import PriceBook
from nba_engine.engine.reads import LiveReads
from nba_engine.engine.snapshot import Snapshot

__all__ = ["Standing", "Supposed", "Supposing", "standing"]

_NO_INTERACTIONS = 2**62  # a page of a history behind all of them: the customer alone


class Supposed(msgspec.Struct, frozen=True):
    """A decision, and what its recommendations would hold."""

    decision: Decision
    holds: tuple[Hold, ...]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What decisions at a moment have in common beside the catalog: prices, how actions did, the plan."""

    prices: dict[str, float]
    evidence: dict[str, Tally]
    plan: PlanMark | None = None


def standing(store: Store, catalog: CatalogView, *, now: float) -> Standing:
    """As the store has it. Raises `Unavailable`."""
    book = PriceBook(store)
    book.read(catalog)
    evidence: Mapping[str, Tally] = {}
    if catalog.evidence is not None:
        evidence = known_evidence(store, now=now)
    plans = PlanBook(store)
    plans.read(catalog)
    return Standing(prices=book.at(now), evidence=dict(evidence), plan=plans.mark)


class Supposing:
    """Decides at one moment, at given prices."""

    def __init__(self, snapshot: Snapshot, store: Store, *, now: float, standing: Standing) -> None:
        self.snapshot = snapshot
        self._store = store
        self._now = now
        self._evidence = Evidence(standing.evidence) if standing.evidence else NO_EVIDENCE
        self._prices = standing.prices
        self._plans = PlanBook(store)
        self._plans.take(standing.plan)

    def customer(self, customer_id: str) -> tuple[CustomerState, bytes] | None:
        """A customer by its id; None: is no more."""
        found = self._store.history(customer_id, after=_NO_INTERACTIONS)
        return None if found is None else (found.state, b"")

    def decide(
        self,
        request: DecisionRequest,
        *,
        seed: int,
        customer: tuple[CustomerState, bytes] | None = None,
    ) -> Supposed:
        """What would be decided. ``customer``: who it is for; None: whom the identity leads to.

        Raises `InvalidRequest`, `Unavailable`, and what a stage of the policy `fail` raises.
        """
        request, plan = self.snapshot.requests.read(request, simulated=False)
        reads = _Reads(self._store, self._now, customer, self._evidence)
        deciding = prepare(
            self.snapshot.catalog,
            request,
            plan,
            decision_id=f"supposed-{seed}",
            reads=reads,
            now=self._now,
            seed=seed,
        )
        deciding.prices = dict(self._prices)
        deciding.plan_of = self._plans.reader(self.snapshot, now=self._now, evidence=self._evidence)
        micros = self.snapshot.pipeline.run(deciding)
        decision = answer(
            deciding,
            dropped=settle(deciding),
            model_versions=dict(self.snapshot.model_versions),
            micros=micros,
        )
        named = [one.recommendation_id for one in decision.recommendations]
        holds = [hold for name in named for hold in reads.granted.get(name, ())]
        return Supposed(decision, tuple(holds))


class _Reads(LiveReads):
    """The store as it stands; a ledger that forgets everything after the decision."""

    __slots__ = ("_customer", "_own", "granted")

    def __init__(
        self,
        store: Store,
        now: float,
        customer: tuple[CustomerState, bytes] | None,
        evidence: Evidence,
    ) -> None:
        super().__init__(store, now)
        self.known = evidence
        self._customer = customer
        self._own: dict[str, int] = {}
        self.granted: dict[str, tuple[Hold, ...]] = {}

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        return self._customer or super().customer(identity)

    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]:
        used = super().usage(accounts)
        return {account: count + self._own.get(account, 0) for account, count in used.items()}

    def reserve(
        self,
        requests: tuple[ReservationRequest, ...],
        *,
        now: float,  # noqa: ARG002
    ) -> tuple[Answer, ...]:
        return tuple([self._reserve(request) for request in requests])

    def release(
        self,
        reservations: tuple[str, ...],
        *,
        now: float,  # noqa: ARG002
    ) -> None:
        for reservation in reservations:
            for hold in self.granted.pop(reservation, ()):
                self._own[hold.account] -= hold.amount

    def _reserve(self, request: ReservationRequest) -> Answer:
        used = self.usage(tuple(hold.account for hold in request.holds))
        for hold in request.holds:
            room = hold.ceiling - used[hold.account]
            if hold.amount > room:
                return Answer(
                    reservation_id=request.reservation_id,
                    granted=False,
                    refused_by=hold.limit,
                    room=room,
                )
        for hold in request.holds:
            self._own[hold.account] = self._own.get(hold.account, 0) + hold.amount
        self.granted[request.reservation_id] = request.holds
        return Answer(reservation_id=request.reservation_id, granted=True)

"""What could be planned for a customer: the engine's own pipeline is asked, with nothing reserved."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import numpy as np

from nba_engine.domain import (
    NO_EVIDENCE,
    BoolArray,
    CustomerState,
    DecisionRequest,
    Evidence,
    FloatArray,
    IntArray,
    PlacementRequest,
    Store,
    to_micros,
)
from nba_engine.domain.contact_plan import ContactPlanSpec, ContactPlanTerms
from nba_engine.domain.values import LARGEST_AMOUNT, Values
from nba_engine.engine.decide import prepare
from nba_engine.engine.reads import LiveReads
from nba_engine.engine.snapshot import Snapshot
from nba_engine.errors import FailedPrecondition

__all__ = ["UNLIMITED", "Offering", "Offers"]

UNLIMITED = 2**62  # the budget of whoever has none of its own, in micros
_ANYBODY = "customer:id"  # the identity of a request whose customer is known by its id
_ENDS = frozenset({"contact_plan", "arbitration", "slate"})  # stages that compare
_NO_INTERACTIONS = 2**62  # a page of a history behind all of them: the customer alone


class Offers(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The treatments that are worth their cost for a customer, or pushed by a minimum, as of one moment.

    ``treatment`` (n,): indices in the catalog, ascending. ``value`` (n,): what the contact is
    expected to earn, lever * weight * propensity (or uplift) * value, in money, before its cost and
    the prices of limits. ``budget``: micros that may be spent on the customer over the plan;
    `UNLIMITED` without one of its own. ``newest`` and ``merges``: as in the `History` it was read from.
    """

    customer_id: str
    treatment: IntArray
    value: FloatArray
    budget: int = UNLIMITED
    newest: int = 0
    merges: int = 0


class Offering:
    """Asks for many customers, at one moment.

    What only concerns the day is not looked at: quiet hours, limits of any window but a lifetime, and
    seasons that have not begun (`PlanContacts` knows when they do). Everything else is judged once, as of
    that moment.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        store: Store,
        *,
        now: float,
        evidence: Evidence = NO_EVIDENCE,
        terms: ContactPlanTerms | None = None,
        pushed: Collection[str] | None = None,
    ) -> None:
        """``terms``: those of a plan that was made, None: the catalog's. ``pushed``: limits with a minimum.

        Raises `FailedPrecondition` when the catalog has no ``[contact_plan]``.
        """
        spec = snapshot.catalog.contact_plan
        if spec is None:
            raise FailedPrecondition("the catalog has no table [contact_plan]")
        self.spec: ContactPlanSpec = spec
        self.terms = terms or spec.terms
        self._snapshot = snapshot
        self._store = store
        self._now = now
        self._evidence = evidence
        placements = tuple(
            [PlacementRequest(n) for n in self.terms.placements if n in snapshot.catalog.placements]
        )
        request = DecisionRequest(identity=_ANYBODY, placements=placements)
        self._request, self._plan = snapshot.requests.read(request, simulated=False)
        self._pipeline = snapshot.pipeline.before(_ENDS)
        minimum = [
            limit.at_least > 0 if pushed is None else limit.id in pushed
            for limit in snapshot.catalog.limits
        ]
        # None, most of the time: a decision that plans anew has no time to look at all treatments
        self._pushed: BoolArray | None = None
        if any(minimum):
            pushes = [any(minimum[at] for at in of) for of in snapshot.catalog.limits_of]
            self._pushed = np.array(pushes, dtype=np.bool_)

    def offers(self, customer_id: str, *, seed: int = 0) -> Offers | None:
        """What could be planned for a customer of the store; None: is no more.

        Raises `Unavailable`, and what a stage of the policy `fail` raises.
        """
        found = self._store.history(customer_id, after=_NO_INTERACTIONS)
        if found is None:
            return None
        offers = self.offers_of(found.state, seed=seed)
        return msgspec.structs.replace(offers, newest=found.newest, merges=found.merges)

    def offers_of(self, state: CustomerState, *, seed: int = 0) -> Offers:
        """What could be planned for a customer that was read already."""
        snapshot = self._snapshot
        deciding = prepare(
            snapshot.catalog,
            self._request,
            self._plan,
            decision_id=f"planned-{seed}",
            reads=_Reads(self._store, self._now, state, self._evidence),
            now=self._now,
            seed=seed,
        )
        deciding.ahead = True
        self._pipeline.run(deciding)
        candidates = deciding.candidates
        treatment, value = candidates.index, np.zeros(len(candidates))
        if "score" in candidates:
            score = candidates["score"]
            value = score + snapshot.catalog.cost.take(treatment)
            worth = score > 0.0
            if self._pushed is not None:
                worth |= self._pushed.take(treatment) & (value >= 0.0)
            worth &= ~candidates.nothing
            value = value[worth]
            # in several placements it is the same contact
            treatment, first = np.unique(treatment[worth], return_index=True)
            value = value[first]
        else:
            treatment, value = treatment[:0], value[:0]
        return Offers(
            customer_id=state.customer_id,
            treatment=treatment,
            value=value,
            budget=self._budget(deciding.customer),
        )

    def _budget(self, customer: Values) -> int:
        budget = self.spec.budget
        if budget is None:
            return UNLIMITED
        if not isinstance(budget, int | float):
            budget = budget.evaluate(customer, {}, self._now)
        if budget is None or not np.isfinite(budget):
            return 0  # it cannot be computed: only what costs nothing
        return to_micros(min(max(budget, 0.0), LARGEST_AMOUNT))


class _Reads(LiveReads):
    """One customer, and the accounts as they stand."""

    __slots__ = ("_state",)

    def __init__(self, store: Store, now: float, state: CustomerState, evidence: Evidence) -> None:
        super().__init__(store, now)
        self.known = evidence
        self._state = state

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:  # noqa: ARG002
        return self._state, b""

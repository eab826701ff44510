"""The state of one decision while it runs through the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy, deepcopy
from types import MappingProxyType
from typing import Protocol, TypeAlias

import msgspec
import numpy as np

from nba_engine.domain.bits import is_among
from nba_engine.domain.candidates import Candidates, CandidatesMark
from nba_engine.domain.catalog import CatalogView
from nba_engine.domain.contact_plan import PlanRead
from nba_engine.domain.customer_view import CustomerView
from nba_engine.domain.decision import DecisionRequest, PlacementRequest, Recommendation
from nba_engine.domain.evidence import Evidence, Tally
from nba_engine.domain.exploration import Draw
from nba_engine.domain.ledger import Answer, ReservationRequest
from nba_engine.domain.profile import CustomerState
from nba_engine.domain.shadow import Shadow
from nba_engine.domain.values import BoolArray, FloatArray, IntArray, Value, Values

__all__ = ["Deciding", "DecidingMark", "Reads"]

_NONE: Values = MappingProxyType({})

# candidates and recommendations as they were, and what is known of the customer
DecidingMark: TypeAlias = tuple[
    Candidates,
    CandidatesMark,
    list[Recommendation],
    int,
    int,
    Values,
    Values,
    str,
    bool,
    CustomerState | None,
    bytes,
    float,
]


class Reads(Protocol):
    """What a decision may ask of the store. A replay answers from the record instead."""

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None: ...
    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]: ...
    def evidence(self) -> Evidence:
        """How actions did so far; the same object until more is known."""

    def reserve(
        self, requests: tuple[ReservationRequest, ...], *, now: float
    ) -> tuple[Answer, ...]: ...
    def release(self, reservations: tuple[str, ...], *, now: float) -> None:
        """Give back what was reserved and will not be recommended.

        Never fails: what cannot be given back now expires. When a decision ends, what was granted
        to it and is not recommended is given back without being asked.
        """


class Deciding:
    """What stages share about one decision; one thread at a time works on it.

    ``customer`` is what rules and features see: attributes, aggregates as of ``now``, consents
    (a list of granted ``purpose:channel``), ``customer_id`` and ``known``; a missing attribute
    raises KeyError. Neither it nor ``context`` can be changed. ``now`` is seconds since the epoch. ``random`` is seeded with ``seed``, which
    is logged, so that the decision can be replayed.
    """

    __slots__ = (
        "_random",
        "ahead",
        "answers",
        "candidates",
        "catalog",
        "context",
        "control_groups",
        "customer",
        "customer_id",
        "deadline",
        "decided_by",
        "decision_id",
        "degraded",
        "draws",
        "due",
        "eligible",
        "evidence",
        "evidence_groups",
        "failed",
        "known",
        "now",
        "placements",
        "plan",
        "plan_of",
        "planned",
        "prices",
        "profile_bytes",
        "reads",
        "recommendations",
        "request",
        "scored",
        "seed",
        "shadows",
        "state",
        "usage",
    )

    def __init__(
        self,
        *,
        decision_id: str,
        request: DecisionRequest,
        placements: tuple[PlacementRequest, ...],
        candidates: Candidates,
        catalog: CatalogView,
        reads: Reads,
        now: float,
        seed: int,
        deadline: float | None = None,
    ) -> None:
        self.decision_id = decision_id
        self.request = request
        self.placements = placements  # with the number of slots resolved
        self.candidates = candidates
        self.catalog = catalog
        self.reads = reads
        self.now = now
        self.seed = seed
        self.deadline = deadline  # on time.monotonic
        # it is about the weeks to come: what only concerns today (quiet hours, windows of limits, that a
        # season has not begun) does not count
        self.ahead = False
        # lists and maps of its own: what was asked goes to the log as it came
        self.context: Values = _NONE
        if request.context:
            self.context = MappingProxyType(_own(request.context))
            self.request = msgspec.structs.replace(request, context=self.context)
        # set by the profile stage
        self.state: CustomerState | None = None
        self.profile_bytes = b""
        self.customer: Values = _NONE
        self.customer_id = ""
        self.known = False
        # filled on the way
        self.usage: dict[str, int] = {}  # accounts as read, for the log
        self.answers: list[Answer] = []  # what the ledger said, for the log
        self.prices: dict[str, float] = {}  # of limits, for the log; see the stage arbitration
        # what is planned for a customer (None: nothing is, there is no plan in force), and for the
        # log what the stage contact_plan read; ``due``: treatments that are planned for now, in the
        # placements (positions in the request) ``planned``, where the plan's prices hold
        self.plan_of: Callable[[CustomerState], PlanRead | None] = _no_plan
        self.plan: PlanRead | None = None
        self.due: frozenset[int] = frozenset()
        self.planned: frozenset[int] = frozenset()
        self.recommendations: list[Recommendation] = []
        self.draws: list[Draw] = []  # of placements that explore, for the log
        # tallies that propensities stand on, by action and by group, for the log
        self.evidence: dict[str, Tally] = {}
        self.evidence_groups: dict[str, Tally] = {}
        self.degraded: list[str] = []
        self.control_groups: tuple[str, ...] = ()  # that the customer is in; "*": of everything
        # the model that scored ("": none), and those that score beside it; known before a replay
        self.decided_by = ""
        self.shadows: Mapping[str, Shadow] = {}
        # kept by the pipeline, for the log: stages whose failure policy was applied; (index, slot, units)
        # of the candidates after eligibility; (index, slot, propensity) of those that were scored
        self.failed: list[str] = []
        self.eligible: tuple[IntArray, IntArray, int | None] | None = None
        self.scored: tuple[IntArray, IntArray, FloatArray] | None = None
        self._random: np.random.Generator | None = None

    @property
    def random(self) -> np.random.Generator:
        """The decision's own generator; made on first use."""
        if self._random is None:
            self._random = np.random.Generator(np.random.PCG64(self.seed))
        return self._random

    def prices_in(self, slot: int) -> Mapping[str, float]:
        """The prices that hold in a placement: the plan's, where it is planned, before the others."""
        if self.plan is None or slot not in self.planned:
            return self.prices
        return {**self.prices, **self.plan.prices}

    def is_due(self, treatment: int, slot: int) -> bool:
        """Whether a contact is planned for now: it is charged no price."""
        return treatment in self.due and slot in self.planned

    def due_among(self, index: IntArray, slot: IntArray) -> BoolArray | None:
        """`is_due` of many, (n,); None: none is."""
        if not self.due:
            return None
        due = is_among(index, self.due, len(self.catalog.treatments))
        due &= is_among(slot, self.planned, len(self.placements))
        return due

    def mark(self) -> DecidingMark:
        """What `restore` needs to undo what a stage does from now on."""
        return (
            self.candidates,
            self.candidates.mark(),
            self.recommendations,
            len(self.recommendations),
            len(self.draws),
            self.context,
            self.customer,
            self.customer_id,
            self.known,
            self.state,
            self.profile_bytes,
            self.now,
        )

    def restore(self, mark: DecidingMark) -> None:
        """Undo what a stage did since the mark; what the store and the ledger said stays known."""
        (
            self.candidates,
            candidates,
            self.recommendations,
            recommended,
            drawn,
            self.context,
            self.customer,
            self.customer_id,
            self.known,
            self.state,
            self.profile_bytes,
            self.now,
        ) = mark
        self.candidates.restore(candidates)
        del self.recommendations[recommended:]
        del self.draws[drawn:]

    def detached(self) -> Deciding:
        """A copy for a thread that may be abandoned: what it does to it stays there."""
        other = Deciding.__new__(Deciding)
        for name in self.__slots__:
            setattr(other, name, copy(getattr(self, name)) if name in _OWN else getattr(self, name))
        other.candidates = self.candidates.detached()
        other.context = MappingProxyType(_own(self.context))
        if isinstance(self.customer, CustomerView):
            other.customer = copy(self.customer)
        other._random = deepcopy(self._random)  # noqa: SLF001 - its own class
        return other

    def adopt(self, other: Deciding) -> None:
        """Take over what became of a detached copy."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))


def _no_plan(state: CustomerState) -> PlanRead | None:  # noqa: ARG001
    return None


# mutable parts that `detached` copies
_OWN = frozenset(
    {
        "answers",
        "degraded",
        "draws",
        "evidence",
        "evidence_groups",
        "failed",
        "prices",
        "recommendations",
        "usage",
    }
)


_MUTABLE = (list, dict)  # a tuple: `list | dict` is made anew each time


def _own(values: Values) -> dict[str, Value]:
    """A copy that shares no list or map with the values."""
    return {
        name: value.copy() if isinstance(value, _MUTABLE) else value
        for name, value in values.items()
    }

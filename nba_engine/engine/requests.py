"""Requests held against the catalog: every violation at once, and what is the same each time."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from nba_engine.domain import CatalogView, DecisionRequest, IntArray, PlacementRequest
from nba_engine.domain.bits import bitset
from nba_engine.engine.types import normalized, readers_of
from nba_engine.errors import InvalidRequest, Violation
from nba_engine.settings import suggest

__all__ = [
    "MAX_IDENTITY",
    "MAX_PLACEMENTS",
    "MAX_SLOTS",
    "Plan",
    "RequestReader",
    "identity_violation",
    "time_problem",
]

MAX_PLACEMENTS = 16  # per request
MAX_SLOTS = 32  # per placement and request
MAX_IDENTITY = 256  # characters
MAX_REQUEST_ID = 128  # characters
# 1970 to 9000: calendars reach to the year 9999, and limits and explanations look ahead
EARLIEST, LATEST = 0.0, 221_845_392_000.0
_PER_PLAN = 100  # what a plan weighs beside its candidates
_CACHED = 1_000_000  # candidates in all plans that are kept


class Plan(msgspec.Struct, frozen=True, eq=False):
    """What requests for the same placements have in common."""

    placements: tuple[PlacementRequest, ...]  # with the number of slots resolved
    index: IntArray
    slot: IntArray
    units: int | None = (
        None  # of one placement: the treatments as a bitset, as `Candidates` takes it
    )


class RequestReader:
    """Checks requests against one catalog. Thread-safe."""

    def __init__(self, catalog: CatalogView) -> None:
        self._catalog = catalog
        self._context = readers_of(catalog.context)
        self._plans: dict[tuple[PlacementRequest, ...], Plan] = {}
        self._cached = 0  # about: threads may count past each other

    def read(self, request: DecisionRequest, *, simulated: bool) -> tuple[DecisionRequest, Plan]:
        """The request with its context in normal form, and its plan.

        Only for a ``simulated`` store may it set time and seed. Raises `InvalidRequest` with every violation.
        """
        violations: list[Violation] = []
        if (wrong := identity_violation(request.identity)) is not None:
            violations.append(wrong)
        request_id = request.request_id
        if request_id and not (len(request_id) <= MAX_REQUEST_ID and request_id.isprintable()):
            description = f"must have at most {MAX_REQUEST_ID} printable characters"
            violations.append(Violation(field="request_id", description=description))
        plan = self._plans.get(request.placements)
        if plan is None:
            plan = self._plan(request.placements, violations)
        if request.context:
            context = normalized(request.context, self._context, "context", violations)
            if context is not None:
                request = msgspec.structs.replace(request, context=context)
        if request.time is not None or request.seed is not None:
            _check_replay(request, violations, simulated=simulated)
        if violations or plan is None:
            raise InvalidRequest(violations)
        return request, plan

    def _plan(
        self, placements: tuple[PlacementRequest, ...], violations: list[Violation]
    ) -> Plan | None:
        """Check placements and lay out their candidates; None after a violation."""
        known = self._catalog.placements
        before = len(violations)
        if not placements:
            violations.append(Violation(field="placements", description="must not be empty"))
        if len(placements) > MAX_PLACEMENTS:
            description = f"must not be more than {MAX_PLACEMENTS}"
            violations.append(Violation(field="placements", description=description))
        seen: set[str] = set()
        for position, wanted in enumerate(placements):
            field = f"placements[{position}]"
            if wanted.placement not in known:
                remedy = suggest(wanted.placement, known, "placements")
                description = f"there is no placement {wanted.placement!r} ({remedy})"
                violations.append(Violation(field=f"{field}.placement", description=description))
            elif wanted.placement in seen:
                description = f"{wanted.placement!r} is asked for twice"
                violations.append(Violation(field=f"{field}.placement", description=description))
            seen.add(wanted.placement)
            if not 0 <= wanted.slots <= MAX_SLOTS:
                description = f"must be in 0 … {MAX_SLOTS}"
                violations.append(Violation(field=f"{field}.slots", description=description))
        if len(violations) > before:
            return None
        fitting = [self._catalog.fitting(wanted.placement) for wanted in placements]
        index = np.concatenate(fitting).astype(np.intp)
        counts = [len(each) for each in fitting]
        slot = np.repeat(np.arange(len(placements), dtype=np.intp), counts)
        resolved = tuple(
            PlacementRequest(wanted.placement, wanted.slots or known[wanted.placement].slots)
            for wanted in placements
        )
        index.flags.writeable = slot.flags.writeable = False
        units = None
        if len(placements) == 1:
            units = bitset(np.isin(np.arange(len(self._catalog.treatments)), index))
        plan = Plan(resolved, index, slot, units)
        self._cached += len(index) + _PER_PLAN
        if self._cached > _CACHED:
            self._plans = {}
            self._cached = len(index) + _PER_PLAN
        self._plans[placements] = plan
        return plan


def _check_replay(
    request: DecisionRequest, violations: list[Violation], *, simulated: bool
) -> None:
    """Time and seed: allowed at all, and within bounds."""
    if not simulated:
        forbidden = [
            Violation(
                field=field,
                description="may only be set on a store that was created as simulated",
            )
            for field in ("time", "seed")
            if getattr(request, field) is not None
        ]
        if not violations:
            raise InvalidRequest(forbidden, reason="TIME_NOT_ALLOWED")
        violations.extend(forbidden)
    if request.time is not None and (problem := time_problem(request.time)):
        violations.append(Violation(field="time", description=problem))
    if request.seed is not None and not 0 <= request.seed < 2**63:
        violations.append(Violation(field="seed", description="must be in 0 … 2⁶³-1"))


def time_problem(time: float) -> str:
    """What is wrong with a moment to decide at or to record; "" when nothing is."""
    if not math.isfinite(time):
        return "must be a finite number"
    if not EARLIEST <= time < LATEST:
        return "must be in the years 1970 to 8999"
    return ""


def identity_violation(identity: str, field: str = "identity") -> Violation | None:
    """What is wrong with an identity; None when it is namespaced as it should be."""
    namespace, _, rest = identity.partition(":")
    if namespace and rest and len(identity) <= MAX_IDENTITY and identity.isprintable():
        return None
    if len(identity) > MAX_IDENTITY:
        return Violation(field=field, description=f"must not exceed {MAX_IDENTITY} characters")
    if namespace and rest:
        return Violation(field=field, description="must hold printable characters only")
    return Violation(field=field, description="must be namespaced, as in crm:42")

"""Requests, decisions, and the record of a decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nba_engine.domain.contact_plan import PlanRead
from nba_engine.domain.evidence import Tally
from nba_engine.domain.exploration import Draw
from nba_engine.domain.ledger import Answer
from nba_engine.domain.rules import Change
from nba_engine.domain.values import Value

__all__ = [
    "CandidateTrace",
    "Decision",
    "DecisionRecord",
    "DecisionRequest",
    "Explanation",
    "Origin",
    "PlacementRequest",
    "Recommendation",
    "StageCount",
]


class PlacementRequest(msgspec.Struct, frozen=True):
    """A placement to fill; ``slots`` 0 means the placement's own number."""

    placement: str
    slots: int = 0


class DecisionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel asks: for this customer, in these placements, in this context.

    ``time`` and ``seed`` are only accepted on a store created as simulated. ``cart`` and other
    real-time facts come in ``context`` (declared in the catalog).
    """

    identity: str
    placements: tuple[PlacementRequest, ...]
    context: dict[str, Value] = {}
    request_id: str = ""
    time: float | None = None
    seed: int | None = None


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One treatment for one placement. Money in the catalog's currency."""

    recommendation_id: str
    placement: str
    position: int  # from 0 within the placement
    action: str
    treatment: str
    channel: str
    content: dict[str, str] = {}
    score: float = 0.0  # money
    propensity: float = 0.0
    value: float = 0.0
    cost: float = 0.0
    lever: float = 1.0
    weight: float = 1.0
    selection_probability: float = 1.0
    reason_codes: tuple[str, ...] = ()
    expires: float | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one request. ``candidates`` = recommended + the sum of ``dropped``."""

    decision_id: str
    customer_id: str
    known: bool
    time: float
    catalog_version: str
    model_versions: dict[str, str]
    recommendations: tuple[Recommendation, ...]
    decided_by: str = ""  # the model that scored, of those that compete
    # what it had to do without: stages whose failure policy was applied, "profile_sources.<id>" …
    degraded: tuple[str, ...] = ()
    candidates: int = 0
    dropped: dict[str, int] = {}  # "stage/reason" → candidates
    stage_micros: dict[str, int] = {}  # wall time per stage
    control_groups: tuple[str, ...] = ()  # that the customer is in; "*": of everything


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is logged: enough to explain, replay and evaluate the decision (docs/decision-log.md).

    Compact on purpose: what can be recomputed from these inputs is recomputed.
    """

    decision_id: str
    request: DecisionRequest
    customer_id: str
    known: bool
    profile: bytes  # the customer's state as read (msgpack), b"" when unknown
    time: float
    seed: int
    catalog_version: str
    model_versions: dict[str, str]
    # candidates after eligibility: treatment index + request slot * ``treatments``, ascending, as
    # uint16 where that is enough for all and uint32 otherwise — or ``among``, where that is shorter:
    # one bit for each such number (lowest first), and ``candidates`` is empty; which of them were
    # scored, one bit each (lowest first; b"" = all of them), and the float32 propensities of those,
    # in order; little-endian (`nba_engine.engine.candidates_of` reads them)
    treatments: int
    candidates: bytes
    scored: bytes
    propensities: bytes
    total: int
    dropped: dict[str, int]
    usage: dict[str, int]  # accounts as read by contact_policy
    answers: tuple[Answer, ...]  # what the ledger answered, in order
    recommendations: tuple[Recommendation, ...]
    among: bytes = b""
    decided_by: str = ""  # the model whose propensities these are, of those that compete
    # the other ones: float32 propensities of the candidates that were scored, in their order; b"":
    # they were not done in time
    shadows: dict[str, bytes] = {}
    control_groups: tuple[str, ...] = ()  # that the customer is in; "*": of everything
    prices: dict[str, float] = {}
    degraded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()  # stages whose failure policy was applied: a replay applies it too
    draws: tuple[Draw, ...] = ()  # of placements that explore, in their order
    # contacts and positive outcomes that propensities stand on, by action and by group
    evidence: dict[str, Tally] = {}
    evidence_groups: dict[str, Tally] = {}
    contact_plan: PlanRead | None = None  # what was planned for the customer, as read or computed
    stage_micros: dict[str, int] = {}


class StageCount(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the funnel: how many candidates a stage dropped for a reason."""

    stage: str
    reason: str
    candidates: int


class CandidateTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one candidate. ``stage`` is "" for a recommended one.

    ``text`` is complete by itself: it says what ``changes`` say, too. Show one or the other.
    """

    treatment: str
    action: str
    placement: str
    stage: str = ""
    reason: str = ""
    text: str = ""  # for people: what became of it and what it would take
    changes: tuple[Change, ...] = ()  # applied together they bring it past that stage
    columns: Mapping[str, float] = {}  # propensity, value, cost, weight, lever, score … if known
    details: Mapping[str, Any] = {}


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where an attribute of the customer came from, if not from the store, and as of when."""

    attribute: str
    source: str
    time: float


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a decision came out as it did. ``customer_value``: what the customer was worth then."""

    decision: Decision
    funnel: tuple[StageCount, ...]
    candidates: tuple[CandidateTrace, ...]
    sentences: tuple[str, ...]
    origins: tuple[Origin, ...] = ()
    customer_value: Mapping[str, Value] = {}

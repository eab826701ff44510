"""ExplainDecision: why a decision came out as it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from nba_engine._gen.nba.v1 import decision_service_pb2, explanation_pb2
from nba_engine.client.decisions import Decision, read_decision
from nba_engine.client.values import Value, money, read_time, read_value, read_values
from nba_engine.client.words import word_of

__all__ = ["AttributeOrigin", "CandidateTrace", "Change", "Explanation", "read_explanation"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that would have to change.

    ``kind`` is ``attribute``, ``context``, ``time``, ``consent``, ``limit``, ``price``, ``lever``,
    ``control_group`` or ``none``; ``target`` which one, ``value`` what it would need (None where
    the kind has none), ``text`` the same as a sentence.
    """

    kind: str
    target: str
    value: Value | None
    text: str


class CandidateTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one candidate; numbers are None when it fell out before it had them."""

    treatment: str
    action: str
    placement: str
    recommended: bool
    stage: str
    reason: str
    text: str
    changes: tuple[Change, ...]
    propensity: float | None
    value_micros: int | None
    cost_micros: int | None
    score_micros: int | None
    lever: float | None
    weight: float | None
    further_columns: Mapping[str, float]
    details: Mapping[str, Value]

    @property
    def score(self) -> Decimal | None:
        """What it was expected to earn after its cost."""
        return None if self.score_micros is None else money(self.score_micros)

    @property
    def value(self) -> Decimal | None:
        """The money gained on a positive outcome."""
        return None if self.value_micros is None else money(self.value_micros)

    @property
    def cost(self) -> Decimal | None:
        """The money spent on the contact."""
        return None if self.cost_micros is None else money(self.cost_micros)


class AttributeOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Where an attribute came from that the store does not hold, and when it was fetched."""

    attribute: str
    source: str
    fetch_time: datetime


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it was given, why in full sentences, and what became of every candidate.

    ``origins``: the attributes that profile sources gave. ``customer_value``: what the customer was
    worth then (``p_alive``, ``ad_budget``, …), if the catalog declares it.
    """

    decision: Decision
    sentences: tuple[str, ...]
    candidates: tuple[CandidateTrace, ...]
    origins: tuple[AttributeOrigin, ...] = ()
    customer_value: Mapping[str, Value] = {}


def read_explanation(
    pages: Iterable[decision_service_pb2.ExplainDecisionResponse],
) -> Explanation:
    """An explanation from all its pages; each repeats decision and sentences."""
    candidates: list[CandidateTrace] = []
    page = decision_service_pb2.ExplainDecisionResponse()
    for page in pages:
        candidates += [_trace(entry) for entry in page.candidates]
    return Explanation(
        decision=read_decision(page.decision),
        sentences=tuple(page.sentences),
        candidates=tuple(candidates),
        origins=tuple(
            AttributeOrigin(
                attribute=entry.attribute,
                source=entry.source,
                fetch_time=read_time(entry.fetch_time),
            )
            for entry in page.origins
        ),
        customer_value=read_values(page.customer_value),
    )


def _trace(message: explanation_pb2.CandidateTrace) -> CandidateTrace:
    has = message.HasField
    return CandidateTrace(
        treatment=message.treatment,
        action=message.action,
        placement=message.placement,
        recommended=message.recommended,
        stage=message.stage,
        reason=message.reason,
        text=message.text,
        changes=tuple(_change(entry) for entry in message.changes),
        propensity=message.propensity if has("propensity") else None,
        value_micros=message.value_micros if has("value_micros") else None,
        cost_micros=message.cost_micros if has("cost_micros") else None,
        score_micros=message.score_micros if has("score_micros") else None,
        lever=message.lever if has("lever") else None,
        weight=message.weight if has("weight") else None,
        further_columns=dict(message.further_columns),
        details=read_values(message.details),
    )


def _change(message: explanation_pb2.Change) -> Change:
    return Change(
        kind=word_of(explanation_pb2.ChangeKind.Name, message.kind, "CHANGE_KIND_"),
        target=message.target,
        value=read_value(message.value) if message.HasField("value") else None,
        text=message.text,
    )

"""ExplainDecision: Explanation → its messages."""

from __future__ import annotations

import math

from nba_engine import domain
from nba_engine._gen.nba.v1 import explanation_pb2
from nba_engine.server.convert.decisions import micros
from nba_engine.server.convert.values import write_time, write_value, write_values

__all__ = ["write_origin", "write_trace"]

_KINDS: dict[domain.ChangeKind, explanation_pb2.ChangeKind.ValueType] = {
    "attribute": explanation_pb2.CHANGE_KIND_ATTRIBUTE,
    "context": explanation_pb2.CHANGE_KIND_CONTEXT,
    "time": explanation_pb2.CHANGE_KIND_TIME,
    "consent": explanation_pb2.CHANGE_KIND_CONSENT,
    "limit": explanation_pb2.CHANGE_KIND_LIMIT,
    "price": explanation_pb2.CHANGE_KIND_PRICE,
    "lever": explanation_pb2.CHANGE_KIND_LEVER,
    "control_group": explanation_pb2.CHANGE_KIND_CONTROL_GROUP,
    "none": explanation_pb2.CHANGE_KIND_NONE,
}
_MONEY = ("value", "cost", "score")
_NUMBERS = ("propensity", "lever", "weight")


def write_trace(
    trace: domain.CandidateTrace, types: dict[str, str]
) -> explanation_pb2.CandidateTrace:
    """What became of a candidate; ``types`` are those of attributes, for values to change to."""
    message = explanation_pb2.CandidateTrace(
        treatment=trace.treatment,
        action=trace.action,
        placement=trace.placement,
        recommended=not trace.stage,
        stage=trace.stage,
        reason=trace.reason,
        text=trace.text,
        changes=[_write_change(change, types) for change in trace.changes],
        details=write_values(trace.details),
    )
    for name, number in trace.columns.items():
        if not math.isfinite(number):
            continue
        if name in _MONEY:
            setattr(message, f"{name}_micros", micros(number))
        elif name in _NUMBERS:
            setattr(message, name, number)
        else:
            message.further_columns[name] = number
    return message


def write_origin(origin: domain.Origin) -> explanation_pb2.AttributeOrigin:
    """Where an attribute came from; never its value."""
    return explanation_pb2.AttributeOrigin(
        attribute=origin.attribute, source=origin.source, fetch_time=write_time(origin.time)
    )


def _write_change(change: domain.Change, types: dict[str, str]) -> explanation_pb2.Change:
    declared = {
        "time": "timestamp",
        "limit": "double",
        "lever": "double",
        "attribute": types.get(f"customer.{change.target}", ""),
        "context": types.get(f"context.{change.target}", ""),
    }.get(change.kind, "")
    return explanation_pb2.Change(
        kind=_KINDS[change.kind],
        target=change.target,
        value=None if change.value is None else write_value(change.value, declared),
        text=change.text,
    )

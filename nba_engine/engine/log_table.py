"""Logged decisions as flat columns, for Parquet (docs/decision-log.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from nba_engine.domain import DecisionRecord
from nba_engine.engine.record import candidates_of

__all__ = ["table_of"]

_OF_RECOMMENDATIONS = {  # column → field of a recommendation
    "recommendation_ids": "recommendation_id",
    "recommended_placements": "placement",
    "positions": "position",
    "actions": "action",
    "treatments": "treatment",
    "channels": "channel",
    "scores": "score",
    "propensities": "propensity",
    "values": "value",
    "costs": "cost",
    "levers": "lever",
    "weights": "weight",
    "selection_probabilities": "selection_probability",
}
_TEXTS = {"recommended_placements", "recommendation_ids", "actions", "treatments", "channels"}
_encode = msgspec.msgpack.Encoder().encode


def table_of(records: Sequence[DecisionRecord]) -> Any:
    """A `pyarrow.Table`, a row per decision; the lists of a row belong together by position."""
    import pyarrow as pa

    candidates = [candidates_of(record) for record in records]
    columns: dict[str, tuple[Any, list[Any]]] = {
        "decision_id": (pa.string(), [one.decision_id for one in records]),
        "time": (pa.timestamp("us", tz="UTC"), [round(one.time * 1e6) for one in records]),
        "customer_id": (pa.string(), [one.customer_id for one in records]),
        "known": (pa.bool_(), [one.known for one in records]),
        "identity": (pa.string(), [one.request.identity for one in records]),
        "request_id": (pa.string(), [one.request.request_id for one in records]),
        "placements": (
            pa.list_(pa.string()),
            [[wanted.placement for wanted in one.request.placements] for one in records],
        ),
        "context": (pa.string(), [_json(one.request.context) for one in records]),
        "seed": (pa.uint64(), [one.seed for one in records]),
        "catalog_version": (pa.string(), [one.catalog_version for one in records]),
        "model_versions": (pa.string(), [_json(one.model_versions) for one in records]),
        "decided_by": (pa.string(), [one.decided_by for one in records]),
        "control_groups": (pa.list_(pa.string()), [list(one.control_groups) for one in records]),
        "candidates": (pa.int32(), [one.total for one in records]),
        "dropped": (pa.string(), [_json(one.dropped) for one in records]),
        "degraded": (pa.list_(pa.string()), [list(one.degraded) for one in records]),
    }
    for column, field in _OF_RECOMMENDATIONS.items():
        kind = pa.string() if column in _TEXTS else pa.float64()
        kind = pa.int32() if column == "positions" else kind
        values = [[getattr(each, field) for each in one.recommendations] for one in records]
        columns[column] = (pa.list_(kind), values)
    columns |= {
        "candidate_treatments": (pa.list_(pa.int32()), [each.index for each in candidates]),
        "candidate_placements": (pa.list_(pa.int8()), [each.slot for each in candidates]),
        "candidate_propensities": (
            pa.list_(pa.float32()),
            [each.propensity for each in candidates],
        ),
        "shadow_models": (pa.list_(pa.string()), [list(one.shadows) for one in records]),
        "shadow_propensities": (
            pa.list_(pa.list_(pa.float32())),
            [list(each.shadows.values()) for each in candidates],
        ),
        "record": (pa.binary(), [_encode(one) for one in records]),
    }
    return pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()})


def _json(values: object) -> str:
    return msgspec.json.encode(values).decode()

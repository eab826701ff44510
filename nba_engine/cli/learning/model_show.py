"""A version of a model as tables and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.table import Table

from nba_engine.domain import Manifest
from nba_engine.models.registry import ModelVersion

__all__ = ["shown", "table_of_features", "table_of_metrics"]


def shown(one: ModelVersion, status: str) -> dict[str, Any]:
    """All that is known of a version, for JSON; ``manifest`` is null when it is gone."""
    return {
        "name": one.name,
        "version": one.version,
        "status": status,
        "folder": str(one.folder),
        "added": one.added,
        "note": one.note,
        "author": one.author,
        "manifest": None if one.manifest is None else msgspec.to_builtins(one.manifest),
    }


def table_of_metrics(one: ModelVersion, promoted: ModelVersion | None) -> Table:
    """Its metrics; beside them those of the promoted version, if that is another one."""
    table = Table(box=None, pad_edge=False, padding=(0, 2), title="Metrics", title_justify="left")
    own = {} if one.manifest is None else one.manifest.metrics
    other = {} if promoted is None or promoted.manifest is None else promoted.manifest.metrics
    table.add_column("metric")
    table.add_column(one.version[:8], justify="right")
    if promoted is not None:
        table.add_column(f"promoted {promoted.version[:8]}", justify="right")
        table.add_column("difference", justify="right")
    for name in [*own, *(name for name in other if name not in own)]:
        cells = [name, _number(own.get(name))]
        if promoted is not None:
            both = name in own and name in other
            change = f"{own[name] - other[name]:+.4g}" if both else ""
            cells += [_number(other.get(name)), change]
        table.add_row(*cells)
    return table


def table_of_features(manifest: Manifest) -> Table:
    """Its inputs, in the order of the model."""
    table = Table(box=None, pad_edge=False, padding=(0, 2), title="Features", title_justify="left")
    for column in ("feature", "from", "key", "transform", "if missing"):
        table.add_column(column, overflow="fold")
    for feature in manifest.features:
        how = "" if feature.transform == "none" else feature.transform
        table.add_row(feature.name, feature.source, feature.key, how, f"{feature.default:g}")
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

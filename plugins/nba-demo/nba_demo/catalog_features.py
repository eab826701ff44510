"""What `nba train` may go by: the features of the demo's catalog.

Those of the demo's own model as far as they were known at any moment of the past: popularities are
measured at the cut-off, and the complement table and what assortment is usual are fitted there.
"""

from __future__ import annotations

from typing import Any

from nba_demo.features import ASSORTMENT, FEATURES
from nba_demo.toml_text import file_text, section
from nba_engine.domain import Feature

__all__ = ["features_file"]

_COUNTS = ("customer.bought", "customer.bought_lately", "customer.visits")


def features_file() -> str:
    """``features.toml`` of the catalog."""
    fitted = f"customer.{ASSORTMENT.name}"
    known = [
        one
        for one in FEATURES
        if one.source.startswith("customer.") and one.source != fitted and not one.table
    ]
    parts = [section("features.action", {"source": "action.id", "transform": "category"})]
    parts += [section(f"features.{one.name}", _declared(one)) for one in known]
    return file_text("What nba train may go by: what was known at any moment of the past.", parts)


def _declared(feature: Feature) -> dict[str, Any]:
    table: dict[str, Any] = {"source": feature.source}
    if feature.key:
        table["key"] = feature.key
    if feature.transform != "none":
        table["transform"] = feature.transform
    elif feature.source.startswith(_COUNTS):
        table["transform"] = "log1p"  # from one to two says more than from 100 to 101
    if feature.default:
        table["default"] = feature.default
    for name in ("minimum", "maximum"):
        if getattr(feature, name) is not None:
            table[name] = getattr(feature, name)
    return table

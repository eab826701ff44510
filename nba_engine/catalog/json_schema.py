"""The JSON Schema of a catalog's TOML files, from the structs that read them."""

from __future__ import annotations

from typing import Any

from nba_engine.catalog.read import ID, NAME, NAMED, SECTIONS, SINGLES
from nba_engine.settings import json_schema

__all__ = ["catalog_schema"]

_ABOUT = {
    "attributes": "what profiles hold: `customer.<name>` in rules",
    "context": "what requests may bring: `context.<name>` in rules",
    "aggregates": "computed from interactions: `customer.<name>` in rules",
    "channels": "the ways to the customer",
    "placements": "where recommendations are shown",
    "actions": 'what may be done; exactly one has `kind = "nothing"`',
    "treatment_sets": "treatments that several actions share",
    "rules": "who may have what, when it makes sense, and for whom it is good",
    "limits": "what must never be exceeded",
    "control_groups": "customers that never get some actions, to measure these",
    "slate_rules": "what may stand beside what in one answer, and what may not follow what",
    "levers": "factors on the value of actions, for arbitration",
    "outcomes": "what counts as the outcome of an action, and for how long",
    "features": "the inputs of models that are trained",
    "catalog": "of the whole catalog",
    "evidence": "how actions learn of which little is known; without it nothing but training does",
    "value": "what customers are worth: `customer.p_alive`, `customer.ad_budget` … in rules",
    "value_model": "what `nba value fit` found; do not edit",
    "contact_plan": "how contacts are planned ahead; without it nothing is planned",
    "control_group": "customers that are kept out, to measure against",
}


def catalog_schema() -> dict[str, Any]:
    """The schema of each of its files: any of them may hold any of the tables."""
    properties: dict[str, Any] = {}
    for name, kind in SINGLES.items():
        properties[name] = json_schema(kind) | {"description": _ABOUT[name]}
    for name, kind in SECTIONS.items():
        properties[name] = {
            "type": "object",
            "description": _ABOUT[name],
            "patternProperties": {(NAME if name in NAMED else ID).pattern: json_schema(kind)},
            "additionalProperties": False,
        }
    for rule in properties["rules"]["patternProperties"].values():
        rule["oneOf"] = [{"required": ["when"]}, {"required": ["table"]}]
    for limit in properties["limits"]["patternProperties"].values():
        limit["anyOf"] = [{"required": ["amount"]}, {"required": ["at_least"]}]
    return {"type": "object", "properties": properties, "additionalProperties": False}

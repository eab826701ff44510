"""A small made-up shop as a catalog, and catalogs of one's own in a line of code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from nba_engine.catalog import Catalog, Vocabulary, load
from nba_engine.domain import RuleFunction
from nba_engine.stages.functions import RULE_FUNCTIONS

__all__ = ["NOW", "make_catalog", "shop", "toml"]

NOW = 1_509_980_400.0  # Monday, 6 November 2017, 15:00 UTC; no quiet hours in the shop

_CATEGORIES = ("dairy", "bakery", "produce", "drinks", "household", "pets")


def shop(offers: int = 12) -> dict[str, Any]:
    """The tables of the shop: two channels, three placements, ``offers`` offers of all kinds.

    Attributes ``age``, ``first_name``, ``income``, ``joined``, ``secret`` (sensitive) and
    ``segment``; context ``cart`` and ``hour``; aggregates ``purchases`` and ``views`` (counts by
    category), ``last_purchase`` (times by category), ``visits``, ``rejected_at`` (times by action).
    """
    return {
        "catalog": {"currency": "USD", "time_zone": "America/New_York"},
        "attributes": {
            "age": {"type": "int"},
            "first_name": {"type": "string"},
            "income": {"type": "double"},
            "joined": {"type": "timestamp"},
            "secret": {"type": "string", "sensitive": True},
            "segment": {"type": "string"},
        },
        "context": {"cart": {"type": "list<string>"}, "hour": {"type": "double"}},
        "aggregates": {
            "purchases": {"kind": "count", "types": ["purchase"], "by": "category"},
            "views": {"kind": "count", "types": ["view"], "by": "category"},
            "last_purchase": {"kind": "last", "types": ["purchase"], "by": "category"},
            "rejected_at": {"kind": "last", "types": ["reject"], "by": "action"},
            "visits": {"kind": "count", "types": ["visit"]},
        },
        "channels": {
            "app": {"name": "App"},
            "email": {
                "name": "E-mail",
                "direction": "outbound",
                "consent": "marketing",
                "quiet_hours": ["21:00", "08:00"],
            },
        },
        "placements": {
            "banner": {"channel": "app", "slots": 2},
            "checkout": {"channel": "app"},
            "newsletter": {"channel": "email"},
        },
        "treatment_sets": {
            "standard": {
                "app": {
                    "channel": "app",
                    "cost": 0.01,
                    "content": {"title": "{{ action.name }}"},
                },
                "email": {
                    "channel": "email",
                    "cost": 0.02,
                    "content": {"body": "Dear {{ customer.first_name }}: {{ action.name }}"},
                },
            }
        },
        "actions": {
            "nothing": {"name": "Nothing", "kind": "nothing"},
            **{f"offer{n}": _offer(n, offers) for n in range(offers)},
        },
        "rules": {
            "adults": {
                "tier": "eligibility",
                "when": "customer.age >= 18",
                "applies_to": {"tags": ["adult"]},
            },
            "signed_up": {
                "tier": "suitability",
                "when": "days_since(customer.joined) > 7.0",
                "applies_to": {"kinds": ["loyalty"]},
            },
        },
        "limits": {
            "email_week": {
                "name": "E-mails a week",
                "scope": ["customer"],
                "measure": "contacts",
                "amount": 1,
                "window": "week",
                "applies_to": {"channels": ["email"]},
            }
        },
    }


def _offer(number: int, offers: int) -> dict[str, Any]:
    category = _CATEGORIES[number % len(_CATEGORIES)]
    kinds = {4: "win_back", 9: "loyalty"}
    tags = [name for name, is_one in (("fresh", number % 2), ("adult", number % 5 == 3)) if is_one]
    return {
        "name": f"Offer {number}",
        "kind": kinds.get(number, "offer"),
        "group": "weekly" if number % 3 else "daily",
        "prior": 0.02 + 0.01 * (number % 7),
        "value": "customer.income * 0.0001" if number == 5 else 1.0 + number % 4,
        "tags": tags,
        "owned_for": "14d",
        "pause_after_reject": "30d",
        "complements": [f"offer{number + 1}"] if number % 4 == 0 and number + 1 < offers else [],
        "attributes": {"category": category, "price": 1.5 + number % 6},
        "treatments_from": "standard",
    }


def make_catalog(
    *texts: str,
    base: Mapping[str, Any] | None = None,
    functions: Mapping[str, RuleFunction] | None = None,
    **tables: Mapping[str, Any],
) -> Catalog:
    """A loaded catalog: the shop with changes, as keyword arguments or as TOML texts.

    ``make_catalog(actions={"offer1": {"prior": 0.9}}, context={"raining": {"type": "bool"}})``:
    tables are merged into those of ``base`` (the `shop` unless given), entry by entry; None takes
    an entry out. ``texts`` are further files. ``functions`` are offered to rules besides the
    built-in ones. Raises `MistakesFound`.
    """
    merged = _merged(shop() if base is None else base, tables)
    files = {"base.toml": toml(merged)}
    files |= {f"more{number}.toml": text for number, text in enumerate(texts)}
    return load(files, Vocabulary(functions={**RULE_FUNCTIONS, **(functions or {})}))


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def toml(tables: Mapping[str, Any]) -> str:
    """Tables as a TOML text: a line per entry of each top-level table; lists come first."""
    lines = [f"{name} = {_value(part)}" for name, part in tables.items() if isinstance(part, list)]
    for name, table in tables.items():
        if not isinstance(table, list):
            lines.append(f"[{name}]")
            lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return repr(value)


def _key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else json.dumps(key)

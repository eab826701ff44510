"""The catalog and the settings that the demo writes: files as a marketer would write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nba_demo.actions import Offer
from nba_demo.assumptions import (
    CONTROL_SHARE,
    COSTS,
    CUSTOMER_BUDGET,
    LEVERS,
    LIMITS,
    MARGIN,
    PRIORS,
    QUIET_HOURS,
    WEEKS,
    offer_value,
    owned_days,
)
from nba_demo.data import TIME_ZONE
from nba_demo.features import AGGREGATES, Popularity
from nba_demo.relations import SEASONS, relations_among
from nba_engine.domain import AggregateSpec

__all__ = ["ASKED", "FORMS", "catalog_files", "settings_file", "write_catalog"]

# what every decision of the replay asks for
ASKED: Mapping[str, int] = {
    "app_banner": 5,
    "app_discover": 3,
    "newsletter": 1,
    "letterbox": 1,
    "phone": 1,
}
# treatments per kind of action: (key, channel, placements)
FORMS: Mapping[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "offer": (
        ("banner", "app", ("app_banner",)),
        ("discover", "app", ("app_discover",)),
        ("email", "email", ("newsletter",)),
        ("letter", "letter", ("letterbox",)),
    ),
    "win_back": (
        ("letter", "letter", ("letterbox",)),
        ("call", "call", ("phone",)),
    ),
    "loyalty": (
        ("banner", "app", ("app_banner",)),
        ("email", "email", ("newsletter",)),
    ),
}
_CONTENT: Mapping[str, Mapping[str, str]] = {
    "banner": {"headline": "{{ action.name }}", "text": "For you this week, in your store."},
    "discover": {"headline": "New for you: {{ action.name }}", "text": "Have a look next time."},
    "email": {
        "subject": "{{ action.name }}: picked for you",
        "body": "Thank you for your {{ customer.visits }} visits. This week we picked "
        "{{ action.name }} for you.",
    },
    "letter": {
        "headline": "A voucher for you",
        "body": "You last visited us on {{ customer.last_visit | date('%d %B') }}. "
        "With this voucher: {{ action.name }}.",
    },
    "call": {"script": "Thank the household for {{ customer.visits }} visits; {{ action.name }}."},
}
_TAGS = {"discover": ("discovery",)}


def write_catalog(
    folder: Path, offers: Sequence[Offer], popularity: Popularity, *, listen: str
) -> Path:
    """Write ``catalog/*.toml`` and ``nba.toml`` into ``folder``; the path of the latter."""
    (folder / "catalog").mkdir(parents=True, exist_ok=True)
    for name, text in catalog_files(offers, popularity).items():
        (folder / "catalog" / name).write_text(text, encoding="utf-8")
    settings = folder / "nba.toml"
    settings.write_text(settings_file(listen), encoding="utf-8")
    return settings


def catalog_files(offers: Sequence[Offer], popularity: Popularity) -> dict[str, str]:
    """File name → text."""
    return {
        "general.toml": _general(),
        "channels.toml": _channels(),
        "limits.toml": _limits(),
        "offers.toml": _offers(offers, popularity),
        "other_actions.toml": _other_actions(),
        "rules.toml": _rules({tag for offer in offers for tag in offer.tags}),
    }


def settings_file(listen: str) -> str:
    """``nba.toml``: paths are relative to it."""
    stages: tuple[tuple[str, dict[str, Any]], ...] = (
        ("profile", {}),
        ("eligibility", {}),
        ("contact_policy", {}),
        ("propensity", {"model": "propensity"}),
        ("cross_sell", {"table": "complements", "bought": "bought_last", "boost": 0.2}),
        ("value", {}),
        ("arbitration", {}),
        ("slate", {}),
    )
    parts = [
        _table("server", {"listen": listen}),
        _table("store", {"url": "sqlite:data/nba.db", "decision_log": "data/decisions.db"}),
        _table("catalog", {"path": "catalog"}),
        _table("models", {"propensity": "models/propensity"}),
        _table("tables", {"complements": "tables/complements.npz"}),
    ]
    for stage, settings in stages:
        entry: dict[str, Any] = {"stage": stage}
        if settings:
            entry["settings"] = settings
        parts.append("[[pipeline]]\n" + _pairs(entry))
    parts.append(_table("logging", {"level": "info", "format": "json"}))
    return "\n".join(["# Written by `nba demo`; paths are relative to this file.", "", *parts])


def _general() -> str:
    general = {
        "currency": "USD",
        "time_zone": TIME_ZONE,
        "assumptions": "Channels, costs, margins, consents and the priors of win-back and loyalty "
        "are assumptions; the data has none of them.",
    }
    attributes: dict[str, dict[str, Any]] = {
        "registered": {"type": "bool", "description": "demographics are on file"},
        "age": {"type": "string", "sensitive": True},
        "income": {"type": "string", "sensitive": True},
        "home_ownership": {"type": "string"},
        "household_size": {"type": "int", "description": "5 means five or more"},
        "kids": {"type": "int", "description": "3 means three or more"},
    }
    parts = [_table("catalog", general)]
    parts += [_table(f"attributes.{name}", table) for name, table in attributes.items()]
    parts += [
        _table("context.cart", {"type": "list<string>", "description": "categories in the cart"})
    ]
    parts += [_table(f"aggregates.{spec.name}", _aggregate(spec)) for spec in AGGREGATES]
    return _file("What is known of customers.", parts)


def _aggregate(spec: AggregateSpec) -> dict[str, Any]:
    table: dict[str, Any] = {"kind": spec.kind, "types": list(spec.types)}
    for name in ("by", "property"):
        if getattr(spec, name):
            table[name] = getattr(spec, name)
    for name in ("half_life", "within"):
        if getattr(spec, name):
            table[name] = f"{getattr(spec, name) / 86_400:.0f}d"
    return table


def _channels() -> str:
    assumption = "assumption: USD {cost:.2f} per contact"
    channels: dict[str, dict[str, Any]] = {
        "app": {"name": "App", "direction": "inbound"},
        "email": {"name": "E-mail", "direction": "outbound", "consent": "marketing"},
        "letter": {
            "name": "Letter with voucher",
            "direction": "outbound",
            "consent": "marketing",
            "reservation_ttl": "7d",
        },
        "call": {
            "name": "Call",
            "direction": "outbound",
            "consent": "marketing",
            "quiet_hours": list(QUIET_HOURS),
        },
    }
    parts = []
    for name, table in channels.items():
        text = assumption.format(cost=COSTS[name])
        if table.get("consent"):
            text += "; consents are synthetic"
        parts.append(_table(f"channels.{name}", {**table, "assumption": text}))
    channel_of = {
        placement: channel
        for forms in FORMS.values()
        for _, channel, placements in forms
        for placement in placements
    }
    parts += [
        _table(f"placements.{name}", {"channel": channel_of[name], "slots": slots})
        for name, slots in ASKED.items()
    ]
    for kind, forms in FORMS.items():
        for key, channel, placements in forms:
            treatment: dict[str, Any] = {
                "channel": channel,
                "placements": list(placements),
                "cost": COSTS[channel],
                "content": dict(_CONTENT[key]),
            }
            if key in _TAGS:
                treatment["tags"] = list(_TAGS[key])
            parts.append(_table(f"treatment_sets.{kind}.{key}", treatment))
    return _file("Ways to the customer, and the forms that actions take on them.", parts)


def _limits() -> str:
    limits: dict[str, dict[str, Any]] = {
        "email_week": {
            "name": "At most two e-mails a week",
            "scope": ["customer"],
            "measure": "contacts",
            "amount": LIMITS["email_week"],
            "window": "week",
            "applies_to": {"channels": ["email"]},
        },
        "letter_month": {
            "name": "At most two letters a month",
            "scope": ["customer"],
            "measure": "contacts",
            "amount": LIMITS["letter_month"],
            "window": "month",
            "applies_to": {"channels": ["letter"]},
        },
        "relations_month": {
            "name": "Win-back and thanks: once a month each",
            "scope": ["customer", "action"],
            "measure": "contacts",
            "amount": LIMITS["relations_month"],
            "window": "month",
            "applies_to": {"kinds": ["win_back", "loyalty"]},
        },
        "customer_month": {
            "name": "Advertising budget of a household: 50 cents and 1% of what it spent lately",
            "scope": ["customer"],
            "measure": "money",
            "amount": CUSTOMER_BUDGET,
            "window": "month",
            "applies_to": {"kinds": ["offer"], "channels": ["email", "letter"]},
        },
        "autumn_budget": {
            "name": "Budget of the autumn campaign",
            "scope": ["campaign"],
            "measure": "money",
            "amount": LIMITS["campaign_money"],
            "window": "lifetime",
            "applies_to": {"campaigns": ["autumn"]},
        },
        "call_center": {
            "name": "Seats in the call center",
            "scope": ["channel"],
            "measure": "contacts",
            "amount": LIMITS["calls_day"],
            "window": "day",
            "applies_to": {"channels": ["call"]},
        },
    }
    parts = [
        _table(f"limits.{name}", {**table, "assumption": "assumption: the amount"})
        for name, table in limits.items()
    ]
    applies_to: dict[str, dict[str, list[str]]] = {
        "voucher_by_letter": {"kinds": ["offer"], "channels": ["letter"]},
        "win_back_by_call": {"kinds": ["win_back"], "channels": ["call"]},
    }
    parts += [
        _table(f"levers.{name}", {"factor": LEVERS[name], "applies_to": selector})
        for name, selector in applies_to.items()
    ]
    parts.append(_table("control_group", {"share": CONTROL_SHARE, "salt": "2017"}))
    return _file("What must not be exceeded, the marketer's levers, and the control group.", parts)


def _offers(offers: Sequence[Offer], popularity: Popularity) -> str:
    id_of = {offer.source: offer.id for offer in offers}
    related = relations_among(id_of)
    parts = []
    for at, offer in enumerate(offers):
        table: dict[str, Any] = {
            "name": offer.category,
            "kind": "offer",
            "group": offer.department,
            "campaign": "autumn",
            "prior": round(float(popularity.of_all[at]), 4),
            "value": offer_value(offer.price, offer.gap),
            "owned_for": f"{owned_days(offer.gap)}d",
            "treatments_from": "offer",
        }
        if offer.tags:
            table["tags"] = list(offer.tags)
        first, last = SEASONS.get(offer.source, (None, None))
        if first:
            table["starts"] = _Bare(first)
        if last:
            table["ends"] = _Bare(last)
        for relation, others in related.get(offer.source, {}).items():
            table[relation] = [id_of[other] for other in others]
        table["attributes"] = {
            "category": offer.category,
            "price": offer.price,
            "usual_gap": offer.gap,
            "popularity": float(f"{popularity.of_all[at]:.6g}"),
            "new_buyers": float(f"{popularity.new_buyers[at]:.6g}"),
        }
        parts.append(_table(f"actions.{offer.id}", table))
    about = (
        "Offers on product categories, widest reach first.\n"
        f"# value: an assumed margin of {MARGIN:.0%} on {WEEKS:.0f} weeks of usual purchases; "
        "owned_for: a third of the usual gap.\n"
        "# popularity, new_buyers: shares of active households that buy within 14 days, measured "
        "at the cut-off."
    )
    return _file(about, parts)


def _other_actions() -> str:
    win_back = {
        "name": "10% off your next visit",
        "kind": "win_back",
        "group": "service",
        "campaign": "relations",
        "prior": PRIORS["win_back"],
        "value": f"customer.spent / double(customer.visits) * {8 * MARGIN}",
        "owned_for": "1d",
        "treatments_from": "win_back",
    }
    loyalty = {
        "name": "Thank you: double points this month",
        "kind": "loyalty",
        "group": "service",
        "campaign": "relations",
        "prior": PRIORS["loyalty"],
        "value": f"customer.spent_lately * {0.04 * MARGIN}",
        "treatments_from": "loyalty",
    }
    parts = [
        _table("actions.nothing", {"name": "Nothing", "kind": "nothing"}),
        _table("actions.win_back", win_back),
        _table("actions.loyalty", loyalty),
    ]
    return _file("Doing nothing, winning back, thanking. Priors are assumptions.", parts)


def _rules(tags: set[str]) -> str:
    rules: dict[str, dict[str, Any]] = {
        "letters_need_an_address": {
            "tier": "eligibility",
            "when": "customer.registered",
            "applies_to": {"channels": ["letter"]},
        },
        "service_for_known_households": {
            "tier": "eligibility",
            "when": "customer.visits >= 5",
            "applies_to": {"kinds": ["win_back", "loyalty"]},
        },
        "discover_what_is_new": {
            "tier": "applicability",
            "when": "!(action.category in customer.recent_categories)",
            "applies_to": {"tags": ["discovery"]},
        },
        "win_back_after_three_weeks": {
            "tier": "applicability",
            "when": "days_since(customer.last_visit) > 21.0",
            "applies_to": {"kinds": ["win_back"]},
        },
        "thank_frequent_visitors": {
            "tier": "applicability",
            "when": "customer.visits_60d >= 10.0 && days_since(customer.last_visit) <= 14.0",
            "applies_to": {"kinds": ["loyalty"]},
        },
        "health_only_if_bought_before": {
            "tier": "suitability",
            "when": "action.category in customer.bought",
            "applies_to": {"tags": ["health"]},
        },
        "pets_only_for_pet_owners": {
            "tier": "suitability",
            "when": '"Dog foods" in customer.bought || "Cat food" in customer.bought '
            '|| "Pet care supplies" in customer.bought',
            "applies_to": {"tags": ["pet"]},
        },
        "baby_only_with_children": {
            "tier": "suitability",
            "when": "action.category in customer.bought "
            "|| (has(customer.kids) && customer.kids > 0)",
            "applies_to": {"tags": ["baby"]},
        },
    }
    present = tags | {"discovery"}
    parts = [
        _table(f"rules.{name}", table)
        for name, table in rules.items()
        if set(table["applies_to"].get("tags", ())) <= present
    ]
    return _file("May have it (eligibility), makes sense now, is good for the household.", parts)


class _Bare(msgspec.Struct, frozen=True):
    """Text that TOML writes without quotes: a date."""

    text: str


def _file(about: str, parts: Sequence[str]) -> str:
    return "\n".join([f"# Written by `nba demo`. {about}", "", *parts])


def _table(name: str, values: Mapping[str, Any]) -> str:
    return f"[{name}]\n{_pairs(values)}"


def _pairs(values: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def _toml(value: Any) -> str:
    if isinstance(value, _Bare):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    return repr(value)

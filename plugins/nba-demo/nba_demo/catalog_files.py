"""The catalog and the settings that the demo writes: files as a marketer would write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from nba_demo.actions import Offer
from nba_demo.assumptions import (
    BUDGET_CAP,
    BUDGET_FLOOR,
    BUDGET_NEW,
    COSTS,
    EXPLORATION,
    HORIZON_DAYS,
    MARGIN,
    PRIORS,
    QUIET_HOURS,
    REQUIRED_MARGIN,
    WEEKS,
    offer_value,
    owned_days,
)
from nba_demo.catalog_features import features_file
from nba_demo.catalog_policy import VOUCHERS, limits_file, rules_file, voucher_table
from nba_demo.data import TIME_ZONE
from nba_demo.features import AGGREGATES, CYCLE, Popularity
from nba_demo.relations import SEASONS, relations_among
from nba_demo.toml_text import SETTINGS_SCHEMA, Bare, file_text, pairs, section
from nba_engine.app import load_plugins
from nba_engine.app.schemas import schema_files
from nba_engine.domain import AggregateSpec
from nba_engine.plugin import settings_sections

__all__ = [
    "ASKED",
    "EXPLORED",
    "FORMS",
    "WEEKLY",
    "catalog_files",
    "settings_file",
    "write_catalog",
]

# what decisions of the replay ask for: the app every time, the others once a week
ASKED: Mapping[str, int] = {
    "app_banner": 5,
    "app_discover": 3,
    "newsletter": 1,
    "letterbox": 1,
    "phone": 1,
}
WEEKLY = ("newsletter", "letterbox", "phone")
EXPLORED = "app_discover"  # the placement whose slate is drawn, in order to learn
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
    folder: Path,
    offers: Sequence[Offer],
    popularity: Popularity,
    *,
    listen: str,
    fitted: Mapping[str, str] | None = None,
    cycles: Collection[str] = (),
    poorest: str = "",
) -> Path:
    """Write catalog, JSON Schemas and ``nba.toml`` into ``folder``; the path of the latter.

    ``fitted``: files of the catalog that hold what was learned, by name; ``cycles``: categories that
    are offered again when a household is likely to need them; ``poorest``: the segment that is
    expected to spend least, if there are segments.
    """
    texts = {**catalog_files(offers, popularity, cycles, poorest), **(fitted or {})}
    files = {f"catalog/{name}": text for name, text in texts.items()}
    sections = settings_sections(load_plugins().register)
    files |= {f"schemas/{name}": text for name, text in schema_files(sections).items()}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    settings = folder / "nba.toml"
    settings.write_text(settings_file(listen), encoding="utf-8")
    return settings


def catalog_files(
    offers: Sequence[Offer],
    popularity: Popularity,
    cycles: Collection[str] = (),
    poorest: str = "",
) -> dict[str, str]:
    """File name → text."""
    tags = {tag for offer in offers for tag in offer.tags}
    return {
        "general.toml": _general(),
        "channels.toml": _channels(),
        "features.toml": features_file(),
        "limits.toml": limits_file(tags),
        "offers.toml": _offers(offers, popularity, cycles),
        "other_actions.toml": _other_actions(),
        "rules.toml": rules_file(tags, poorest),
        VOUCHERS: voucher_table(),
    }


def settings_file(listen: str) -> str:
    """``nba.toml``: paths are relative to it."""
    cross_sell = {
        "table": "complements",
        "bought": "bought_last",
        "reorder": CYCLE.name,
        "boost": 0.2,
    }
    stages: tuple[tuple[str, dict[str, Any]], ...] = (
        ("profile", {}),
        ("eligibility", {}),
        ("contact_policy", {}),
        ("propensity", {"model": "propensity"}),
        ("treatment_score", {"tell": True}),
        ("cross_sell", cross_sell),
        ("value", {}),
        ("contact_plan", {}),
        ("arbitration", {}),
        ("slate", {}),
    )
    parts = [
        section("server", {"listen": listen}),
        section("store", {"url": "sqlite:data/nba.db", "decision_log": "data/decisions.db"}),
        section("catalog", {"path": "catalog"}),
        section("models", {"propensity": "models/propensity"}),
        section("tables", {"complements": "tables/complements.npz"}),
    ]
    for stage, settings in stages:
        entry: dict[str, Any] = {"stage": stage}
        if settings:
            entry["settings"] = settings
        parts.append("[[pipeline]]\n" + pairs(entry))
    parts.append(section("logging", {"level": "info", "format": "json"}))
    return file_text("Paths are relative to this file.", parts, schema=SETTINGS_SCHEMA)


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
        "segment": {"type": "string", "description": "target group, from behavior"},
    }
    parts = [section("catalog", general)]
    parts += [section(f"attributes.{name}", table) for name, table in attributes.items()]
    parts += [
        section("context.cart", {"type": "list<string>", "description": "categories in the cart"})
    ]
    parts += [section(f"aggregates.{spec.name}", _aggregate(spec)) for spec in AGGREGATES]
    worth = {
        "horizon": f"{HORIZON_DAYS}d",
        "cost_of_goods": 1.0 - MARGIN,
        "margin": REQUIRED_MARGIN,
        "floor": BUDGET_FLOOR,
        "cap": BUDGET_CAP,
        "new_customer": BUDGET_NEW,
    }
    bought = {
        "positive": ["purchase"],
        "by": "categories",
        "within": "14d",
        "applies_to": {"kinds": ["offer"]},
    }
    parts += [section("value", worth), section("outcomes.bought", bought)]
    return file_text("What is known of customers.", parts)


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
        parts.append(section(f"channels.{name}", {**table, "assumption": text}))
    channel_of = {
        placement: channel
        for forms in FORMS.values()
        for _, channel, placements in forms
        for placement in placements
    }
    for name, slots in ASKED.items():
        placement: dict[str, Any] = {"channel": channel_of[name], "slots": slots}
        if name == EXPLORED:
            placement["exploration"] = {"method": "plackett_luce", "temperature": EXPLORATION}
        parts.append(section(f"placements.{name}", placement))
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
            parts.append(section(f"treatment_sets.{kind}.{key}", treatment))
    return file_text("Ways to the customer, and the forms that actions take on them.", parts)


def _offers(offers: Sequence[Offer], popularity: Popularity, cycles: Collection[str]) -> str:
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
        if offer.category in cycles:
            table["reorder"] = True
        if offer.tags:
            table["tags"] = list(offer.tags)
        first, last = SEASONS.get(offer.source, (None, None))
        if first:
            table["starts"] = Bare(first)
        if last:
            table["ends"] = Bare(last)
        for relation, others in related.get(offer.source, {}).items():
            table[relation] = [id_of[other] for other in others]
        table["attributes"] = {
            "category": offer.category,
            "price": offer.price,
            "usual_gap": offer.gap,
            "popularity": float(f"{popularity.of_all[at]:.6g}"),
            "new_buyers": float(f"{popularity.new_buyers[at]:.6g}"),
        }
        parts.append(section(f"actions.{offer.id}", table))
    about = (
        "Offers on product categories, widest reach first.\n"
        f"# value: an assumed margin of {MARGIN:.0%} on {WEEKS:.0f} weeks of usual purchases; "
        "owned_for: a third of the usual gap;\n"
        "# reorder: until the household is likely to need it again, where purchases show a cycle.\n"
        "# popularity, new_buyers: shares of active households that buy within 14 days, measured "
        "at the cut-off."
    )
    return file_text(about, parts)


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
        section("actions.nothing", {"name": "Nothing", "kind": "nothing"}),
        section("actions.win_back", win_back),
        section("actions.loyalty", loyalty),
    ]
    return file_text("Doing nothing, winning back, thanking. Priors are assumptions.", parts)

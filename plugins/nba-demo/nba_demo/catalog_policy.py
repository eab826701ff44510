"""What restrains the catalog's actions: limits, levers, the control group, rules in three tiers."""

from __future__ import annotations

import csv
import io
from typing import Any

from nba_demo.assumptions import (
    CONTROL_SHARE,
    HORIZON_DAYS,
    LEVERS,
    LIMITS,
    PLAN_CONTACTS,
    PLAN_DIMINISHING,
    PLAN_SPACING,
    PLAN_WEEKS,
)
from nba_demo.toml_text import file_text, section

__all__ = ["PLANNED_PLACEMENTS", "VOUCHERS", "limits_file", "rules_file", "voucher_table"]

PLANNED_PLACEMENTS = ("newsletter", "letterbox")
VOUCHERS = "tables/vouchers.csv"


def limits_file(tags: set[str]) -> str:
    """Limits, levers and the control group; ``tags``: those that offers have."""
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
        "pet_day": {
            "name": "At most one pet offer a day in the app",
            "scope": ["customer"],
            "measure": "contacts",
            "amount": LIMITS["pet_day"],
            "window": "day",
            "applies_to": {"tags": ["pet"], "channels": ["app"]},
        },
        "customer_budget": {
            "name": "Advertising budget of a household, by what it is expected to spend",
            "scope": ["customer"],
            "measure": "money",
            "amount": "customer.ad_budget",
            "window": f"rolling {HORIZON_DAYS}d",
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
        section(f"limits.{name}", {**table, "assumption": "assumption: the amount"})
        for name, table in limits.items()
        if set(table["applies_to"].get("tags", ())) <= tags
    ]
    applies_to: dict[str, dict[str, list[str]]] = {
        "voucher_by_letter": {"kinds": ["offer"], "channels": ["letter"]},
        "win_back_by_call": {"kinds": ["win_back"], "channels": ["call"]},
    }
    parts += [
        section(f"levers.{name}", {"factor": LEVERS[name], "applies_to": selector})
        for name, selector in applies_to.items()
    ]
    parts.append(section("control_group", {"share": CONTROL_SHARE, "salt": "2017"}))
    plan = {
        "period": "7d",
        "periods": PLAN_WEEKS,
        "most_contacts": PLAN_CONTACTS,
        "spacing": PLAN_SPACING,
        "diminishing": PLAN_DIMINISHING,
        "placements": list(PLANNED_PLACEMENTS),
        "budget": "customer.ad_budget",
        "only_planned": True,
    }
    parts.append(section("contact_plan", plan))
    return file_text(
        "What must not be exceeded, the marketer's levers, the control group, and how letters and "
        "e-mails\n# are planned ahead (assumptions).",
        parts,
    )


def rules_file(tags: set[str], poorest: str = "") -> str:
    """The three tiers; ``tags``: those that offers have (a rule about none would be a mistake).

    ``poorest``: the segment that is expected to spend least; it gets no letters.
    """
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
        "vouchers_where_they_pay": {
            "tier": "suitability",
            "table": VOUCHERS,
            "applies_to": {"kinds": ["offer"], "channels": ["letter"]},
        },
    }
    if poorest:
        rules["letters_for_other_segments"] = {
            "tier": "suitability",
            "when": f'!has(customer.segment) || customer.segment != "{poorest}"',
            "applies_to": {"kinds": ["offer"], "channels": ["letter"]},
        }
    present = tags | {"discovery"}
    parts = [
        section(f"rules.{name}", table)
        for name, table in rules.items()
        if set(table["applies_to"].get("tags", ())) <= present
    ]
    return file_text(
        "May have it (eligibility), makes sense now, is good for the household.\n"
        "# That paper does not pay off where little is spent is an assumption.",
        parts,
    )


def voucher_table() -> str:
    """A decision table: by price, which households a voucher on paper may pay off for."""
    rows = [
        ("name", "action.price", "customer.spent_lately", "customer.visits_60d", "description"),
        ("cheap", "< 2", ">= 200", ">= 6", "assumption: pays off where much is spent"),
        ("everyday", "[2..4)", ">= 80", ">= 3", "assumption: for those who come regularly"),
        ("dear", ">= 4", "-", ">= 1", "assumption: for everybody who still comes"),
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()

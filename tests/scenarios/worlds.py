"""Random worlds: catalogs, customers and requests, for tests that hold for all of them."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any

from tests.scenarios.running import Scenario

NOW = dt.datetime(2017, 11, 6, 15, 0, tzinfo=dt.UTC)
CHANNELS = ("email", "sms", "app")
SCOPES = ("customer", "action", "group", "campaign", "channel")
WINDOWS = ("hour", "day", "week", "month", "lifetime")
RULES = (
    "customer.age >= 21",
    "customer.age < 60 || context.country == 'US'",
    "context.country in ['US', 'CA']",
    "!has(customer.basket) || customer.basket > 5.0",
    "'marketing:email' in customer.consents || customer.age > 30",
    "days_since(customer.last_complaint) > 2.0",
)
VALUES = ("customer.basket * 0.5", "customer.budget", "4.0 + customer.basket")
CONTENTS = ("Hello", "{{ action.name }}", "{{ customer.first_name }}", "{{ context.country }}")
HEADER = """
[catalog]
time_zone = "America/New_York"
[attributes]
age = { type = "int" }
basket = { type = "double" }
budget = { type = "double" }
first_name = { type = "string" }
[context]
cart = { type = "list<string>" }
country = { type = "string" }
[aggregates]
last_bought = { kind = "last", types = ["purchase"], by = "category" }
rejected_at = { kind = "last", types = ["reject"], by = "action" }
last_complaint = { kind = "last", types = ["complaint"] }
[channels]
email = { direction = "outbound", consent = "marketing" }
sms = { direction = "outbound", consent = "marketing", quiet_hours = ["21:00", "08:00"] }
app = {}
[placements]
newsletter = { channel = "email" }
message = { channel = "sms" }
banner = { channel = "app", slots = 2 }
[actions.nothing]
kind = "nothing"
"""


def world(seed: int) -> Scenario:
    """A catalog, two customers and what they did, all drawn from the seed."""
    draw = Random(seed)
    count = draw.randint(3, 9)
    names = [f"a{number}" for number in range(count)]
    parts = [_exploring(Random(f"exploration {seed}"))]
    parts += [_action(draw, name, names) for name in names]
    for number in range(draw.randint(0, 3)):
        tier = draw.choice(("eligibility", "applicability", "suitability"))
        selector = draw.choice(('actions = ["a0", "a1"]', 'channels = ["app"]', ""))
        parts.append(
            f'[rules.r{number}]\ntier = "{tier}"\nwhen = "{draw.choice(RULES)}"\n'
            f"applies_to = {{ {selector} }}"
        )
    parts += [_limit(draw, number) for number in range(draw.randint(0, 4))]
    if draw.random() < 0.2:
        parts.append("[control_group]\nshare = 0.5")
    profiles: dict[str, dict[str, Any]] = {}
    consents: dict[str, list[str]] = {}
    for identity in ("crm:1", "crm:2"):
        known: dict[str, Any] = {
            "age": draw.randint(15, 70),
            "basket": draw.uniform(0, 12),
            "budget": draw.uniform(0, 3),
            "first_name": "Ann",
        }
        profiles[identity] = {name: v for name, v in known.items() if draw.random() < 0.7}
        consents[identity] = [f"marketing:{c}" for c in CHANNELS if draw.random() < 0.6]
    return Scenario(
        about=f"seed {seed}",
        base="",
        catalog="\n".join(parts),
        profiles=profiles,
        consents=consents,
        step=[{"record": _history(draw, names)}, *(_request(draw, names) for _ in range(6))],
    )


def _action(draw: Random, name: str, names: list[str]) -> str:
    others = draw.sample([other for other in names if other != name], 2)
    lines = [
        f"[actions.{name}]",
        f'group = "g{draw.randint(0, 1)}"',
        f'campaign = "c{draw.randint(0, 1)}"',
        f"prior = {draw.choice((0.0, 0.1, 0.5, draw.random()))}",
        f"lever = {draw.choice((1.0, 2.0))}",
        f'owned_for = "{draw.choice((0, 2, 10))}d"',
        f'pause_after_reject = "{draw.choice((0, 7, 30))}h"',
    ]
    value = f'"{draw.choice(VALUES)}"' if draw.random() < 0.2 else str(draw.choice((1.0, 4.0, 4.0)))
    lines.append(f"value = {value}")
    if draw.random() < 0.2:
        lines += ["starts = 2017-11-08"] if draw.random() < 0.5 else ["ends = 2017-11-08"]
    larger = [other for other in names if other > name]  # upgrades must not lead back
    for relation, choice in (
        ("complements", others[:1]),
        ("substitutes", others[1:]),
        ("upgrades_to", larger),
    ):
        if choice and draw.random() < 0.3:
            lines.append(f'{relation} = ["{draw.choice(choice)}"]')
    for channel in CHANNELS:
        if draw.random() < 0.8 or channel == "app":
            lines.append(
                f'treatments.{channel} = {{ channel = "{channel}", cost = {draw.choice((0.0, 0.1, 0.4))}, '
                f'content = {{ text = "{draw.choice(CONTENTS)}" }} }}'
            )
    return "\n".join(lines)


def _limit(draw: Random, number: int) -> str:
    measure = draw.choice(("contacts", "money"))
    amount = draw.choice(("0", "1", "2")) if measure == "contacts" else draw.choice(("0.1", "0.5"))
    if measure == "money" and draw.random() < 0.3:
        amount = '"customer.budget"'
    scope = sorted(draw.sample(SCOPES, draw.randint(0, 2)))
    if amount.startswith('"') and "customer" not in scope:
        scope.append("customer")
    return (
        f'[limits.l{number}]\nscope = {scope}\nmeasure = "{measure}"\namount = {amount}\n'
        f'window = "{draw.choice(WINDOWS)}"'
    )


def _exploring(draw: Random) -> str:
    """The header, where placements may explore: by a seed of its own, the rest is as it was."""
    text = HEADER
    for place in ('newsletter = { channel = "email"', 'banner = { channel = "app", slots = 2'):
        if draw.random() < 0.3:
            method, key = draw.choice((("plackett_luce", "temperature"), ("epsilon", "share")))
            how = f'{{ method = "{method}", {key} = {draw.choice((0.2, 1.0))} }}'
            text = text.replace(place, f"{place}, exploration = {how}")
    return text


def _history(draw: Random, names: list[str]) -> list[dict[str, Any]]:
    found = []
    for number in range(draw.randint(1, 6)):
        kind = draw.choice(("purchase", "reject", "complaint"))
        key = {"purchase": "category", "reject": "action", "complaint": "about"}[kind]
        found.append(
            {
                "id": f"h{number}",
                "identity": draw.choice(("crm:1", "crm:2")),
                "type": kind,
                "time": NOW - dt.timedelta(hours=draw.randint(0, 200)),
                "properties": {key: draw.choice(names)},
            }
        )
    return found


def _request(draw: Random, names: list[str]) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if draw.random() < 0.7:
        context["country"] = draw.choice(("US", "DE"))
    if draw.random() < 0.4:
        context["cart"] = draw.sample(names, 2)
    placements = draw.sample(("newsletter", "message", "banner"), draw.randint(1, 3))
    return {
        "decide": {
            "identity": draw.choice(("crm:1", "crm:1", "crm:2", "cookie:new")),
            "placements": placements,
            "context": context,
            "time": NOW + dt.timedelta(hours=draw.choice((0, 0, 8, 14, 30))),
            "seed": draw.randint(1, 9),
        }
    }

"""The catalog of the state machine, and what it says once more: the model asks nobody who reads it."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping

from nba_engine.catalog import Catalog, Vocabulary, load
from nba_engine.stages.limits import Accounts
from nba_engine.testing.state_model import Account

__all__ = [
    "CATALOG",
    "CONSENT",
    "DRAWS",
    "HOUR",
    "LIVES",
    "MICROS",
    "TERMS",
    "account_of",
    "loaded",
]

CATALOG = """
catalog = {{ currency = "EUR", time_zone = "UTC" }}
attributes.purse = {{ type = "double", merge = "max" }}
aggregates.purchases = {{ kind = "count", types = ["purchase"] }}
channels.mail = {{ name = "Mail", reservation_ttl = "10m" }}
channels.phone = {{ name = "Phone", reservation_ttl = "2h" }}
placements.inbox = {{ channel = "mail" }}
placements.desk = {{ channel = "phone" }}
[actions.nothing]
name = "Nothing"
kind = "nothing"
[actions.offer]
name = "Offer"
value = 5.0
treatments.letter = {{ channel = "mail", cost = 1.5 }}
treatments.call = {{ channel = "phone", cost = 4.0 }}
[limits]
hour = {{ scope = ["customer"], measure = "contacts", amount = {hour}, window = "hour" }}
rolls = {{ scope = ["customer"], measure = "contacts", amount = {rolls}, window = "rolling {minutes}m" }}
seats = {{ scope = ["channel"], measure = "contacts", amount = {seats}, window = "hour", applies_to = {{ channels = ["phone"] }} }}
budget = {{ measure = "money", amount = {budget}, window = "lifetime" }}
purse = {{ scope = ["customer"], measure = "money", amount = "customer.purse", window = "lifetime", applies_to = {{ channels = ["mail"] }} }}
"""
TERMS = {"hour": 2, "rolls": 3, "minutes": 30, "seats": 2, "budget": 12}
DRAWS = {
    "offer.letter": {"hour": 1, "rolls": 1, "budget": 1_500_000, "purse": 1_500_000},
    "offer.call": {"hour": 1, "rolls": 1, "seats": 1, "budget": 4_000_000},
}
LIVES = {"offer.letter": 600.0, "offer.call": 7_200.0}
MICROS = 1_000_000
HOUR = 3_600
CONSENT = "marketing:mail"


@functools.lru_cache(maxsize=256)
def loaded(text: str) -> tuple[Catalog, Accounts]:
    """The catalog of a text, and its accounts."""
    catalog = load({"catalog.toml": text}, Vocabulary())
    return catalog, Accounts(catalog)


def account_of(text: str, ids: Mapping[str, str]) -> Account:
    """The model's name of an account."""
    limit, *scope, window = text.split("|")
    whose = dict(part.split("=", 1) for part in scope).get("customer", "")
    hour = -1 if window in {"lifetime", "rolling"} else int(moment(window) // HOUR)
    return Account(limit, ids.get(whose, whose), hour)


def moment(window: str) -> float:
    return dt.datetime.strptime(f"{window}+0000", "%Y-%m-%dT%H:%MZ%z").timestamp()

"""How explanations say things: times, money, names."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Sequence

from nba_engine.domain import Action, CatalogView, ChannelSpec, Deciding, Limit, Treatment
from nba_engine.stages.accounts import amount_of

__all__ = ["amount", "either", "moment", "money", "named", "parts", "subject"]


def parts(deciding: Deciding, treatment: int) -> tuple[Action, Treatment, ChannelSpec]:
    """Action, treatment and channel of a treatment index."""
    catalog = deciding.catalog
    form = catalog.treatments[treatment]
    return catalog.actions[int(catalog.action_of[treatment])], form, catalog.channels[form.channel]


def subject(deciding: Deciding, treatment: int) -> str:
    """How a sentence names a candidate: “Milk” by E-mail."""
    action, _, channel = parts(deciding, treatment)
    return f"“{action.name}” by {channel.name}"


def moment(catalog: CatalogView, time: float, now: float) -> str:
    """A time as people say it there: 08:00 on 7 November 2017 (in 3 hours)."""
    local = dt.datetime.fromtimestamp(time, zoneinfo.ZoneInfo(catalog.time_zone))
    text = f"{local:%H:%M} on {local.day} {local:%B %Y}"
    return f"{text} (in {_span(time - now)})" if time > now else text


def money(catalog: CatalogView, value: float) -> str:
    """An amount in the catalog's currency."""
    digits = 2 if abs(value) >= 0.01 or value == 0 else 6
    return f"{value:.{digits}f} {catalog.currency}"


def amount(catalog: CatalogView, limit: Limit, units: int) -> str:
    """Whole units of a limit in words: 2 contacts, 1.50 USD."""
    if limit.measure == "money":
        return money(catalog, amount_of(limit, units))
    return f"{units} contact" if units == 1 else f"{units} contacts"


def named(catalog: CatalogView, category: str) -> str:
    """A category in quotation marks, by its action's name where it is an action's id."""
    at = catalog.action_index.get(category)
    return f"“{category if at is None else catalog.actions[at].name}”"


def either(texts: Sequence[str]) -> str:
    """Join clauses: a; a and b; a, b and c."""
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def _span(seconds: float) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return "less than a minute"

"""How explanations say things: times, money, names."""

from __future__ import annotations

from nba_engine.domain import Action, CatalogView, ChannelSpec, Deciding, Limit, Treatment
from nba_engine.domain.words import rounded_up, spoken_money, spoken_time
from nba_engine.stages.limits import PricePart, amount_of

__all__ = [
    "amount",
    "asked",
    "days",
    "length",
    "lever",
    "minimum",
    "moment",
    "money",
    "named",
    "parts",
    "subject",
    "type_of",
]

_WHEN = {
    "hour": "this hour",
    "day": "today",
    "week": "this week",
    "month": "this month",
    "lifetime": "in all",
}


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
    text = spoken_time(time, catalog.time_zone)
    return f"{text} (in {_span(time - now)})" if time > now else text


def money(catalog: CatalogView, value: float) -> str:
    """An amount in the catalog's currency."""
    return spoken_money(value, catalog.currency)


def lever(deciding: Deciding, treatment: int, factor: float) -> str:
    """What a change of a lever says; rounded up, so that what it says is enough."""
    return f"the lever of {subject(deciding, treatment)} is multiplied by {rounded_up(factor)}"


def amount(catalog: CatalogView, limit: Limit, units: int) -> str:
    """Whole units of a limit in words: 2 contacts, 1.50 USD."""
    if limit.measure == "money":
        return money(catalog, amount_of(limit, units))
    return f"{units} contact" if units == 1 else f"{units} contacts"


def minimum(limit: Limit) -> str:
    """What a limit is to reach: the minimum of 500 contacts this week (“Letters”)."""
    count = f"{limit.at_least:,} contact{'' if limit.at_least == 1 else 's'}"
    return f"the minimum of {count} {_WHEN[limit.window.unit]} (“{limit.name}”)"


def asked(catalog: CatalogView, part: PricePart) -> str:
    """The price or bonus of a contact: 0.42 EUR for the limit “Letters”."""
    what = minimum(part.limit) if part.floor else f"the limit “{part.limit.name}”"
    return f"{money(catalog, abs(part.total))} for {what}"


def days(seconds: float) -> str:
    """A span in whole days: 12 days; in halves below three."""
    count = seconds / 86_400.0
    count = round(2 * count) / 2 if count < 3 else float(round(count))
    return "1 day" if count == 1 else f"{count:g} days"


def length(seconds: float) -> str:
    """A span in the largest unit that gives whole numbers: 7 days, 36 hours."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return name if seconds == size else f"{seconds / size:g} {name}s"
    return f"{seconds:g} seconds"


def named(catalog: CatalogView, category: str) -> str:
    """A category in quotation marks, by its action's name where it is an action's id."""
    at = catalog.action_index.get(category)
    return f"“{category if at is None else catalog.actions[at].name}”"


def type_of(catalog: CatalogView, root: str, name: str) -> str:
    """The type of ``customer.<name>`` (attribute or aggregate) or ``context.<name>``; "" unknown."""
    declared = (catalog.attributes if root == "customer" else catalog.context).get(name)
    if declared is not None:
        return declared.type
    spec = catalog.aggregates.get(name) if root == "customer" else None
    if spec is None:
        return ""
    if spec.kind == "set":
        return "list<string>"
    if spec.value is not None:
        return "bool" if spec.value.name == "win_back" else "double"
    moments = (spec.type or "double") if spec.property else "timestamp"
    inner = {"count": "int", "days": "int", "first": moments, "last": moments}.get(
        spec.kind, "double"
    )
    return f"map<string,{inner}>" if spec.by else inner


def _span(seconds: float) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if round(seconds / 60) * 60 >= size:
            count = round(seconds / size)
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return "less than a minute"

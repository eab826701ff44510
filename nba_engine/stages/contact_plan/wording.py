"""How explanations tell of contact plans."""

from __future__ import annotations

import datetime as dt
import zoneinfo

from nba_engine.domain import CatalogView, ContactPlanTerms, PlannedContact

__all__ = ["planned_for", "turn_of", "week_of"]

_WEEK = 7 * 86_400.0


def week_of(catalog: CatalogView, terms: ContactPlanTerms, contact: PlannedContact) -> str:
    """The period in words: ``the week of 13 November``, ``13 to 15 November``."""
    zone = zoneinfo.ZoneInfo(catalog.time_zone)
    first = dt.datetime.fromtimestamp(contact.starts, zone)
    if terms.period == _WEEK:
        return f"the week of {_day(first)}"
    last = dt.datetime.fromtimestamp(contact.ends - 1.0, zone)
    if first.date() == last.date():
        return _day(first)
    begin = str(first.day) if (first.year, first.month) == (last.year, last.month) else _day(first)
    return f"{begin} to {_day(last)}"


def turn_of(catalog: CatalogView, contact: PlannedContact, now: float) -> float:
    """When it is the contact's turn: at the hour of ``now``, for others may be quiet hours.

    Its beginning where the period is too short to have that hour.
    """
    zone = zoneinfo.ZoneInfo(catalog.time_zone)
    hour = dt.datetime.fromtimestamp(now, zone).time()
    first = dt.datetime.fromtimestamp(contact.starts, zone).date()
    for day in (first, first + dt.timedelta(days=1)):
        at = dt.datetime.combine(day, hour, zone).timestamp()
        if contact.starts <= at < contact.ends:
            return at
    return contact.starts


def planned_for(catalog: CatalogView, terms: ContactPlanTerms, contact: PlannedContact) -> str:
    """A contact with its period: ``“Milk” by E-mail in the week of 13 November``."""
    at = catalog.action_index.get(contact.action)
    name = contact.action if at is None else catalog.actions[at].name
    channel = catalog.channels.get(contact.channel)
    by = contact.channel if channel is None else channel.name
    when = week_of(catalog, terms, contact)
    return f"“{name}” by {by} {'in' if when.startswith('the week') else 'on'} {when}"


def _day(day: dt.datetime) -> str:
    return f"{day.day} {day:%B}"

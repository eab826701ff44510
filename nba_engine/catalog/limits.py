"""Limits, levers and control groups: checks, and which treatments they are about."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import numpy as np

from nba_engine.catalog.draft import Draft
from nba_engine.catalog.findings import Entry, Findings
from nba_engine.catalog.schema import LimitEntry, Selector
from nba_engine.domain import (
    ControlGroup,
    Expression,
    FloatArray,
    IntArray,
    Limit,
)
from nba_engine.settings import suggest

__all__ = ["find_zone", "make_control_groups", "make_levers", "make_limits"]


def find_zone(name: str, file: str, place: str, findings: Findings) -> ZoneInfo | None:
    """The time zone of that name, or None after the mistake was noted."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        remedy = suggest(name, available_timezones(), "time zones")
        findings.mistake(file, place, f"there is no time zone {name!r}", remedy)
        return None


def make_limits(draft: Draft, default_zone: str) -> tuple[list[Limit], list[tuple[int, ...]]]:
    """The limits, and per treatment the indices of those it draws on."""
    findings = draft.findings
    treatments = draft.treatments
    limits: list[Limit] = []
    drawing: list[list[int]] = [[] for _ in treatments]
    for entry in draft.tables.limits.values():
        table = entry.table
        zone = table.time_zone or default_zone
        if table.time_zone:
            at = f"{entry.place}.time_zone"
            zone = zone if find_zone(zone, entry.file, at, findings) else "UTC"
            if table.window is not None and table.window.unit == "rolling":
                message = "a window that rolls follows no calendar"
                findings.mistake(entry.file, at, message, "remove time_zone")
        place = f"{entry.place}.applies_to"
        matched = draft.matcher.match(table.applies_to, entry.file, place, findings)
        _check_scope(draft, entry, matched)
        _check_pace(draft, entry, matched)
        amount = _amount(draft, entry)
        if table.measure is None or table.window is None or amount is None:
            continue
        counted = matched.tolist()
        if table.measure == "money":  # what costs nothing draws nothing, and needs no reservation
            counted = [index for index in counted if treatments[index].cost > 0]
            if not counted:
                message, remedy = "no treatment it is about costs anything", "give these a cost"
                findings.warning(entry.file, entry.place, message, remedy)
        for index in counted:
            drawing[index].append(len(limits))
        limits.append(
            Limit(
                id=entry.id,
                name=table.name or entry.id,
                scope=table.scope,
                measure=table.measure,
                amount=amount,
                at_least=table.at_least or 0,
                window=msgspec.structs.replace(table.window, time_zone=zone),
                pace=table.pace,
                assumption=table.assumption,
            )
        )
    return limits, [tuple(indices) for indices in drawing]


def make_levers(draft: Draft) -> FloatArray:
    """Per treatment: its action's lever times every lever that applies, (T,)."""
    levers = np.array([draft.actions[t.action].lever for t in draft.treatments], dtype=np.float64)
    for entry in draft.tables.levers.values():
        place = f"{entry.place}.applies_to"
        matched = draft.matcher.match(entry.table.applies_to, entry.file, place, draft.findings)
        levers[matched] *= entry.table.factor
    return levers


def make_control_groups(draft: Draft) -> tuple[ControlGroup, ...]:
    """The control groups of some treatments, in their order."""
    groups = []
    for entry in draft.tables.control_groups.values():
        table, place = entry.table, f"{entry.place}.applies_to"
        told = any(one.place == entry.place for one in draft.findings.mistakes)  # it is missing
        matched = draft.matcher.match(table.applies_to, entry.file, place, draft.findings)
        if table.applies_to == Selector() and not told:
            message = "is about every treatment"
            remedy = "name actions, groups, campaigns, kinds, tags or channels; [control_group] is of all"
            draft.findings.mistake(entry.file, place, message, remedy)
        groups.append(
            ControlGroup(
                share=table.share,
                salt=table.salt or entry.id,
                id=entry.id,
                name=table.name or entry.id,
                treatments=tuple(matched.tolist()),
            )
        )
    return tuple(groups)


def _check_scope(draft: Draft, entry: Entry[LimitEntry], matched: IntArray) -> None:
    findings, actions, treatments = draft.findings, draft.actions, draft.treatments
    scope = entry.table.scope
    place = f"{entry.place}.scope"
    if len(set(scope)) < len(scope):
        findings.mistake(entry.file, place, "names a scope twice", "remove one")
    for word in ("group", "campaign"):
        if word not in scope:
            continue
        names = dict.fromkeys(treatments[index].action for index in matched.tolist())
        without = [name for name in names if not getattr(actions[name], word)]
        if without:
            shown = ", ".join(without[:3]) + (" …" if len(without) > 3 else "")
            message = f"counts per {word}, but these actions have none: {shown}"
            remedy = f"give them a {word}, or narrow applies_to"
            findings.mistake(entry.file, place, message, remedy)


def _check_pace(draft: Draft, entry: Entry[LimitEntry], matched: IntArray) -> None:
    """A price needs an amount that customers share, and an end by which it is to be spent.

    So does what is to be reached by then.
    """
    table = entry.table
    if table.pace == "free" and table.at_least is None:
        return
    place = f"{entry.place}.{'pace' if table.at_least is None else 'at_least'}"

    def mistake(message: str, remedy: str) -> None:
        draft.findings.mistake(entry.file, place, message, remedy)

    if "customer" in table.scope:
        what = "a price" if table.at_least is None else "a minimum"
        mistake(
            f"only limits that customers share have {what}", "remove it, or customer from scope"
        )
    unit = "" if table.window is None else table.window.unit
    if unit == "rolling":
        mistake(
            "a window that rolls has no end to spend by", "write a calendar window, or remove it"
        )
    if unit == "lifetime":
        names = dict.fromkeys(draft.treatments[index].action for index in matched.tolist())
        without = [
            name
            for name in names
            if draft.actions[name].starts is None or draft.actions[name].ends is None
        ]
        if without:
            shown = ", ".join(without[:3]) + (" …" if len(without) > 3 else "")
            message = f"a lifetime has no end to spend by, as these actions have no season: {shown}"
            mistake(message, "give them starts and ends, or write a calendar window")


def _check_at_least(draft: Draft, entry: Entry[LimitEntry]) -> None:
    """What is to be reached is contacts, and not more than there may be."""
    table, place = entry.table, f"{entry.place}.at_least"
    if table.measure == "money":
        message, remedy = "money has no minimum, contacts have", 'write measure = "contacts"'
        draft.findings.mistake(entry.file, place, message, remedy)
    most = table.amount
    if isinstance(most, int | float) and (table.at_least or 0) > most:
        message = f"{table.at_least} are more than the amount of {most:g}"
        draft.findings.mistake(entry.file, place, message, "lower it, or raise the amount")


def _amount(draft: Draft, entry: Entry[LimitEntry]) -> float | Expression | None:
    findings = draft.findings
    table = entry.table
    place = f"{entry.place}.amount"
    if table.at_least is not None:
        _check_at_least(draft, entry)
    if table.amount is None:
        told = any(one.place.startswith(entry.place) for one in findings.mistakes)  # unreadable
        if table.at_least is None and not told:
            message, remedy = "'amount' is missing", "add amount = …, or at_least = …"
            findings.mistake(entry.file, entry.place, message, remedy)
        return math.inf
    if isinstance(table.amount, str):
        if "customer" not in table.scope:
            message = "an amount per customer needs the customer in its scope"
            findings.mistake(
                entry.file, place, message, 'add "customer" to scope, or write a number'
            )
        parsed = draft.expressions.amount(table.amount, entry.file, place)
        return None if parsed is None else parsed.bind({}, {})
    if table.amount < 0:
        findings.mistake(entry.file, place, f"{table.amount:g} is negative", "write 0 or more")
    elif table.measure == "contacts" and table.amount != int(table.amount):
        message, remedy = f"{table.amount:g} contacts", "write a whole number"
        findings.mistake(entry.file, place, message, remedy)
    return table.amount

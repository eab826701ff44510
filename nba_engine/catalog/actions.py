"""Checks of actions: *nothing*, relations between actions, seasons."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from nba_engine.catalog.findings import Entry, Findings
from nba_engine.catalog.read import Tables
from nba_engine.catalog.schema import ActionEntry
from nba_engine.catalog.times import seconds
from nba_engine.catalog.treatments import NOTHING
from nba_engine.domain import Action, Values
from nba_engine.settings import suggest

__all__ = ["check_actions", "make_action"]

_RELATIONS = ("complements", "substitutes", "upgrades_to")


def check_actions(tables: Tables, zone: ZoneInfo, findings: Findings) -> None:
    """Note every mistake that one action's table alone does not show."""
    _check_nothing(tables.actions, findings)
    for entry in tables.actions.values():
        for relation in _RELATIONS:
            _check_relation(entry, relation, tables.actions, findings)
        table = entry.table
        for other in sorted(set(table.complements) & set(table.substitutes)):
            message = f"{other!r} is both a complement and a substitute"
            findings.mistake(entry.file, f"{entry.place}.complements", message, "choose one")
        if table.starts is not None and table.ends is not None:
            starts, ends = season(table, zone)
            if starts is not None and ends is not None and ends <= starts:
                message, remedy = "ends before it starts", "exchange starts and ends"
                findings.mistake(entry.file, f"{entry.place}.ends", message, remedy)
    _check_upgrades(tables.actions, findings)
    _check_reorder(tables, findings)


def _check_reorder(tables: Tables, findings: Findings) -> None:
    """Whoever waits for a customer's need must be able to count."""
    counted = any(entry.table.kind == "reorder" for entry in tables.aggregates.values())
    for entry in () if counted else tables.actions.values():
        if entry.table.reorder:
            message = "there is no aggregate of kind 'reorder'"
            remedy = 'add one: [aggregates.reorder] kind = "reorder", types = ["purchase"], by = "category"'
            findings.mistake(entry.file, f"{entry.place}.reorder", message, remedy)


def make_action(entry: Entry[ActionEntry], attributes: Values, zone: ZoneInfo) -> Action:
    """The domain's action, still without its value."""
    table = entry.table
    starts, ends = season(table, zone)
    return Action(
        id=entry.id,
        name=table.name or entry.id,
        kind=table.kind,
        group=table.group,
        campaign=table.campaign,
        tags=table.tags,
        attributes=attributes,
        prior=table.prior,
        lever=table.lever,
        starts=starts,
        ends=ends,
        owned_for=table.owned_for,
        reorder=table.reorder,
        pause_after_reject=table.pause_after_reject,
        complements=table.complements,
        substitutes=table.substitutes,
        upgrades_to=table.upgrades_to,
        objective=table.objective,
    )


def season(table: ActionEntry, zone: ZoneInfo) -> tuple[float | None, float | None]:
    """When it starts and ends, in seconds since the epoch. A bare end date is the day's end."""
    starts = None if table.starts is None else seconds(table.starts, zone)
    ends = None if table.ends is None else seconds(table.ends, zone, closing=True)
    return starts, ends


def _check_nothing(actions: Mapping[str, Entry[ActionEntry]], findings: Findings) -> None:
    nothings = [entry for entry in actions.values() if entry.table.kind == "nothing"]
    remedy = f'write one: [actions.{NOTHING}] kind = "nothing"'
    if NOTHING in actions and not nothings:
        entry = actions[NOTHING]
        message = f"an action called {NOTHING!r} is of kind 'nothing'"
        findings.mistake(entry.file, f"{entry.place}.kind", message, 'kind = "nothing"', once=True)
    elif not nothings:
        findings.missing("catalog", "actions", "there is no action of kind 'nothing'", remedy)
    elif len(nothings) > 1:
        names = ", ".join(entry.id for entry in nothings)
        entry = nothings[-1]
        message = f"several actions are of kind 'nothing': {names}"
        findings.mistake(entry.file, f"{entry.place}.kind", message, f"keep {NOTHING!r} only")
    elif nothings[0].id != NOTHING:
        entry = nothings[0]
        message = f"the action of kind 'nothing' is called {NOTHING!r}, not {entry.id!r}"
        findings.mistake(entry.file, entry.place, message, f"rename it to [actions.{NOTHING}]")
    for entry in nothings:
        table = entry.table
        has = {
            "treatments": bool(table.treatments),
            "treatments_from": bool(table.treatments_from),
            "value": table.value != 0,
            **{relation: bool(getattr(table, relation)) for relation in _RELATIONS},
        }
        for key in (key for key, there in has.items() if there):
            message, remedy = f"doing nothing has no {key}", "remove it"
            findings.mistake(entry.file, f"{entry.place}.{key}", message, remedy)


def _check_relation(
    entry: Entry[ActionEntry],
    relation: str,
    actions: Mapping[str, Entry[ActionEntry]],
    findings: Findings,
) -> None:
    seen = set()
    for position, other in enumerate(getattr(entry.table, relation)):
        place = f"{entry.place}.{relation}[{position}]"
        if other == entry.id:
            findings.mistake(entry.file, place, f"{other!r} is related to itself", "remove it")
        elif other not in actions:
            known = [name for name in actions if name != NOTHING]
            remedy = suggest(other, known, "actions")
            findings.missing(entry.file, place, f"there is no action {other!r}", remedy)
        elif actions[other].table.kind == "nothing":
            findings.mistake(entry.file, place, "nothing is related to no action", "remove it")
        elif other in seen:
            findings.mistake(entry.file, place, f"{other!r} is named twice", "remove one")
        seen.add(other)


def _check_upgrades(actions: Mapping[str, Entry[ActionEntry]], findings: Findings) -> None:
    """Note each cycle of ``upgrades_to`` once: an upgrade of an upgrade must not lead back."""
    done: set[str] = set()
    for start in actions:
        path: list[str] = []
        # depth first, with the way here as the stack: (action, how many of its upgrades are done)
        stack = [(start, 0)] if start not in done else []
        while stack:
            name, position = stack.pop()
            if position == 0:
                path.append(name)
            following = [n for n in actions[name].table.upgrades_to if n in actions and n != name]
            if position == len(following):
                done.add(path.pop())
                continue
            stack.append((name, position + 1))
            other = following[position]
            if other in path:
                cycle = [*path[path.index(other) :], other]
                entry = actions[name]
                message = f"upgrades lead back: {' → '.join(cycle)}"
                findings.mistake(
                    entry.file, f"{entry.place}.upgrades_to", message, "remove one of these"
                )
            elif other not in done:
                stack.append((other, 0))

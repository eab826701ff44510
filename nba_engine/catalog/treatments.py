"""Treatments: written out per action or shared in sets, resolved to the placements they fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from nba_engine.catalog.findings import Entry, Findings
from nba_engine.catalog.read import Tables, check_name
from nba_engine.catalog.schema import ActionEntry, TreatmentEntry
from nba_engine.domain import Treatment
from nba_engine.settings import join, suggest

__all__ = ["NOTHING", "TreatmentDraft", "draft_treatments", "nothing_treatments"]

NOTHING = "nothing"  # the id of the one action of kind "nothing"


class TreatmentDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A checked treatment before its attributes are read.

    ``source`` is where it was written: treatments shared by many actions have the same one.
    """

    id: str
    action: str
    source: Entry[TreatmentEntry]
    placements: tuple[str, ...]


def draft_treatments(tables: Tables, findings: Findings) -> list[TreatmentDraft]:
    """All treatments of all actions (*nothing* aside), in the catalog's order."""
    of_channel: dict[str, list[str]] = {}
    for id_, entry in tables.placements.items():
        of_channel.setdefault(entry.table.channel, []).append(id_)
    places: dict[tuple[str, str], tuple[str, ...]] = {}  # by where it was written

    def resolve(source: Entry[TreatmentEntry]) -> tuple[str, ...]:
        key = (source.file, source.place)
        if key not in places:
            places[key] = _placements(source, tables, of_channel, findings)
        return places[key]

    for name, shared in tables.treatment_sets.items():  # unused ones are checked too
        for source in _sources(shared.table, shared.file, shared.place):
            check_name(source.id, source.file, shared.place, findings)
            resolve(source)
        if not any(action.table.treatments_from == name for action in tables.actions.values()):
            findings.warning(shared.file, shared.place, "no action uses it", "remove it")
    drafts = []
    for id_, action in tables.actions.items():
        if id_ == NOTHING:
            continue
        sources = _of_action(action, tables, findings)
        if not sources and not findings.is_wrong(action.file, action.place):
            remedy = "add treatments, or treatments_from"
            findings.warning(action.file, action.place, "has no treatment: never offered", remedy)
        drafts += [
            TreatmentDraft(id=f"{id_}.{key}", action=id_, source=source, placements=resolve(source))
            for key, source in sources.items()
        ]
    return drafts


def nothing_treatments(tables: Tables) -> list[Treatment]:
    """One costless treatment of *nothing* per channel, for every placement of it."""
    return [
        Treatment(
            id=f"{NOTHING}.{channel}",
            action=NOTHING,
            channel=channel,
            placements=tuple(
                id_ for id_, entry in tables.placements.items() if entry.table.channel == channel
            ),
            content=MappingProxyType({}),
            attributes=MappingProxyType({}),
        )
        for channel in tables.channels
    ]


def _of_action(
    action: Entry[ActionEntry], tables: Tables, findings: Findings
) -> dict[str, Entry[TreatmentEntry]]:
    """Key → treatment: those of its set, replaced and extended by its own."""
    table = action.table
    sources: dict[str, Entry[TreatmentEntry]] = {}
    if table.treatments_from:
        shared = tables.treatment_sets.get(table.treatments_from)
        if shared is None:
            findings.missing(
                action.file,
                f"{action.place}.treatments_from",
                f"there is no treatment set {table.treatments_from!r}",
                suggest(table.treatments_from, tables.treatment_sets, "treatment sets"),
            )
        else:
            found = _sources(shared.table, shared.file, shared.place)
            sources.update((source.id, source) for source in found)
    place = f"{action.place}.treatments"
    for source in _sources(table.treatments, action.file, place):
        check_name(source.id, source.file, place, findings)
        sources[source.id] = source
    return sources


def _sources(
    treatments: Mapping[str, TreatmentEntry], file: str, place: str
) -> Iterator[Entry[TreatmentEntry]]:
    for key, table in treatments.items():
        yield Entry(id=key, file=file, place=join(place, key), table=table)


def _placements(
    source: Entry[TreatmentEntry],
    tables: Tables,
    of_channel: Mapping[str, list[str]],
    findings: Findings,
) -> tuple[str, ...]:
    """Every placement of the channel, or those named, checked."""
    table, file, place = source.table, source.file, source.place
    if table.channel not in tables.channels:
        if table.channel:
            remedy = suggest(table.channel, tables.channels, "channels")
            message = f"there is no channel {table.channel!r}"
            findings.missing(file, f"{place}.channel", message, remedy)
        return ()
    if table.placements is None:
        fitting = tuple(of_channel.get(table.channel, ()))
        channels = (entry.table.channel for entry in tables.placements.values())
        if not fitting and all(channel in tables.channels for channel in channels):
            message = f"fits no placement: channel {table.channel!r} has none"
            remedy = f'add a placement with channel = "{table.channel}"'
            findings.missing(file, place, message, remedy)
        return fitting
    if not table.placements:
        message, remedy = "fits no placement", "name some, or leave it out for all of the channel"
        findings.mistake(file, f"{place}.placements", message, remedy)
    for position, name in enumerate(table.placements):
        where = f"{place}.placements[{position}]"
        placement = tables.placements.get(name)
        if placement is None:
            remedy = suggest(name, tables.placements, "placements")
            findings.missing(file, where, f"there is no placement {name!r}", remedy)
        elif placement.table.channel != table.channel:
            message = f"placement {name!r} belongs to channel {placement.table.channel!r}"
            remedy = (
                f"placements of {table.channel!r}: {', '.join(of_channel.get(table.channel, []))}"
            )
            findings.mistake(file, where, message, remedy)
    return tuple(dict.fromkeys(name for name in table.placements if name in tables.placements))

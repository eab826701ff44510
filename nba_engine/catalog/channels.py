"""Channels and placements: checks, and the domain's words for them."""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType

from nba_engine.catalog.exploration import make_exploration
from nba_engine.catalog.findings import Findings
from nba_engine.catalog.read import Tables
from nba_engine.domain import ChannelSpec, Placement
from nba_engine.settings import suggest

__all__ = ["make_channels", "make_placements"]


def make_channels(
    tables: Tables, kinds: Collection[str], findings: Findings
) -> dict[str, ChannelSpec]:
    """The channels; ``kinds`` are those that plugins offer (empty: not checked)."""
    used = {entry.table.channel for entry in tables.placements.values()}
    channels = {}
    for id_, entry in tables.channels.items():
        table = entry.table
        if kinds and table.kind not in kinds:
            remedy = suggest(table.kind, kinds, "kinds of channels")
            message = f"there is no channel kind {table.kind!r}"
            findings.mistake(entry.file, f"{entry.place}.kind", message, remedy)
        if table.reservation_ttl <= 0:
            message, remedy = "reservations would expire at once", 'give them time: "7d"'
            findings.mistake(entry.file, f"{entry.place}.reservation_ttl", message, remedy)
        if id_ not in used:
            remedy = f'add a placement with channel = "{id_}"'
            findings.warning(
                entry.file, entry.place, "has no placement: nothing can be shown", remedy
            )
        channels[id_] = ChannelSpec(
            id=id_,
            name=table.name or id_,
            kind=table.kind,
            direction=table.direction,
            consent=table.consent,
            quiet_hours=table.quiet_hours,
            reservation_ttl=table.reservation_ttl,
            settings=MappingProxyType(table.settings),
            assumption=table.assumption,
            file=entry.file,
        )
    if not channels:
        message, remedy = "no channel is declared", "add a [channels.<id>] table"
        findings.missing("catalog", "channels", message, remedy)
    return channels


def make_placements(tables: Tables, findings: Findings) -> dict[str, Placement]:
    """The placements, their channels checked."""
    for entry in tables.placements.values():
        channel = entry.table.channel
        if channel and channel not in tables.channels:
            remedy = suggest(channel, tables.channels, "channels")
            message = f"there is no channel {channel!r}"
            findings.missing(entry.file, f"{entry.place}.channel", message, remedy)
    if not tables.placements:
        message, remedy = "no placement is declared", "add a [placements.<id>] table"
        findings.missing("catalog", "placements", message, remedy)
    return {
        id_: Placement(
            id=id_,
            channel=entry.table.channel,
            slots=entry.table.slots,
            exploration=make_exploration(
                entry.table.exploration, entry.file, entry.place, findings
            ),
        )
        for id_, entry in tables.placements.items()
    }

"""Where plugins have settings of their own: one list for checks, documentation and schemas."""

from __future__ import annotations

import msgspec

from nba_engine.plugin.register import Register

__all__ = ["SettingsSection", "settings_sections"]


class SettingsSection(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that one offer takes.

    ``kind`` is "stage" (``[[pipeline]] settings``, chosen by ``stage``), "channel kind"
    (``[channels.<id>] settings`` of the catalog, chosen by ``kind``), "sink", "source" or "profile
    source" (``[sinks.<id>] settings``, ``[sources.<id>] settings``, ``[profile_sources.<id>]
    settings``, chosen by ``kind``), or "batch engine" (``[batch] settings``, chosen by ``engine``);
    ``name`` is what it is chosen by.
    """

    kind: str
    name: str
    settings: type[msgspec.Struct]
    plugin: str


def settings_sections(register: Register) -> list[SettingsSection]:
    """Everything of the register that has settings of its own, with their struct, by name."""
    return [
        SettingsSection(
            kind=offers.kind,
            name=name,
            settings=offers[name].settings,
            plugin=offers.plugin(name),
        )
        for offers in (
            register.stages,
            register.channels,
            register.sinks,
            register.sources,
            register.profile_sources,
            register.batch_engines,
        )
        for name in sorted(offers)
    ]

"""What is served while processes are killed: one hot limit for all, a cold one per customer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from nba_engine.catalog import version_of

__all__ = ["FILE", "World", "write_world"]

FILE = "catalog.toml"

SETTINGS = """
[server]
listen = "127.0.0.1:0"
processes = {processes}
grace_seconds = 5.0
admin = true
[store]
url = "{store}"
[logging]
level = "info"
[[pipeline]]
stage = "profile"
[[pipeline]]
stage = "eligibility"
[[pipeline]]
stage = "contact_policy"
[[pipeline]]
stage = "value"
[[pipeline]]
stage = "arbitration"
[[pipeline]]
stage = "slate"
"""

CATALOG = """
[catalog]
currency = "EUR"
time_zone = "Europe/Berlin"
[channels.app]
name = "App"
reservation_ttl = "{ttl}s"
[placements.banner]
channel = "app"
slots = 1
[aggregates.shown]
kind = "count"
types = ["impression"]
[treatment_sets.standard]
app = {{ channel = "app", content = {{ text = "{{{{ action.name }}}}" }} }}
[actions.nothing]
name = "Nothing"
kind = "nothing"
[actions.wanted]
name = "What everybody wants"
prior = 0.5
value = 10.0
treatments_from = "standard"
[actions.plain]
name = "What there is enough of"
prior = 0.5
value = 1.0
treatments_from = "standard"
[limits.hot]
scope = []
measure = "contacts"
amount = {hot}
window = "lifetime"
applies_to = {{ actions = ["wanted"] }}
[limits.cold]
scope = ["customer"]
measure = "contacts"
amount = {cold}
window = "lifetime"
"""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a run, and what limits amount to.

    ``amounts``: catalog version → limit → amount; publishing adds to it, before it publishes.
    """

    settings: Path
    database: Path  # of the embedded store, if it is that
    amounts: dict[str, Mapping[str, int]]
    customers: int
    ttl: int  # seconds until a reservation expires

    def catalog(self, amounts: Mapping[str, int]) -> str:
        """The catalog with other amounts, by the name `FILE`; notes its version."""
        text = CATALOG.format(ttl=self.ttl, **amounts)
        self.amounts[version_of({FILE: text})] = amounts
        return text


def write_world(
    folder: Path,
    *,
    processes: int,
    reservations: int,
    customers: int,
    ttl: int,
    store: str = "sqlite:data/nba.db",
) -> World:
    """Settings and catalog: the hot limit is full after a third of the run, cold ones near the end.

    ``store`` is the URL of the store.
    """
    amounts = {
        "hot": max(1, reservations // 5),
        "cold": max(3, round(0.7 * reservations / customers)),
    }
    settings = folder / "nba.toml"
    settings.write_text(SETTINGS.format(processes=processes, store=store))
    world = World(
        settings=settings,
        database=folder / "data" / "nba.db",
        amounts={},
        customers=customers,
        ttl=ttl,
    )
    (folder / "catalog").mkdir()
    (folder / "catalog" / FILE).write_text(world.catalog(amounts))
    return world

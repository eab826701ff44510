"""What is served while processes are killed: one hot limit for all, a cold one per customer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import apsw
import msgspec

from nba_engine.catalog import version_of

__all__ = ["FILE", "World", "watch", "write_world"]

FILE = "catalog.toml"

SETTINGS = """
[server]
listen = "127.0.0.1:0"
processes = {processes}
grace_seconds = 5.0
admin = true
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

# The history, in the order of the commits: written by the database itself, not by the ledger.
TRIGGERS = """
CREATE TABLE fault_history(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  reservation_id TEXT NOT NULL, customer_id TEXT NOT NULL, holds TEXT NOT NULL,
  was INTEGER, status INTEGER NOT NULL
);
CREATE TRIGGER fault_granted AFTER INSERT ON reservations BEGIN
  INSERT INTO fault_history(reservation_id, customer_id, holds, was, status)
  VALUES (new.reservation_id, new.customer_id, new.holds, NULL, new.status);
END;
CREATE TRIGGER fault_ended AFTER UPDATE OF status ON reservations BEGIN
  INSERT INTO fault_history(reservation_id, customer_id, holds, was, status)
  VALUES (new.reservation_id, new.customer_id, new.holds, old.status, new.status);
END;
"""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a run, and what limits amount to.

    ``amounts``: catalog version → limit → amount; publishing adds to it, before it publishes.
    """

    settings: Path
    database: Path
    amounts: dict[str, Mapping[str, int]]
    customers: int
    ttl: int  # seconds until a reservation expires

    def catalog(self, amounts: Mapping[str, int]) -> str:
        """The catalog with other amounts, by the name `FILE`; notes its version."""
        text = CATALOG.format(ttl=self.ttl, **amounts)
        self.amounts[version_of({FILE: text})] = amounts
        return text


def write_world(
    folder: Path, *, processes: int, reservations: int, customers: int, ttl: int
) -> World:
    """Settings and catalog: the hot limit is full after a third of the run, cold ones near the end."""
    amounts = {
        "hot": max(1, reservations // 5),
        "cold": max(3, round(0.7 * reservations / customers)),
    }
    settings = folder / "nba.toml"
    settings.write_text(SETTINGS.format(processes=processes))
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


def watch(database: Path) -> None:
    """Let the database of a store write down its own history. Before any customer comes."""
    connection = apsw.Connection(str(database))
    connection.set_busy_timeout(10_000)
    connection.execute(f"BEGIN IMMEDIATE; {TRIGGERS} COMMIT")
    connection.close()

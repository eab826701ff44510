"""Limits carried from the store that a backup replaces into the one that is restored.

What was reserved and spent since the backup has reached customers: it counts, though everything
else goes back. Answers to request ids come along, for they name reservations.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from nba_engine.errors import FailedPrecondition, NbaError
from nba_engine.store.backup.manifest import Manifest
from nba_engine.store.customers import move_accounts
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import connect, open_file
from nba_engine.store.schema import STORE

__all__ = ["carry_limits"]

_TABLES = ("accounts", "spends", "reservations", "decision_requests")
# customers of whom the backup knows nothing, and an identity that will lead to them again
_STRANGERS = """
SELECT n.customer_id, (SELECT min(identity) FROM newer.identities WHERE customer = n.id)
FROM newer.customers AS n
WHERE NOT EXISTS (SELECT 1 FROM main.customers AS c WHERE c.customer_id = n.customer_id)
"""
_CURRENT = """
SELECT customer_id FROM main.customers
WHERE id = (SELECT customer FROM main.identities WHERE identity = ?)
"""


def carry_limits(connection: apsw.Connection, newer: Path, manifest: Manifest) -> None:
    """Replace the ledger of the store behind ``connection`` by that of the store at ``newer``.

    Raises `FailedPrecondition`, and has done nothing, unless the backup is of that very store.
    Raises driver errors.
    """
    why = _obstacle(newer, manifest)
    if why:
        raise FailedPrecondition(
            f"what was used of limits since the backup cannot be carried over: {why}; "
            "--limits-of-backup goes back to what had been used then"
        )
    connection.execute("ATTACH ? AS newer", (str(newer),))
    try:
        with connection:
            for table in _TABLES:
                connection.execute(f"DELETE FROM main.{table}")  # noqa: S608 - constants
                connection.execute(f"INSERT INTO main.{table} SELECT * FROM newer.{table}")  # noqa: S608 - constants
            connection.execute(
                "INSERT OR REPLACE INTO main.meta SELECT * FROM newer.meta"
                " WHERE key IN ('clock', 'windows_since')"
            )
            strangers: list[Any] = connection.execute(_STRANGERS).fetchall()
            for customer_id, identity in strangers:
                if identity is not None:
                    current = connection.execute(_CURRENT, (identity,)).get
                    move_accounts(connection, customer_id, current or identity)
    finally:
        connection.execute("DETACH newer")


def _obstacle(newer: Path, manifest: Manifest) -> str:
    """Why the limits of a store cannot take the place of those of a backup; "": they can."""
    try:
        open_file(newer, STORE, create=False)
        with closing(connect(newer, reading=True)) as connection:
            meta: dict[str, Any] = dict(connection.execute("SELECT key, value FROM meta"))
    except NbaError as error:
        return error.message
    except DRIVER_ERRORS as error:
        return str(translated(error, newer))
    if not manifest.store_id or meta.get("store_id") != manifest.store_id:
        return f"{newer} is another store than the one that was backed up"
    if float(meta.get("clock") or 0.0) < manifest.ledger_clock:
        return f"{newer} is older than the backup"
    return ""

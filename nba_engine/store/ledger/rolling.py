"""Windows that roll: what was spent counts for so many seconds, then falls out of its account.

``accounts.spent`` holds what the window still counts, so that reading and granting look at one
row, whichever the window; ``spends`` says what falls out of it, and when.
"""

from __future__ import annotations

from typing import Any

import apsw

__all__ = ["fall_out", "note_spent", "set_window"]

_NOTE = (
    "INSERT INTO spends(account, time, falls, amount, overrun) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT(account, time)"
    " DO UPDATE SET amount = amount + excluded.amount, overrun = overrun + excluded.overrun"
)
# "+?" as in the ledger: planned once, not at every call
_FALLEN = (
    "SELECT account, time, amount, overrun FROM spends WHERE falls <= ? ORDER BY falls LIMIT +?"
)


def note_spent(
    connection: apsw.Connection, account: str, now: float, rolls: float, amount: int, overrun: int
) -> None:
    """Remember what was spent at ``now``, for ``rolls`` seconds."""
    connection.execute(_NOTE, (account, now, now + rolls, amount, overrun))


def fall_out(connection: apsw.Connection, now: float, *, most: int) -> int:
    """Take what fell out of its window by ``now`` off its account; returns how many rows."""
    fallen: list[Any] = connection.execute(_FALLEN, (now, most)).fetchall()
    if fallen:
        connection.executemany(
            "DELETE FROM spends WHERE account = ? AND time = ?", [row[:2] for row in fallen]
        )
        connection.executemany(
            "UPDATE accounts SET spent = spent - ?, overrun = overrun - ? WHERE account = ?",
            [(amount, overrun, account) for account, _, amount, overrun in fallen],
        )
    return len(fallen)


def set_window(connection: apsw.Connection, account: str, rolls: float) -> bool:
    """Let a rolling account count for ``rolls`` seconds from now on, what it holds included.

    What fell out of a shorter window before does not come back. Returns whether that is a change.
    """
    connection.execute(
        "UPDATE accounts SET rolls = ? WHERE account = ? AND rolls > 0 AND rolls <> ?",
        (rolls, account, rolls),
    )
    if not connection.changes():
        return False
    connection.execute("UPDATE spends SET falls = time + ? WHERE account = ?", (rolls, account))
    return True

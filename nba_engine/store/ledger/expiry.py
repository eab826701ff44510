"""What passing time does to the ledger: its clock, reservations that expire, windows that roll."""

from __future__ import annotations

from typing import Any

import apsw
import msgspec

from nba_engine.store.ledger.rolling import fall_out
from nba_engine.store.schema import EXPIRED

__all__ = ["Expiry"]

_SWEEP = 256  # how many due reservations a change ends in passing
_CLOCK_STEP = 1.0  # seconds between writes of the ledger clock

_decode_holds = msgspec.json.Decoder(dict[str, int]).decode

_CLOCK = "SELECT value FROM meta WHERE key = 'clock'"
_SET_CLOCK = "INSERT OR REPLACE INTO meta VALUES ('clock', ?)"
_NEXT = """
SELECT (SELECT value FROM meta WHERE key = 'clock'),
       (SELECT min(expires) FROM reservations WHERE status = 0), (SELECT min(falls) FROM spends)
"""
# "+?": SQLite plans by a bare LIMIT's bound value (STAT4), so it would plan anew at every call
_DUE = (
    "SELECT reservation_id, holds FROM reservations"
    " WHERE status = 0 AND expires <= ? ORDER BY expires LIMIT +?"
)
_FREE = "UPDATE accounts SET reserved = reserved - ? WHERE account = ?"


class Expiry:
    """The time of one store's ledger. Its methods run inside a change."""

    def __init__(self, *, simulated: bool) -> None:
        self.simulated = simulated

    def time(self, connection: apsw.Connection, now: float) -> float:
        """The ledger clock: never runs backwards, over restarts and processes.

        A simulated store takes the time it is given.
        """
        if self.simulated:
            return now
        return _advance(connection, connection.execute(_CLOCK).get, now)

    def pass_time(self, connection: apsw.Connection, now: float) -> tuple[float, bool]:
        """The ledger clock, and whether nothing is due by it; ends some in passing if it is."""
        clock, expires, falls = connection.execute(_NEXT).get
        if not self.simulated:
            now = _advance(connection, clock, now)
        settled = (expires is None or expires > now) and (falls is None or falls > now)
        if not settled:
            self.make_room(connection, now)
        return now, settled

    def make_room(self, connection: apsw.Connection, now: float) -> bool:
        """End reservations that are due, and let fall what left its window; false: there is none."""
        ended = self.sweep(connection, now)
        return self.let_fall(connection, now) > 0 or ended > 0

    def let_fall(self, connection: apsw.Connection, now: float, *, most: int = _SWEEP) -> int:
        """Free up to ``most`` amounts that fell out of their rolling windows; returns how many."""
        fallen = fall_out(connection, now, most=most)
        if fallen and not self.simulated:  # no change after this one may be of an earlier time
            connection.execute(_SET_CLOCK, (float(now),))
        return fallen

    def sweep(self, connection: apsw.Connection, now: float, *, most: int = _SWEEP) -> int:
        """End up to ``most`` reservations that are due at ``now``; returns how many."""
        due: list[Any] = connection.execute(_DUE, (now, most)).fetchall()
        if not due:
            return 0
        freed: dict[str, int] = {}
        for _, holds in due:
            for account, amount in _decode_holds(holds).items():
                freed[account] = freed.get(account, 0) + amount
        connection.executemany(
            "UPDATE reservations SET status = ?, ended = ? WHERE reservation_id = ?",
            [(EXPIRED, now, reservation) for reservation, _ in due],
        )
        connection.executemany(_FREE, [(amount, account) for account, amount in freed.items()])
        return len(due)


def _advance(connection: apsw.Connection, clock: float | None, now: float) -> float:
    if clock is None or now >= clock + _CLOCK_STEP:
        connection.execute(_SET_CLOCK, (float(now),))
        return now
    return max(now, float(clock))

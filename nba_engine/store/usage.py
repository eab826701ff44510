"""What accounts have used: for decisions, for reports, and counted again from the reservations."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import apsw
import msgspec

from nba_engine.domain import Usage

__all__ = ["read_report", "read_usage", "recount"]

_encode_json = msgspec.json.Encoder().encode

# of a window that rolls, only what it still counts
_RECOUNT = """
SELECT a.account, a.limit_id,
       coalesce(sum(h.value) FILTER (WHERE r.status = 0), 0),
       coalesce(sum(h.value) FILTER (WHERE r.status IN (1, 4) AND (a.rolls = 0 OR EXISTS (
         SELECT 1 FROM spends AS s WHERE s.account = a.account AND s.time = r.ended))), 0),
       a.overrun
FROM reservations AS r, json_each(r.holds) AS h JOIN accounts AS a ON a.account = h.key
GROUP BY a.account ORDER BY a.account
"""


_USED = (
    "SELECT account, reserved + spent - CASE WHEN rolls = 0 THEN 0 ELSE coalesce(("
    "SELECT sum(s.amount) FROM spends AS s WHERE s.account = accounts.account"
    " AND s.time <= ? - accounts.rolls AND s.falls <= ?), 0) END"
    " FROM accounts WHERE account IN "
)
_USED_OF_MANY = f"{_USED}(SELECT value FROM json_each(?))"  # noqa: S608


@functools.cache
def _usage_of(count: int) -> str:
    return f"{_USED}({', '.join('?' * count)})"


def read_usage(
    connection: apsw.Connection, accounts: Sequence[str], now: float | None
) -> dict[str, int]:
    """Reserved + spent of the accounts that exist, without what fell out of a window by ``now``."""
    if not accounts:
        return {}
    if len(accounts) <= 64:
        rows = connection.execute(_usage_of(len(accounts)), (now, now, *accounts))
    else:
        named = _encode_json(accounts).decode()
        rows = connection.execute(_USED_OF_MANY, (now, now, named))
    return dict(rows)


def read_report(connection: apsw.Connection, limit: str) -> list[Usage]:
    """Every account of a limit ("" = all), by name."""
    rows = connection.execute(
        "SELECT account, limit_id, reserved, spent, overrun FROM accounts"
        " WHERE ? IN ('', limit_id) ORDER BY account",
        (limit,),
    )
    return [_usage(*row) for row in rows]


def recount(connection: apsw.Connection) -> list[Usage]:
    """The same report, counted from the reservations instead of read from the accounts."""
    return [_usage(*row) for row in connection.execute(_RECOUNT)]


def _usage(account: str, limit: str, reserved: int, spent: int, overrun: int) -> Usage:
    return Usage(account=account, limit=limit, reserved=reserved, spent=spent, overrun=overrun)

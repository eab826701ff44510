"""What accounts have used: for decisions, for reports, and counted again from the reservations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nba_engine.domain import Usage
from nba_postgres.connections import Connection

__all__ = ["read_accounts", "read_report", "read_usage", "recounted"]

_USED = """
SELECT account, reserved + spent - CASE WHEN rolls = 0 OR %(now)s::float8 IS NULL THEN 0
  ELSE coalesce((
    SELECT sum(amount) FROM spends WHERE spends.account = accounts.account
    AND falls <= %(now)s AND time <= %(now)s - accounts.rolls), 0)::bigint END
FROM accounts WHERE account = ANY(%(names)s::text[])
"""
# a range of names, so that accounts are found by their key; U+10FFFF is after every other character
_ACCOUNTS = """
WITH fallen AS (
  SELECT account, sum(amount)::bigint AS amount, sum(overrun)::bigint AS overrun FROM spends
  WHERE falls <= %(now)s::float8 GROUP BY account)
SELECT a.account, a.limit_id, a.reserved, a.spent - coalesce(f.amount, 0),
       a.overrun - coalesce(f.overrun, 0), a.ceiling
FROM accounts AS a LEFT JOIN fallen AS f ON f.account = a.account
WHERE a.account >= %(prefix)s AND a.account > %(after)s AND a.account < %(prefix)s || chr(1114111)
ORDER BY a.account LIMIT %(most)s
"""
_REPORT = """
SELECT account, limit_id, reserved, spent, overrun, ceiling FROM accounts
WHERE %(limit)s IN ('', limit_id) ORDER BY account
"""
# of a window that rolls, only what it still counts
_RECOUNT = """
SELECT a.account, a.limit_id,
       coalesce(sum(h.value::bigint) FILTER (WHERE r.status = 0), 0)::bigint,
       coalesce(sum(h.value::bigint) FILTER (WHERE r.status IN (1, 4) AND (a.rolls = 0 OR EXISTS (
         SELECT FROM spends AS s WHERE s.account = a.account AND s.time = r.ended))), 0)::bigint,
       a.overrun, a.ceiling
FROM reservations AS r CROSS JOIN json_each_text(r.holds::json) AS h(key, value)
JOIN accounts AS a ON a.account = h.key
GROUP BY a.account ORDER BY a.account
"""


def read_usage(
    connection: Connection, accounts: Sequence[str], now: float | None
) -> dict[str, int]:
    """Reserved + spent of the accounts that exist, without what fell out of a window by ``now``."""
    values = {"names": list(accounts), "now": now}
    rows: Any = connection.execute(_USED, values, prepare=True).fetchall()
    return dict(rows)


def read_accounts(
    connection: Connection, prefix: str, *, now: float | None, after: str, most: int
) -> list[Usage]:
    """Up to ``most`` accounts by name, after one, that begin with ``prefix``."""
    values = {"prefix": prefix, "now": now, "after": after, "most": most}
    rows: Any = connection.execute(_ACCOUNTS, values).fetchall()
    return [_usage(*row) for row in rows]


def read_report(connection: Connection, limit: str) -> list[Usage]:
    """Every account of a limit ("" = all), by name."""
    rows: Any = connection.execute(_REPORT, {"limit": limit}).fetchall()
    return [_usage(*row) for row in rows]


def recounted(connection: Connection) -> list[Usage]:
    """The same report, counted from the reservations instead of read from the accounts."""
    rows: Any = connection.execute(_RECOUNT).fetchall()
    return [_usage(*row) for row in rows]


def _usage(
    account: str, limit: str, reserved: int, spent: int, overrun: int, ceiling: int
) -> Usage:
    return Usage(
        account=account,
        limit=limit,
        reserved=reserved,
        spent=spent,
        overrun=overrun,
        ceiling=ceiling,
    )

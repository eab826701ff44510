"""What accounts have used: for decisions, for reports, and counted again from the reservations."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import apsw
import msgspec

from nba_engine.domain import Usage
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Readers

__all__ = ["StoredAccounts", "read_report", "recounted"]

_encode_json = msgspec.json.Encoder().encode

# of a window that rolls, only what it still counts
_RECOUNT = """
SELECT a.account, a.limit_id,
       coalesce(sum(h.value) FILTER (WHERE r.status = 0), 0),
       coalesce(sum(h.value) FILTER (WHERE r.status IN (1, 4) AND (a.rolls = 0 OR EXISTS (
         SELECT 1 FROM spends AS s WHERE s.account = a.account AND s.time = r.ended))), 0),
       a.overrun, a.ceiling
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

# a range of names, so that accounts are found by their key; U+10FFFF is after every other character
_ACCOUNTS = """
WITH fallen AS MATERIALIZED (
  SELECT account, sum(amount) AS amount, sum(overrun) AS overrun FROM spends
  WHERE falls <= ?1 GROUP BY account)
SELECT a.account, a.limit_id, a.reserved, a.spent - coalesce(f.amount, 0),
       a.overrun - coalesce(f.overrun, 0), a.ceiling
FROM accounts AS a LEFT JOIN fallen AS f ON f.account = a.account
WHERE a.account >= ?2 AND a.account > ?3 AND a.account < ?2 || char(1114111)
ORDER BY a.account LIMIT +?4
"""


class StoredAccounts:
    """The verbs of `nba_engine.domain.Store` that read accounts, on SQLite."""

    _path: Path
    _readers: Readers

    def usage(self, accounts: Sequence[str], *, now: float | None = None) -> Mapping[str, int]:
        """Reserved + spent per account, in whole units; accounts never used are absent.

        Reservations that expired count until they are ended, by the next `reserve`, `record` or
        `expire`; what fell out of a rolling window by ``now`` does not.
        """
        try:
            return _read_usage(self._readers.connection(), accounts, now)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def accounts(
        self, prefix: str, *, now: float | None = None, after: str = "", most: int = 100
    ) -> Sequence[Usage]:
        """Accounts by name, a page at a time. See `nba_engine.domain.Store`."""
        try:
            return _read_accounts(
                self._readers.connection(), prefix, now=now, after=after, most=most
            )
        except UnicodeEncodeError:
            return []  # no such account can have been stored
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def usage_report(self, limit: str = "") -> Sequence[Usage]:
        """Every account of a limit ("" = all), sorted by name."""
        try:
            return read_report(self._readers.connection(), limit)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def recount(self) -> Sequence[Usage]:
        """`usage_report` counted from the reservations: equal to it unless something is broken."""
        try:
            return recounted(self._readers.connection())
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error


@functools.cache
def _usage_of(count: int) -> str:
    return f"{_USED}({', '.join('?' * count)})"


def _read_usage(
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


def _read_accounts(
    connection: apsw.Connection, prefix: str, *, now: float | None, after: str, most: int
) -> list[Usage]:
    """Up to ``most`` accounts by name, after one, that begin with ``prefix``."""
    rows = connection.execute(_ACCOUNTS, (now, prefix, after, most))
    return [_usage(*row) for row in rows]


def read_report(connection: apsw.Connection, limit: str) -> list[Usage]:
    """Every account of a limit ("" = all), by name."""
    rows = connection.execute(
        "SELECT account, limit_id, reserved, spent, overrun, ceiling FROM accounts"
        " WHERE ? IN ('', limit_id) ORDER BY account",
        (limit,),
    )
    return [_usage(*row) for row in rows]


def recounted(connection: apsw.Connection) -> list[Usage]:
    """The same report, counted from the reservations instead of read from the accounts."""
    return [_usage(*row) for row in connection.execute(_RECOUNT)]


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

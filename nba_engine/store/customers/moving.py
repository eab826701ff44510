"""The ledger's part of a merge: what was used under one customer's id counts under another's.

Accounts of the customer that goes are added to those of the one that stays, for the same limit,
scope and window; its reservations name the new accounts from then on, so that they are confirmed,
released and counted there. What no longer fits is an overhang: nothing more is granted until there
is room.
"""

from __future__ import annotations

from typing import Any

import apsw
import msgspec

from nba_engine.domain import of_customer

__all__ = ["move_accounts"]

_decode_holds = msgspec.json.Decoder(dict[str, int]).decode
_encode_json = msgspec.json.Encoder().encode

_RESERVATIONS = "SELECT reservation_id, holds FROM reservations WHERE customer_id = ?"
_REWRITE = "UPDATE reservations SET customer_id = ?, holds = ? WHERE reservation_id = ?"
# the lower ceiling of both: what is in force for the merged customer shows at the next grant
_ADD = """
INSERT INTO accounts(account, limit_id, ceiling, reserved, spent, overrun, rolls)
SELECT ?2, limit_id, ceiling, reserved, spent, overrun, rolls FROM accounts WHERE account = ?1
ON CONFLICT(account) DO UPDATE SET
  ceiling = min(ceiling, excluded.ceiling), reserved = reserved + excluded.reserved,
  spent = spent + excluded.spent, overrun = overrun + excluded.overrun,
  rolls = max(rolls, excluded.rolls)
"""
_ADD_SPENDS = """
INSERT INTO spends(account, time, falls, amount, overrun)
SELECT ?2, time, falls, amount, overrun FROM spends WHERE account = ?1
ON CONFLICT(account, time) DO UPDATE SET
  amount = amount + excluded.amount, overrun = overrun + excluded.overrun
"""
# windows of two lengths: the longer counts, until the next grant says which is in force
_FALL = "UPDATE spends SET falls = time + (SELECT rolls FROM accounts WHERE account = ?1) WHERE account = ?1"


def move_accounts(connection: apsw.Connection, before: str, after: str) -> None:
    """Let everything reserved and spent by customer ``before`` count for ``after``."""
    rows: list[Any] = connection.execute(_RESERVATIONS, (before,)).fetchall()
    accounts: dict[str, str] = {}
    for reservation, text in rows:
        holds: dict[str, int] = {}
        for account, amount in _decode_holds(text).items():
            moved = accounts.setdefault(account, of_customer(account, before, after))
            holds[moved] = holds.get(moved, 0) + amount
        connection.execute(_REWRITE, (after, _encode_json(holds).decode(), reservation))
    for account, moved in accounts.items():
        if account == moved:
            continue  # not the customer's own
        connection.execute(_ADD, (account, moved))
        connection.execute(_ADD_SPENDS, (account, moved))
        connection.execute(_FALL, (moved,))
        connection.execute("DELETE FROM spends WHERE account = ?", (account,))
        connection.execute("DELETE FROM accounts WHERE account = ?", (account,))

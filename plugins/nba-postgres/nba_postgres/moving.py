"""The ledger's part of a merge: what was used under one customer's id counts under another's.

As in `nba_engine.store.customers.moving`, by a transaction that has the store alone.
"""

from __future__ import annotations

import msgspec

from nba_engine.domain import of_customer
from nba_postgres.session import Session

__all__ = ["move_accounts"]

_decode_holds = msgspec.json.Decoder(dict[str, int]).decode
_encode_json = msgspec.json.Encoder().encode

_RESERVATIONS = "SELECT reservation_id, holds FROM reservations WHERE customer_id = %(before)s"
_REWRITE = """
UPDATE reservations SET customer_id = %(after)s, holds = new.holds
FROM unnest(%(names)s::text[], %(holds)s::text[]) AS new(name, holds)
WHERE reservation_id = new.name
"""
# the lower ceiling of both: what is in force for the merged customer shows at the next grant
_ADD = """
INSERT INTO accounts(account, limit_id, ceiling, reserved, spent, overrun, rolls)
SELECT %(after)s, limit_id, ceiling, reserved, spent, overrun, rolls
FROM accounts WHERE account = %(before)s
ON CONFLICT(account) DO UPDATE SET
  ceiling = least(accounts.ceiling, excluded.ceiling),
  reserved = accounts.reserved + excluded.reserved, spent = accounts.spent + excluded.spent,
  overrun = accounts.overrun + excluded.overrun, rolls = greatest(accounts.rolls, excluded.rolls)
"""
_ADD_SPENDS = """
INSERT INTO spends(account, time, falls, amount, overrun)
SELECT %(after)s, time, falls, amount, overrun FROM spends WHERE account = %(before)s
ON CONFLICT(account, time) DO UPDATE SET
  amount = spends.amount + excluded.amount, overrun = spends.overrun + excluded.overrun
"""
# windows of two lengths: the longer counts, until the next grant says which is in force
_FALL = """
UPDATE spends SET falls = time + (SELECT rolls FROM accounts WHERE account = %(after)s)
WHERE account = %(after)s
"""


def move_accounts(session: Session, before: str, after: str) -> None:
    """Let everything reserved and spent by customer ``before`` count for ``after``."""
    rows = session.rows(_RESERVATIONS, before=before)
    accounts: dict[str, str] = {}
    rewritten: dict[str, str] = {}
    for reservation, text in rows:
        holds: dict[str, int] = {}
        for account, amount in _decode_holds(text).items():
            moved = accounts.setdefault(account, of_customer(account, before, after))
            holds[moved] = holds.get(moved, 0) + amount
        rewritten[reservation] = _encode_json(holds).decode()
    if rewritten:
        names, texts = list(rewritten), list(rewritten.values())
        session.rows(_REWRITE, after=after, names=names, holds=texts)
    for account, moved in accounts.items():
        if account == moved:
            continue  # not the customer's own
        for sql in (_ADD, _ADD_SPENDS, _FALL):
            session.rows(sql, before=account, after=moved)
        session.rows("DELETE FROM spends WHERE account = %(before)s", before=account)
        session.rows("DELETE FROM accounts WHERE account = %(before)s", before=account)

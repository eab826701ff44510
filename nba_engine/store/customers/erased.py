"""Who was erased and may not come back: looked up by digests, by whoever was late.

Whatever was begun after the last erasure of all is not looked up: that is nearly everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from nba_engine.domain import Claim, digest_of_name
from nba_engine.errors import RequestTaken

__all__ = ["LAST_BEFORE", "erased_at", "last_erased_at", "refuse_erased", "salt_of", "was_erased"]

# decisions with higher ids were begun after every erasure; as an expression in other statements
LAST_BEFORE = "(SELECT max(before) FROM erasures)"
_OF = "FROM erased AS d JOIN erasures AS e ON e.sequence = d.sequence WHERE d.digest = ?"
_LAST_TIME = "SELECT time FROM erasures ORDER BY sequence DESC LIMIT 1"


def salt_of(connection: apsw.Connection) -> bytes:
    """What digests of names are made with: no two stores have the same."""
    salt: bytes = connection.execute("SELECT value FROM meta WHERE key = 'salt'").get
    return salt


def was_erased(connection: apsw.Connection, decision_id: str, names: Sequence[str]) -> bool:
    """Whether a decision was begun for a customer, by id or identity, that was erased since."""
    salt = salt_of(connection)
    for name in names:
        before = connection.execute(f"SELECT max(e.before) {_OF}", (digest_of_name(name, salt),))
        if decision_id < (before.get or ""):
            return True
    return False


def refuse_erased(connection: apsw.Connection, claim: Claim) -> None:
    """Raise `RequestTaken` for an attempt that was begun for a customer that was erased since."""
    if claim.identity and was_erased(connection, claim.decision_id, (claim.identity,)):
        raise RequestTaken("the customer was erased meanwhile")


def last_erased_at(connection: apsw.Connection) -> float:
    """When anybody was erased last."""
    return connection.execute(_LAST_TIME).get or float("-inf")


def erased_at(connection: apsw.Connection, name: str) -> float:
    """When whoever had this identity was erased last."""
    digest = digest_of_name(name, salt_of(connection))
    return connection.execute(f"SELECT max(e.time) {_OF}", (digest,)).get or float("-inf")

"""Erasing a customer from the database, and what is kept so that it does not come back.

One transaction removes all rows that say anything about the customer. Of its reservations those
remain that draw on limits shared with others, without the customer: the limits regain no room, and
a contact that is under way is still confirmed or released. Digests of its names stay behind. By them
late writers are told from new customers: a decision that was begun before (`before` in its id), an
interaction that happened before, a backup.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import apsw
import msgspec

from nba_engine.domain import (
    FILES,
    LOG,
    OPEN,
    SINKS,
    Erased,
    Erasure,
    digest_of_name,
    id_time,
    of_customer,
)
from nba_engine.errors import InvalidRequest, NotFound, Violation
from nba_engine.store.customers import salt_of, stored_text
from nba_engine.store.ledger import Ledger
from nba_engine.store.requests import release_held

__all__ = [
    "check_erasure",
    "close_erasure",
    "erase",
    "erase_again",
    "note_erased",
    "read_erased",
    "read_erasures",
]

_PENDING = (LOG, SINKS, FILES)

_encode = msgspec.json.Encoder(order="deterministic").encode
_words = msgspec.json.Decoder(tuple[str, ...]).decode
_counts = msgspec.json.Decoder(dict[str, int]).decode
_holds = msgspec.json.Decoder(dict[str, int]).decode

_LAST = "SELECT sequence, time FROM erasures ORDER BY sequence DESC LIMIT 1"
_NEW = "INSERT INTO erasures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READ = "SELECT sequence, erasure_id, time, known, counts, pending, kept FROM erasures"
_DIGESTS = "SELECT digest FROM erased WHERE sequence = ?"
_CUSTOMER = """
SELECT id FROM customers WHERE id = (SELECT customer FROM identities WHERE identity = ?1)
UNION SELECT id FROM customers WHERE customer_id = ?1
UNION SELECT customer FROM merged WHERE customer_id = ?1
"""
_NAMES = """
SELECT identity FROM identities WHERE customer = ?1
UNION ALL SELECT customer_id FROM customers WHERE id = ?1
UNION ALL SELECT customer_id FROM merged WHERE customer = ?1
"""
# every name that the store knows, for who is looked for by digest
_EVERY_NAME = """
SELECT identity FROM identities UNION SELECT customer_id FROM customers
UNION SELECT customer_id FROM merged UNION SELECT customer_id FROM reservations
UNION SELECT identity FROM decision_requests
"""
_OWN = (  # what was removed → its rows
    ("interactions", "DELETE FROM interactions WHERE customer = ?"),
    ("consents", "DELETE FROM consent_history WHERE customer = ?"),
    ("links", "DELETE FROM links WHERE customer = ?"),
    ("merged", "DELETE FROM merged WHERE customer = ?"),
    ("identities", "DELETE FROM identities WHERE customer = ?"),
    ("customers", "DELETE FROM customers WHERE id = ?"),
)
_RESERVATIONS = "SELECT reservation_id, holds FROM reservations WHERE customer_id = ?"


def check_erasure(identity: str, erasure_id: str) -> None:
    """Raise `InvalidRequest` for what names nobody, or cannot be kept."""
    violations = []
    if not stored_text(identity):
        violations.append(Violation(field="identity", description="must be a non-empty text"))
    if erasure_id and not stored_text(erasure_id):
        violations.append(Violation(field="request_id", description="is no text"))
    if violations:
        raise InvalidRequest(violations)


def erase(
    connection: apsw.Connection,
    ledger: Ledger,
    identity: str,
    erasure_id: str,
    now: float,
    *,
    simulated: bool,
) -> Erasure:
    """Erase whom the identity leads to; a repeat of the id tells what became of it. In a change."""
    salt = salt_of(connection)
    if erasure_id:
        found: Any = connection.execute(
            "SELECT asked FROM erasures WHERE erasure_id = ?", (erasure_id,)
        ).get
        if found is not None:
            if found != digest_of_name(identity, salt):
                wrong = Violation(field="request_id", description="was used before for another")
                raise InvalidRequest([wrong], reason="REQUEST_ID_REUSED")
            return _erasure(connection, erasure_id)
    at, sequence = _moment(connection, ledger, now, simulated=simulated)
    names, counts = _remove(connection, ledger, {identity}, at)
    erased = Erased(
        erasure_id=erasure_id or str(uuid4()),
        sequence=sequence,
        time=at,
        before=OPEN,
        salt=salt,
        digests=frozenset(digest_of_name(name, salt) for name in names),
        names=tuple(sorted(names)),
        pending=_PENDING,
    )
    _note(connection, erased, counts, digest_of_name(identity, salt))
    return _erasure(connection, erased.erasure_id)


def erase_again(
    connection: apsw.Connection, ledger: Ledger, erased: Iterable[Erased], now: float
) -> int:
    """Carry out erasures that this copy of the store has not seen. Runs inside a change."""
    salt = salt_of(connection)
    known = {one for (one,) in connection.execute("SELECT erasure_id FROM erasures")}
    missing = [one for one in erased if one.erasure_id not in known]
    if any(one.salt != salt for one in missing):
        raise InvalidRequest([Violation(field="erased", description="are another store's")])
    if not missing:
        return 0
    wanted: dict[bytes, set[str]] = {}
    for (name,) in connection.execute(_EVERY_NAME):
        wanted.setdefault(digest_of_name(name, salt), set()).add(name)
    at = ledger.time(connection, now)
    for one in sorted(missing, key=lambda each: each.sequence):
        held = set().union(*(wanted.get(digest, ()) for digest in one.digests))
        names, counts = _remove(connection, ledger, held, at)
        again = msgspec.structs.replace(
            one,
            names=tuple(sorted(names)),
            digests=one.digests | {digest_of_name(name, salt) for name in names},
            pending=_PENDING,
            sequence=_free(connection, one.sequence),
        )
        _note(connection, again, counts, b"")
    return len(missing)


def _moment(
    connection: apsw.Connection, ledger: Ledger, now: float, *, simulated: bool
) -> tuple[float, int]:
    """When it is erased, and the number of the erasure.

    Looked at in the transaction: whatever was committed earlier was begun earlier, by any clock of
    this machine. Erasures are in the order of their times.
    """
    last, latest = connection.execute(_LAST).get or (0, 0.0)
    if simulated:
        return max(now, latest), last + 1
    return max(ledger.time(connection, now), time.time(), latest), last + 1


def _free(connection: apsw.Connection, sequence: int) -> int:
    """The number itself if nobody has it, or the next one."""
    taken = connection.execute("SELECT 1 FROM erasures WHERE sequence = ?", (sequence,)).get
    last: int = connection.execute("SELECT coalesce(max(sequence), 0) FROM erasures").get
    return sequence if taken is None else last + 1


def _remove(
    connection: apsw.Connection, ledger: Ledger, asked: Iterable[str], now: float
) -> tuple[set[str], dict[str, int]]:
    """Remove everything held under these names; all names found, and what was removed."""
    names = set(asked)
    rows = {row for name in names for (row,) in connection.execute(_CUSTOMER, (name,))}
    names |= {name for row in rows for (name,) in connection.execute(_NAMES, (row,))}
    counts = {"decision_requests": _forget_requests(connection, ledger, names, now)}
    counts |= _detach(connection, names)
    for kind, statement in _OWN:
        counts[kind] = 0
        for row in rows:
            connection.execute(statement, (row,))
            counts[kind] += connection.changes()
    return names, {kind: count for kind, count in counts.items() if count}


def _forget_requests(
    connection: apsw.Connection, ledger: Ledger, names: Iterable[str], now: float
) -> int:
    """Answers that were remembered; attempts that are under way give back what they hold."""
    count = 0
    for name in names:
        found: list[Any] = connection.execute(
            "SELECT id, held, answer IS NULL FROM decision_requests WHERE identity = ?", (name,)
        ).fetchall()
        for row, held, is_open in found:
            if is_open:
                release_held(connection, ledger, held, now)
            connection.execute("DELETE FROM decision_requests WHERE id = ?", (row,))
        count += len(found)
    return count


def _detach(connection: apsw.Connection, names: Iterable[str]) -> dict[str, int]:
    """Reservations lose their customer, and go unless they draw on shared limits; so do accounts."""
    reservations: list[Any] = []
    own: set[str] = set()
    for name in names:
        reservations += connection.execute(_RESERVATIONS, (name,)).fetchall()
    for reservation, text in reservations:
        holds = _holds(text)
        theirs = {account for account in holds if _is_own(account, names)}
        own |= theirs
        shared = {account: amount for account, amount in holds.items() if account not in theirs}
        if shared:
            connection.execute(
                "UPDATE reservations SET customer_id = '', holds = ? WHERE reservation_id = ?",
                (_encode(shared).decode(), reservation),
            )
        else:
            connection.execute("DELETE FROM reservations WHERE reservation_id = ?", (reservation,))
    for table in ("spends", "accounts"):
        connection.executemany(
            f"DELETE FROM {table} WHERE account = ?",  # noqa: S608 - constants
            [(account,) for account in own],
        )
    return {"reservations": len(reservations), "accounts": len(own)}


def _is_own(account: str, names: Iterable[str]) -> bool:
    return any(of_customer(account, name, "") != account for name in names)


def _note(
    connection: apsw.Connection, erased: Erased, counts: Mapping[str, int], asked: bytes
) -> None:
    connection.execute(
        _NEW,
        (
            erased.sequence,
            erased.erasure_id,
            erased.time,
            erased.before,
            int(counts.get("customers", 0) > 0),
            _encode(counts).decode(),
            _encode(erased.pending).decode(),
            "[]",
            _encode(erased.names).decode(),
            asked,
        ),
    )
    connection.executemany(
        "INSERT INTO erased VALUES (?, ?)", [(one, erased.sequence) for one in erased.digests]
    )


def close_erasure(connection: apsw.Connection, erasure_id: str, *, simulated: bool) -> None:
    """From now on decisions are a new customer's: the commit of the erasure can be seen.

    In a change of its own, for a decision that begins while the first one is being committed may
    still read the customer. Runs inside a change; nothing happens when it was done before.
    """
    moment = connection.execute(
        "SELECT time FROM erasures WHERE erasure_id = ? AND before = ?", (erasure_id, OPEN)
    ).get
    if moment is not None:
        seen = moment if simulated else max(moment, time.time())
        connection.execute(
            "UPDATE erasures SET before = ? WHERE erasure_id = ?",
            (id_time(seen + 0.001), erasure_id),
        )


def note_erased(
    connection: apsw.Connection,
    erasure_id: str,
    counts: Mapping[str, int],
    pending: Sequence[str],
    kept: Sequence[str],
) -> Erasure:
    """Note what was removed elsewhere, and where something may still be. Runs inside a change.

    The names are forgotten with the last place that needs them.
    """
    before = _erasure(connection, erasure_id)
    connection.execute(
        "UPDATE erasures SET counts = ?, pending = ?, kept = ?,"
        " names = CASE WHEN ? THEN names END WHERE erasure_id = ?",
        (
            _encode({**before.counts, **counts}).decode(),
            _encode(pending).decode(),
            _encode(sorted({*before.kept, *kept})).decode(),
            bool({*pending} - {FILES}),
            erasure_id,
        ),
    )
    return _erasure(connection, erasure_id)


def _erasure(connection: apsw.Connection, erasure_id: str) -> Erasure:
    row: Any = connection.execute(f"{_READ} WHERE erasure_id = ?", (erasure_id,)).get
    if row is None:
        raise NotFound(f"there is no erasure {erasure_id}")
    return _told(row)


def _told(row: tuple[Any, ...]) -> Erasure:
    sequence, erasure_id, moment, known, counts, pending, kept = row
    return Erasure(
        erasure_id=erasure_id,
        sequence=sequence,
        time=moment,
        known=bool(known),
        counts=_counts(counts),
        pending=_words(pending),
        kept=_words(kept),
    )


def read_erasures(connection: apsw.Connection, most: int) -> list[Erasure]:
    """The newest erasures, the newest first."""
    rows = connection.execute(f"{_READ} ORDER BY sequence DESC LIMIT ?", (most,))
    return [_told(row) for row in rows]


def read_erased(connection: apsw.Connection, after: int) -> list[Erased]:
    """Who was erased, from behind a sequence on, in their order."""
    with connection:  # one moment for both tables
        salt = salt_of(connection)
        rows: list[Any] = connection.execute(
            "SELECT sequence, erasure_id, time, before, coalesce(names, '[]'), pending"
            " FROM erasures WHERE sequence > ? ORDER BY sequence",
            (after,),
        ).fetchall()
        found = [
            Erased(
                erasure_id=erasure_id,
                sequence=sequence,
                time=moment,
                before=before,
                salt=salt,
                digests=frozenset(one for (one,) in connection.execute(_DIGESTS, (sequence,))),
                names=_words(names),
                pending=_words(pending),
            )
            for sequence, erasure_id, moment, before, names, pending in rows
        ]
    return found

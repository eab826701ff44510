"""What a transaction has decided, written in one round trip that ends with the commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nba_postgres.book import Book
from nba_postgres.changes import Write
from nba_postgres.claims import Claims
from nba_postgres.people import People, Person
from nba_postgres.session import Statement
from nba_postgres.unit import Unit

__all__ = ["writing"]

_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode

_NEW_CUSTOMERS = """
INSERT INTO customers(id, customer_id, state, stamps)
SELECT * FROM unnest(%(rows)s::bigint[], %(ids)s::text[], %(states)b::bytea[], %(stamps)b::bytea[])
"""
_CUSTOMERS = """
UPDATE customers SET state = new.state, stamps = new.stamps
FROM unnest(%(rows)s::bigint[], %(states)b::bytea[], %(stamps)b::bytea[]) AS new(id, state, stamps)
WHERE customers.id = new.id
"""
_SAID = """
INSERT INTO consent_history(customer, consent, time, granted, source, identity)
SELECT * FROM unnest(%(rows)s::bigint[], %(words)s::text[], %(times)s::float8[],
                     %(granted)s::smallint[], %(sources)s::text[], %(identities)s::text[])
ON CONFLICT DO NOTHING
"""
_PROGRESS = """
INSERT INTO progress(name, value) SELECT * FROM unnest(%(names)s::text[], %(values)s::text[])
  AS new(name, value) ORDER BY name COLLATE "C"
ON CONFLICT(name) DO UPDATE SET value = excluded.value
"""

_NEW_ENTRIES = """
INSERT INTO reservations(reservation_id, decision_id, customer_id, status, expires, ended, holds)
SELECT * FROM unnest(%(ids)s::text[], %(decisions)s::text[], %(customers)s::text[],
                     %(statuses)s::smallint[], %(expires)s::float8[], %(ended)s::float8[],
                     %(holds)s::text[]) AS new(id)
ORDER BY id COLLATE "C"
"""
_ENTRIES = """
UPDATE reservations SET status = new.status, ended = new.ended
FROM unnest(%(names)s::text[], %(statuses)s::smallint[], %(ended)s::float8[])
  AS new(name, status, ended)
WHERE reservation_id = new.name
"""
_ACCOUNTS = """
UPDATE accounts SET limit_id = new.limit_id, ceiling = new.ceiling, reserved = new.reserved,
  spent = new.spent, overrun = new.overrun, rolls = new.rolls
FROM unnest(%(names)s::text[], %(limits)s::text[], %(ceilings)s::bigint[], %(reserved)s::bigint[],
            %(spent)s::bigint[], %(overruns)s::bigint[], %(rolls)s::float8[])
  AS new(name, limit_id, ceiling, reserved, spent, overrun, rolls)
WHERE account = new.name
"""
# what is granted: both at once, for each statement costs more than what it does
_GRANTED = f"WITH entries AS ({_NEW_ENTRIES}) {_ACCOUNTS}"
_UNUSED_ACCOUNTS = "DELETE FROM accounts WHERE account = ANY(%(names)s::text[])"
_FALLEN = """
DELETE FROM spends USING unnest(%(names)s::text[], %(times)s::float8[]) AS old(account, time)
WHERE spends.account = old.account AND spends.time = old.time
"""
_SPENT = """
INSERT INTO spends(account, time, falls, amount, overrun)
SELECT * FROM unnest(%(names)s::text[], %(times)s::float8[], %(falls)s::float8[],
                     %(amounts)s::bigint[], %(overruns)s::bigint[])
ON CONFLICT(account, time) DO UPDATE SET
  amount = spends.amount + excluded.amount, overrun = spends.overrun + excluded.overrun
"""
_RESIZED = """
UPDATE spends SET falls = time + accounts.rolls FROM accounts
WHERE accounts.account = spends.account AND spends.account = ANY(%(names)s::text[])
"""

_REQUESTS = """
UPDATE decision_requests SET fingerprint = new.fingerprint, decision_id = new.decision_id,
  identity = new.identity, until = new.until, expires = new.expires, held = new.held, answer = new.answer
FROM unnest(%(names)s::text[], %(fingerprints)b::bytea[], %(decisions)s::text[],
            %(identities)s::text[], %(untils)s::float8[], %(expires)s::float8[], %(held)s::text[],
            %(answers)b::bytea[])
  AS new(name, fingerprint, decision_id, identity, until, expires, held, answer)
WHERE request_id = new.name
"""
_FREE_REQUESTS = "DELETE FROM decision_requests WHERE request_id = ANY(%(names)s::text[])"
_CLOCK = """
INSERT INTO meta(key, value) VALUES ('clock', %(now)s)
ON CONFLICT(key) DO UPDATE SET value = greatest(meta.value, excluded.value)
"""


def writing(unit: Unit) -> list[Statement]:
    """The statements that write all that changed; the last one commits."""
    found = [
        *_customers(unit.people),
        *_progress(unit.changes),
        *_entries(unit.book),
        *_spends(unit.book),
        *_requests(unit.claims),
    ]
    if unit.book.clock_moved:  # the last lock: nobody waits for it holding something others need
        found.append(Statement(_CLOCK, {"now": unit.book.clock}))
    return [*found, Statement("COMMIT")]


def _customers(people: People) -> Iterator[Statement]:
    changed = sorted((one for one in people.by_row.values() if one.changed), key=_row)
    new = [one for one in changed if one.new]
    old = [one for one in changed if not one.new]
    if new:
        ids = [one.state.customer_id for one in new]
        yield Statement(_NEW_CUSTOMERS, {**_states(new), "ids": ids})
    if old:
        yield Statement(_CUSTOMERS, _states(old))
    said = [(one.row, *words) for one in people.by_row.values() for words in one.said]
    if said:
        yield Statement(
            _SAID,
            {
                "rows": [row for row, _, _, _ in said],
                "words": [word for _, word, _, _ in said],
                "times": [float(consent.time) for _, _, consent, _ in said],
                "granted": [int(consent.granted) for _, _, consent, _ in said],
                "sources": [consent.source for _, _, consent, _ in said],
                "identities": [identity for _, _, _, identity in said],
            },
        )


def _row(person: Person) -> int:
    return person.row


def _states(people: Sequence[Person]) -> Mapping[str, Any]:
    return {
        "rows": [one.row for one in people],
        "states": [_encode(one.state) for one in people],
        "stamps": [_encode(one.stamps) for one in people],
    }


def _progress(changes: Sequence[object]) -> Iterator[Statement]:
    marks = dict(
        one.progress for one in changes if isinstance(one, Write) and one.progress is not None
    )
    if marks:
        yield Statement(_PROGRESS, {"names": list(marks), "values": list(marks.values())})


def _entries(book: Book) -> Iterator[Statement]:
    new = [one for one in book.entries.values() if one.new]
    accounts = {name: one for name, one in book.accounts.items() if one.changed}
    granted = {
        "ids": [one.reservation_id for one in new],
        "decisions": [one.decision_id for one in new],
        "customers": [one.customer_id for one in new],
        "statuses": [one.status for one in new],
        "expires": [float(one.expires) for one in new],
        "ended": [one.ended for one in new],
        "holds": [_encode_json(one.holds).decode() for one in new],
    }
    rows = accounts.values()
    counters = {
        "names": list(accounts),
        "limits": [one.limit for one in rows],
        "ceilings": [one.ceiling for one in rows],
        "reserved": [one.reserved for one in rows],
        "spent": [one.spent for one in rows],
        "overruns": [one.overrun for one in rows],
        "rolls": [float(one.rolls) for one in rows],
    }
    if new and accounts:
        yield Statement(_GRANTED, {**granted, **counters})
    elif new:
        yield Statement(_NEW_ENTRIES, granted)
    elif accounts:
        yield Statement(_ACCOUNTS, counters)
    old = [one for one in book.entries.values() if one.changed and not one.new]
    if old:
        yield Statement(
            _ENTRIES,
            {
                "names": [one.reservation_id for one in old],
                "statuses": [one.status for one in old],
                "ended": [one.ended for one in old],
            },
        )
    unused = [name for name, one in book.accounts.items() if one.new and not one.changed]
    if unused:
        yield Statement(_UNUSED_ACCOUNTS, {"names": unused})


def _spends(book: Book) -> Iterator[Statement]:
    fallen = [one for one in book.spends if one.fallen and not one.new]
    if fallen:
        times = [one.time for one in fallen]
        yield Statement(_FALLEN, {"names": [one.account for one in fallen], "times": times})
    spent = [one for one in book.spends if one.new and not one.fallen]
    if spent:
        yield Statement(
            _SPENT,
            {
                "names": [one.account for one in spent],
                "times": [float(one.time) for one in spent],
                "falls": [float(one.falls) for one in spent],
                "amounts": [one.amount for one in spent],
                "overruns": [one.overrun for one in spent],
            },
        )
    resized = [name for name, one in book.accounts.items() if one.resized]
    if resized:
        yield Statement(_RESIZED, {"names": resized})


def _requests(claims: Claims) -> Iterator[Statement]:
    kept = {
        name: row for name, row in claims.rows.items() if row is not None and name in claims.changed
    }
    if kept:
        rows = kept.values()
        yield Statement(
            _REQUESTS,
            {
                "names": list(kept),
                "fingerprints": [one.fingerprint for one in rows],
                "decisions": [one.decision_id for one in rows],
                "identities": [one.identity for one in rows],
                "untils": [float(one.until) for one in rows],
                "expires": [float(one.expires) for one in rows],
                "held": [_encode_json(one.held).decode() for one in rows],
                "answers": [one.answer for one in rows],
            },
        )
    freed = [
        name
        for name, row in claims.rows.items()
        if row is None and (name in claims.changed or name in claims.made)
    ]
    if freed:
        yield Statement(_FREE_REQUESTS, {"names": sorted(freed)})

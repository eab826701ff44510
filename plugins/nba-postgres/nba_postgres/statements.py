"""What a transaction of many changes says to the server.

Rows are locked and inserted in the order of their names; see `nba_postgres.unit`. Lists are handed
over as arrays, so that there is one statement for any number of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nba_engine.domain import Claim
from nba_engine.store.interactions import Prepared
from nba_postgres.session import Statement

__all__ = [
    "ADOPT",
    "CLOCK",
    "DEAD_REQUESTS",
    "ERASED",
    "FACTS",
    "IDENTITIES",
    "KNOWN_INTERACTIONS",
    "LAST_ERASURE",
    "LOCK_ACCOUNTS",
    "LOCK_ALL",
    "LOCK_CUSTOMERS",
    "LOCK_PROGRESS",
    "LOCK_REQUESTS",
    "LOCK_RESERVATIONS",
    "NEW_ACCOUNTS",
    "NEW_IDENTITIES",
    "PROGRESS",
    "SALT",
    "SHARE",
    "SPENDS",
    "UPDATES",
    "claim_rows",
    "interactions",
    "note_updates",
]

SHARE = "SELECT pg_advisory_xact_lock_shared(%(lock)s)"
LOCK_ALL = "SELECT pg_advisory_xact_lock(%(lock)s)"
CLOCK = "SELECT value FROM meta WHERE key = 'clock'"
# What is only read at the beginning, in one statement, for each costs more than what it does: the
# clock, what was forgotten, whether anybody was erased; who is behind which identity; of names in
# requests, who that is now under another name, and whether it is anybody; the accounts that
# something falls out of.
FACTS = """
SELECT (SELECT value FROM meta WHERE key = 'clock'),
  (SELECT value FROM meta WHERE key = 'kept_since'),
  (SELECT value FROM meta WHERE key = 'windows_since'),
  EXISTS (SELECT FROM erasures),
  (SELECT json_object_agg(identity, customer) FROM identities
   WHERE identity = ANY(%(names)s::text[])),
  (SELECT json_agg(json_build_array(name, (
     SELECT customer_id FROM customers WHERE id = coalesce(
       (SELECT customer FROM merged WHERE merged.customer_id = name),
       (SELECT customer FROM identities WHERE identities.identity = name))),
     EXISTS (SELECT FROM customers WHERE customers.customer_id = name)))
   FROM unnest(%(holders)s::text[]) AS asked(name)),
  ARRAY(SELECT DISTINCT account FROM (
    SELECT account FROM spends
    WHERE falls <= greatest(%(at)s, (SELECT value FROM meta WHERE key = 'clock'))
    ORDER BY falls LIMIT %(most)s) AS due)
"""
# progress marks are few, and may not be there yet: each is locked by the number of its name
LOCK_PROGRESS = """
SELECT pg_advisory_xact_lock(number)
FROM (SELECT number FROM unnest(%(numbers)s::bigint[]) AS named(number) ORDER BY number) AS sorted
"""
PROGRESS = "SELECT name, value FROM progress WHERE name = ANY(%(names)s::text[])"

_ATTEMPT = (
    "request_id, fingerprint, decision_id, identity, until, expires, held, answer IS NOT NULL"
)
_NEW_REQUESTS = """
INSERT INTO decision_requests(
  request_id, fingerprint, decision_id, identity, until, expires, held)
SELECT name, fingerprint, decision_id, identity, until, expires, '[]'
FROM unnest(%(names)s::text[], %(fingerprints)b::bytea[], %(decisions)s::text[],
            %(identities)s::text[], %(untils)s::float8[], %(expires)s::float8[])
  AS new(name, fingerprint, decision_id, identity, until, expires)
ORDER BY name COLLATE "C" ON CONFLICT DO NOTHING RETURNING request_id
"""
LOCK_REQUESTS = f"""
SELECT {_ATTEMPT} FROM decision_requests WHERE request_id = ANY(%(names)s::text[])
ORDER BY request_id FOR UPDATE
"""  # noqa: S608 - a constant
DEAD_REQUESTS = f"""
SELECT {_ATTEMPT} FROM decision_requests WHERE answer IS NULL AND until <= %(at)s
ORDER BY until LIMIT %(most)s FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - a constant
_NOTE_UPDATES = """
INSERT INTO requests(request, time, body)
SELECT request, %(now)s, body
FROM unnest(%(requests)b::bytea[], %(bodies)b::bytea[]) AS new(request, body)
ORDER BY request ON CONFLICT DO NOTHING RETURNING request
"""
UPDATES = "SELECT request, body FROM requests WHERE request = ANY(%(requests)b::bytea[])"

LAST_ERASURE = "SELECT max(before), max(time) FROM erasures"
SALT = "SELECT bytes FROM meta WHERE key = 'salt'"
ERASED = """
SELECT digest, max(before), max(time) FROM erased JOIN erasures USING (sequence)
WHERE digest = ANY(%(digests)b::bytea[]) GROUP BY digest
"""

IDENTITIES = "SELECT identity, customer FROM identities WHERE identity = ANY(%(names)s::text[])"
# numbered as they were named (who is known longest counts in a merge), inserted by name
NEW_IDENTITIES = """
WITH named AS MATERIALIZED (
  SELECT name, CASE WHEN new THEN nextval('customers_id') END AS customer
  FROM unnest(%(names)s::text[], %(new)s::bool[]) AS wanted(name, new))
INSERT INTO identities(identity, customer)
SELECT * FROM named ORDER BY name COLLATE "C" ON CONFLICT DO NOTHING RETURNING identity, customer
"""
ADOPT = """
UPDATE identities SET customer = nextval('customers_id')
WHERE identity = ANY(%(names)s::text[]) AND customer IS NULL RETURNING identity, customer
"""
LOCK_CUSTOMERS = """
SELECT id, state, stamps FROM customers WHERE id = ANY(%(rows)s::bigint[]) ORDER BY id FOR UPDATE
"""

KNOWN_INTERACTIONS = (
    "SELECT interaction_id FROM interactions WHERE interaction_id = ANY(%(names)s::text[])"
)
# numbered as they arrived, inserted by name
_INTERACTIONS = """
WITH arrived AS MATERIALIZED (
  SELECT nextval('interactions_id') AS id, new.*
  FROM unnest(%(names)s::text[], %(customers)s::bigint[], %(identities)s::text[],
              %(types)s::text[], %(times)s::float8[], %(recommendations)s::text[],
              %(properties)b::bytea[], %(recorded)s::float8[])
    AS new(name, customer, identity, type, time, recommendation, properties, recorded))
INSERT INTO interactions(
  id, interaction_id, customer, identity, type, time, recommendation_id, properties, recorded)
SELECT * FROM arrived ORDER BY name COLLATE "C" ON CONFLICT DO NOTHING RETURNING interaction_id
"""

_ENTRY = "reservation_id, decision_id, customer_id, status, expires, holds"
# those that are named, in their order, and what is due, as far as nobody else holds it
LOCK_RESERVATIONS = f"""
WITH named AS MATERIALIZED (
  SELECT {_ENTRY} FROM reservations WHERE reservation_id = ANY(%(names)s::text[])
  ORDER BY reservation_id FOR UPDATE),
due AS MATERIALIZED (
  SELECT {_ENTRY} FROM reservations
  WHERE status = 0 AND expires <= greatest(%(at)s, (SELECT value FROM meta WHERE key = 'clock'))
  ORDER BY expires LIMIT %(most)s FOR UPDATE SKIP LOCKED)
SELECT false, * FROM named UNION ALL SELECT true, * FROM due
"""  # noqa: S608 - a constant
NEW_ACCOUNTS = """
INSERT INTO accounts(account, limit_id, ceiling, reserved, spent, overrun, rolls)
SELECT name, '', 0, 0, 0, 0, 0 FROM unnest(%(names)s::text[]) AS new(name)
ORDER BY name COLLATE "C" ON CONFLICT DO NOTHING RETURNING account
"""
LOCK_ACCOUNTS = """
SELECT account, limit_id, ceiling, reserved, spent, overrun, rolls FROM accounts
WHERE account = ANY(%(names)s::text[]) ORDER BY account FOR UPDATE
"""
# What fell out of a window by the moment or the clock, if that is later; and all of the accounts
# whose window has another length from now on.
SPENDS = """
SELECT account, time, falls, amount, overrun FROM spends
WHERE account = ANY(%(names)s::text[])
  AND falls <= greatest(%(at)s, (SELECT value FROM meta WHERE key = 'clock'))
UNION
SELECT s.account, s.time, s.falls, s.amount, s.overrun
FROM unnest(%(windows)s::text[], %(lengths)s::float8[]) AS new(account, rolls)
JOIN accounts AS a ON a.account = new.account AND a.rolls > 0 AND a.rolls <> new.rolls
JOIN spends AS s ON s.account = a.account
"""


def claim_rows(claims: Sequence[Claim]) -> Statement:
    """Rows that lock request ids nobody has used."""
    values = {
        "names": [one.request_id for one in claims],
        "fingerprints": [one.fingerprint for one in claims],
        "decisions": [one.decision_id for one in claims],
        "identities": [one.identity for one in claims],
        "untils": [one.until for one in claims],
        "expires": [one.expires for one in claims],
    }
    return Statement(_NEW_REQUESTS, values)


def note_updates(bodies: Mapping[bytes, bytes], now: float) -> Statement:
    """Rows of updates and links: digests of their request ids, and of what they ask for."""
    values = {"requests": list(bodies), "bodies": list(bodies.values()), "now": now}
    return Statement(_NOTE_UPDATES, values)


def interactions(items: Iterable[tuple[Prepared, float]], rows: Mapping[str, int]) -> Statement:
    """Interactions of these customers with when they arrived, as far as they are not there yet."""
    prepared, recorded = zip(*items, strict=True)
    happened = [one.interaction for one in prepared]
    values = {
        "names": [one.interaction_id for one in happened],
        "customers": [rows[one.identity] for one in happened],
        "identities": [one.identity for one in happened],
        "types": [one.type for one in happened],
        "times": [float(one.time) for one in happened],
        "recommendations": [one.recommendation_id for one in happened],
        "properties": [one.properties for one in prepared],
        "recorded": list(recorded),
    }
    return Statement(_INTERACTIONS, values)

"""The tables of a store file."""

from __future__ import annotations

from nba_engine.store.catalogs import CATALOGS
from nba_engine.store.files import Format

__all__ = ["CONFIRMED", "EXPIRED", "OVERRUN", "RELEASED", "RESERVED", "STORE"]

# reservations.status
RESERVED, CONFIRMED, RELEASED, EXPIRED, OVERRUN = range(5)

_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

CREATE TABLE customers(
  id INTEGER PRIMARY KEY,
  customer_id TEXT NOT NULL UNIQUE,
  state BLOB NOT NULL,                -- msgpack of CustomerState
  stamps BLOB NOT NULL                -- msgpack of {attribute: when it was set}, for merges
) STRICT;
CREATE TABLE identities(
  identity TEXT PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_of ON identities(customer);
CREATE TABLE merged(                  -- customers that are no more, and who they are now
  customer_id TEXT PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers
) STRICT, WITHOUT ROWID;
CREATE INDEX merged_of ON merged(customer);
CREATE TABLE links(
  id INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL REFERENCES customers,
  time REAL NOT NULL,
  source TEXT NOT NULL,               -- who said so
  identities TEXT NOT NULL,           -- JSON: all that the link named
  merged TEXT NOT NULL                -- JSON: ids of the customers it ended
) STRICT;
CREATE INDEX links_of ON links(customer);
CREATE TABLE consent_history(         -- all that customers said of consents
  customer INTEGER NOT NULL REFERENCES customers,
  consent TEXT NOT NULL,              -- purpose:channel
  time REAL NOT NULL,
  granted INTEGER NOT NULL,
  source TEXT NOT NULL,
  identity TEXT NOT NULL,             -- by which it was said
  PRIMARY KEY(customer, consent, time, granted, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE interactions(             -- a number is not used again: who read it comes back to it
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  interaction_id TEXT NOT NULL UNIQUE,
  customer INTEGER NOT NULL REFERENCES customers,
  identity TEXT NOT NULL,
  type TEXT NOT NULL,
  time REAL NOT NULL,
  recommendation_id TEXT NOT NULL,
  properties BLOB NOT NULL,           -- msgpack of a map
  recorded REAL                       -- when it arrived; NULL: before that was noted
) STRICT;
CREATE INDEX interactions_of ON interactions(customer);

CREATE TABLE accounts(
  account TEXT PRIMARY KEY,
  limit_id TEXT NOT NULL,
  ceiling INTEGER NOT NULL,           -- the amount in force at the last grant
  reserved INTEGER NOT NULL,
  spent INTEGER NOT NULL,
  overrun INTEGER NOT NULL,           -- what late confirmations charged beyond the ceiling
  rolls REAL NOT NULL                 -- seconds during which what was spent counts; 0: always
) STRICT, WITHOUT ROWID;
-- What the windows that roll still count. It is part of accounts.spent until it falls out.
CREATE TABLE spends(
  account TEXT NOT NULL,
  time REAL NOT NULL,                 -- of the confirmation, by the ledger's clock
  falls REAL NOT NULL,                -- time + rolls
  amount INTEGER NOT NULL,
  overrun INTEGER NOT NULL,
  PRIMARY KEY(account, time)
) STRICT, WITHOUT ROWID;
CREATE INDEX spends_due ON spends(falls);
CREATE TABLE reservations(            -- by rowid: new ones go where the last one did
  id INTEGER PRIMARY KEY,
  reservation_id TEXT NOT NULL UNIQUE,
  decision_id TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  status INTEGER NOT NULL,            -- 0 reserved 1 confirmed 2 released 3 expired 4 overrun
  expires REAL NOT NULL,
  ended REAL,
  holds TEXT NOT NULL                 -- JSON: {account: amount, ...}
) STRICT;
CREATE INDEX reservations_due ON reservations(expires) WHERE status = 0;
CREATE INDEX reservations_of ON reservations(customer_id);

-- Decisions that were asked for with a request id. By rowid, so that answers are written where the
-- last one was, and are forgotten from the lowest on.
CREATE TABLE decision_requests(
  id INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL UNIQUE,
  fingerprint BLOB NOT NULL,          -- digest of the request's body
  decision_id TEXT NOT NULL,          -- the attempt that holds the id
  identity TEXT NOT NULL,             -- whom it decides for
  until REAL NOT NULL,                -- without an answer by then, the attempt died
  expires REAL NOT NULL,
  held TEXT NOT NULL,                 -- JSON: reservations that the attempt asked for
  answer BLOB
) STRICT;
CREATE INDEX decision_requests_open ON decision_requests(until) WHERE answer IS NULL;
CREATE INDEX decision_requests_of ON decision_requests(identity);

CREATE TABLE requests(                -- updates of profiles, and links
  request BLOB PRIMARY KEY,           -- digest of the request id: it names nobody
  time REAL NOT NULL,
  body BLOB NOT NULL                  -- digest of the request
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_by_time ON requests(time);

CREATE TABLE progress(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE erasures(                -- of customers; they name nobody once they are done
  sequence INTEGER PRIMARY KEY,
  erasure_id TEXT NOT NULL UNIQUE,
  time REAL NOT NULL,
  before TEXT NOT NULL,               -- decisions with lower ids were begun before; "~": all
  known INTEGER NOT NULL,             -- whether there was a customer
  counts TEXT NOT NULL,               -- JSON: {what was removed: how many, ...}
  pending TEXT NOT NULL,              -- JSON: where something may still be
  kept TEXT NOT NULL,                 -- JSON: places that cannot remove anything
  names TEXT,                         -- JSON: identities and ids, as long as a place needs them
  asked BLOB NOT NULL                 -- digest of the identity that was named
) STRICT;
CREATE INDEX erasures_before ON erasures(before);
CREATE TABLE erased(                  -- who may not come back: digests of identities and ids
  digest BLOB NOT NULL,
  sequence INTEGER NOT NULL REFERENCES erasures,
  PRIMARY KEY(digest, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_by ON erased(sequence);
"""

STORE = Format(
    name="store of nba-engine",
    application_id=0x6E626173,  # "nbas"
    version=4,  # 2: decision_requests; 3: windows that roll; 4: when interactions arrived
    schema=_SCHEMA + CATALOGS,
    upgrades={3: "ALTER TABLE interactions ADD COLUMN recorded REAL"},
)

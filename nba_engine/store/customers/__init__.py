"""Customers as they are stored: states, identities, interactions, and what moves when two become one."""

from nba_engine.store.customers.arrivals import StoredArrivals
from nba_engine.store.customers.customers import (
    NOBODY,
    Changing,
    NewId,
    Working,
    WorkingSet,
    check_updates,
    decode_stamps,
    decode_state,
    derived_id,
    insert_customer,
    random_id,
    read_state,
    stored_text,
    update_customers,
)
from nba_engine.store.customers.erased import (
    LAST_BEFORE,
    erased_at,
    last_erased_at,
    refuse_erased,
    salt_of,
    was_erased,
)
from nba_engine.store.customers.forgetting import StoredForgetting, check_before
from nba_engine.store.customers.histories import StoredHistories
from nba_engine.store.customers.holdings import (
    CUSTOMER_ID,
    ROW,
    held_of,
    identities_of,
    read_holdings,
    read_identities,
)
from nba_engine.store.customers.moving import move_accounts
from nba_engine.store.customers.retained import kept_since

__all__ = [
    "CUSTOMER_ID",
    "LAST_BEFORE",
    "NOBODY",
    "ROW",
    "Changing",
    "NewId",
    "StoredArrivals",
    "StoredForgetting",
    "StoredHistories",
    "Working",
    "WorkingSet",
    "check_before",
    "check_updates",
    "decode_stamps",
    "decode_state",
    "derived_id",
    "erased_at",
    "held_of",
    "identities_of",
    "insert_customer",
    "kept_since",
    "last_erased_at",
    "move_accounts",
    "random_id",
    "read_holdings",
    "read_identities",
    "read_state",
    "refuse_erased",
    "salt_of",
    "stored_text",
    "update_customers",
    "was_erased",
]

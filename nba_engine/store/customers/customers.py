"""Customers: one read on the hot path, and the ones a change works on."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import apsw
import msgspec

from nba_engine.domain import Consent, CustomerState, ProfileUpdate, Value
from nba_engine.errors import InvalidRequest, Violation
from nba_engine.store.customers.moving import move_accounts

__all__ = [
    "NOBODY",
    "Changing",
    "Customers",
    "NewId",
    "WorkingSet",
    "check_updates",
    "decode_stamps",
    "decode_state",
    "derived_id",
    "insert_customer",
    "random_id",
    "read_state",
    "stored_text",
    "update_customers",
]

NewId = Callable[[str], str]

# Not a join: SQLite plans one by the value bound to it (STAT4), so it would be parsed and planned
# again for every identity, at three times the cost of the read.
_FIND = (
    "SELECT state FROM customers WHERE id = (SELECT customer FROM identities WHERE identity = ?)"
)
_ROW = "SELECT customer FROM identities WHERE identity = ?"
_STATE = "SELECT state FROM customers WHERE id = ?"
_WRITE = "UPDATE customers SET state = ? WHERE id = ?"
_STAMPS = "SELECT stamps FROM customers WHERE id = ?"
_WRITE_BOTH = "UPDATE customers SET state = ?, stamps = ? WHERE id = ?"
_SAID = "INSERT INTO consent_history VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

decode_state = msgspec.msgpack.Decoder(CustomerState).decode
decode_stamps = msgspec.msgpack.Decoder(dict[str, Any]).decode
_encode = msgspec.msgpack.Encoder().encode
_UNSTAMPED = _encode({})
NOBODY = CustomerState(customer_id="")


class Changing(Protocol):
    """A customer that a change works on, in whichever store."""

    @property
    def state(self) -> CustomerState:
        """The state as this change sees it."""

    def replace(
        self,
        *,
        attributes: dict[str, Value] | None = None,
        aggregates: dict[str, Any] | None = None,
        consents: dict[str, Consent] | None = None,
    ) -> None:
        """Change the state; the version rises once per commit, however many changes it holds."""

    def stamp(self, names: Iterable[str], time: float, *, removed: Iterable[str]) -> None:
        """Note when attributes were set, and forget it of those that are no more."""

    def note_consent(self, consent: str, said: Consent, identity: str) -> None:
        """Keep what was said of a consent, whether it counts or not."""


class Customers(Protocol):
    """The customers of one change, in whichever store."""

    def find(self, identity: str) -> Changing | None:
        """The customer behind an identity, if there is one."""

    def find_or_create(self, identity: str) -> Changing:
        """The customer behind an identity; a new one if it is unknown."""


def random_id(_identity: str) -> str:
    """A new customer id that says nothing about the customer."""
    return uuid.uuid4().hex


def derived_id(identity: str) -> str:
    """A new customer id derived from the first identity: replays give the same ids again."""
    return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


def read_state(connection: apsw.Connection | apsw.Cursor, identity: str) -> bytes | None:
    """The stored state (msgpack of `CustomerState`) behind an identity; None: unknown."""
    state: bytes | None = connection.execute(_FIND, (identity,)).get
    return state


def insert_customer(
    connection: apsw.Connection, identity: str, new_id: NewId
) -> tuple[int, CustomerState]:
    """A new customer, whose first identity this is: its row and state.

    What was reserved while the identity was nobody's is the customer's from now on.
    """
    state = CustomerState(customer_id=new_id(identity), version=1)
    connection.execute(
        "INSERT INTO customers(customer_id, state, stamps) VALUES (?, ?, ?)",
        (state.customer_id, _encode(state), _UNSTAMPED),
    )
    row = connection.last_insert_rowid()
    connection.execute("INSERT INTO identities VALUES (?, ?)", (identity, row))
    move_accounts(connection, identity, state.customer_id)
    return row, state


class Working:
    """A customer that a change works on; its state is read when it is needed."""

    __slots__ = ("_before", "_connection", "_stamps", "_state", "changed", "row")

    def __init__(
        self, connection: apsw.Connection, row: int, new: CustomerState | None = None
    ) -> None:
        self._connection = connection
        self.row = row
        self._state = new
        self._before = 0
        self._stamps: dict[str, Any] | None = None if new is None else {}
        self.changed = new is not None

    @property
    def state(self) -> CustomerState:
        """The state as this change sees it."""
        if self._state is None:
            stored = self._connection.execute(_STATE, (self.row,)).get
            self._state = decode_state(stored)
            self._before = self._state.version
        return self._state

    def replace(
        self,
        *,
        attributes: dict[str, Value] | None = None,
        aggregates: dict[str, Any] | None = None,
        consents: dict[str, Consent] | None = None,
    ) -> None:
        """Change the state; the version rises once per commit, however many changes it holds."""
        old = self.state
        self.changed = True
        self._state = CustomerState(
            customer_id=old.customer_id,
            version=self._before + 1,
            attributes=old.attributes if attributes is None else attributes,
            aggregates=old.aggregates if aggregates is None else aggregates,
            consents=old.consents if consents is None else consents,
        )

    def stamp(self, names: Iterable[str], time: float, *, removed: Iterable[str]) -> None:
        """Note when attributes were set, and forget it of those that are no more."""
        if self._stamps is None:
            stored = self._connection.execute(_STAMPS, (self.row,)).get
            self._stamps = decode_stamps(stored)
        self._stamps.update(dict.fromkeys(names, time))
        for name in removed:
            self._stamps.pop(name, None)

    def note_consent(self, consent: str, said: Consent, identity: str) -> None:
        """Keep what was said of a consent, whether it counts or not."""
        row = (self.row, consent, said.time, int(said.granted), said.source, identity)
        self._connection.execute(_SAID, row)

    def write(self) -> None:
        """Write the state if it changed. Nothing may change afterwards."""
        if self._stamps is not None:
            both = (_encode(self.state), _encode(self._stamps), self.row)
            self._connection.execute(_WRITE_BOTH, both)
        elif self.changed:
            self._connection.execute(_WRITE, (_encode(self._state), self.row))
        self.changed = False
        self._state = self._stamps = None


class WorkingSet:
    """The customers of one change: each read at most once, and written once."""

    def __init__(self, connection: apsw.Connection, new_id: NewId) -> None:
        self._connection = connection
        self._new_id = new_id
        self._by_identity: dict[str, Working] = {}
        self._by_row: dict[int, Working] = {}

    def find(self, identity: str) -> Working | None:
        """The customer behind an identity, if there is one."""
        working = self._by_identity.get(identity)
        if working is None:
            row = self._connection.execute(_ROW, (identity,)).get
            if row is None:
                return None
            working = self._by_row.get(row)  # another identity of the same customer
            if working is None:
                working = self._by_row[row] = Working(self._connection, row)
            self._by_identity[identity] = working
        return working

    def find_or_create(self, identity: str) -> Working:
        """The customer behind an identity; a new one if it is unknown."""
        found = self.find(identity)
        if found is not None:
            return found
        row, state = insert_customer(self._connection, identity, self._new_id)
        working = Working(self._connection, row, state)
        self._by_identity[identity] = self._by_row[row] = working
        return working

    def write(self) -> None:
        """Write every changed customer that is not written yet."""
        for working in self._by_row.values():
            working.write()


def check_updates(updates: Sequence[ProfileUpdate]) -> None:
    """Raise `InvalidRequest` naming everything that could not be stored."""
    violations = []
    for number, update in enumerate(updates):
        where = f"updates[{number}]"
        if not stored_text(update.identity):
            violations.append(
                Violation(field=f"{where}.identity", description="must be a non-empty text")
            )
        if update.request_id and not stored_text(update.request_id):
            violations.append(Violation(field=f"{where}.request_id", description="is no text"))
        if not math.isfinite(update.time):
            violations.append(Violation(field=f"{where}.time", description="must be finite"))
        for key, consent in update.consents.items():
            if not math.isfinite(consent.time):
                violations.append(
                    Violation(field=f"{where}.consents[{key}].time", description="must be finite")
                )
        try:
            _encode((update.attributes, update.consents))
        except (TypeError, ValueError, OverflowError, RecursionError):
            violations.append(
                Violation(
                    field=f"{where}.attributes", description="hold something that is no plain value"
                )
            )
    if violations:
        raise InvalidRequest(violations)


def update_customers(
    customers: Customers, updates: Sequence[ProfileUpdate], done: Sequence[bool]
) -> list[CustomerState]:
    """Apply checked updates in their order; those already ``done`` only read.

    A repeat does not bring back whoever was erased since: it finds nobody. Neither does what is
    meant for a certain customer.
    """
    states = []
    for update, is_done in zip(updates, done, strict=True):
        if is_done or update.customer_id:
            known = customers.find(update.identity)
            if known is not None and not is_done and known.state.customer_id == update.customer_id:
                _apply(known, update)
            states.append(NOBODY if known is None else known.state)
        else:
            working = customers.find_or_create(update.identity)
            _apply(working, update)
            states.append(working.state)
    return states


def _apply(working: Changing, update: ProfileUpdate) -> None:
    state = working.state
    given = {name: value for name, value in update.attributes.items() if value is not None}
    attributes = {**state.attributes, **given}
    for name in update.remove:
        attributes.pop(name, None)
    if given or update.remove:
        working.stamp(given, update.time, removed=update.remove)
    consents = dict(state.consents)
    for key, consent in update.consents.items():
        before = consents.get(key)
        if consent != before:
            working.note_consent(key, consent, update.identity)
        if before is None or _outranks(consent, before):
            consents[key] = consent
    if attributes != state.attributes or consents != state.consents:
        working.replace(attributes=attributes, consents=consents)


def _outranks(consent: Consent, before: Consent) -> bool:
    """The later one counts; at the same time the withdrawal does."""
    if consent.time != before.time:
        return consent.time > before.time
    return not consent.granted or before.granted


def stored_text(text: object) -> bool:
    """Whether something is a non-empty string that UTF-8 can hold."""
    if not isinstance(text, str) or not text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

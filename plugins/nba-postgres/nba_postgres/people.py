"""The customers of one transaction, read and locked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from nba_engine.domain import Consent, CustomerState, Value
from nba_engine.store.customers import decode_stamps, decode_state

__all__ = ["People", "Person", "encode_state"]

encode_state = msgspec.msgpack.Encoder().encode


class Person:
    """A customer that a transaction works on. `nba_engine.store.customers.customers.Changing`."""

    __slots__ = ("_before", "changed", "new", "row", "said", "stamps", "state")

    def __init__(
        self, row: int, state: CustomerState, stamps: dict[str, Any], *, new: bool
    ) -> None:
        self.row = row
        self.state = state
        self.stamps = stamps
        self.new = new
        self.changed = new
        self.said: list[tuple[str, Consent, str]] = []
        self._before = 0 if new else state.version

    @classmethod
    def stored(cls, row: int, state: bytes, stamps: bytes) -> Person:
        """A customer out of its row."""
        return cls(row, decode_state(state), decode_stamps(stamps), new=False)

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
        self.state = CustomerState(
            customer_id=old.customer_id,
            version=self._before + 1,
            attributes=old.attributes if attributes is None else attributes,
            aggregates=old.aggregates if aggregates is None else aggregates,
            consents=old.consents if consents is None else consents,
        )

    def stamp(self, names: Iterable[str], time: float, *, removed: Iterable[str]) -> None:
        """Note when attributes were set, and forget it of those that are no more."""
        self.changed = True
        self.stamps.update(dict.fromkeys(names, time))
        for name in removed:
            self.stamps.pop(name, None)

    def note_consent(self, consent: str, said: Consent, identity: str) -> None:
        """Keep what was said of a consent, whether it counts or not."""
        self.said.append((consent, said, identity))


class People:
    """Customers by identity and by row; all that the changes name are there."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}  # identity → row
        self.by_row: dict[int, Person] = {}

    def find(self, identity: str) -> Person | None:
        """The customer behind an identity, if there is one."""
        row = self.rows.get(identity)
        return None if row is None else self.by_row[row]

    def find_or_create(self, identity: str) -> Person:
        """The customer behind an identity; those that were unknown are new in this transaction."""
        return self.by_row[self.rows[identity]]

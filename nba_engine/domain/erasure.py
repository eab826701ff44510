"""Erasing a customer: what became of it, and by what those who hold copies know whom to remove.

A name is an identity (``crm:42``) or a customer id. Once an erasure is done, the store keeps digests
of the names alone: they tell what must not come back, and they name nobody.
"""

from __future__ import annotations

import hashlib

import msgspec

__all__ = [
    "FILES",
    "LOG",
    "OPEN",
    "SINKS",
    "Erased",
    "Erasure",
    "digest_of_name",
    "id_time",
    "time_of_decision",
]

# Erasure.pending, in the order in which it is worked off
LOG = "decision_log"  # with what was moved out of it
SINKS = "sinks"
FILES = "files"  # of the store: where deleted rows leave traces

# Erased.before while the erasure is being committed: whoever begins meanwhile may still read what
# was there. Ids of decisions are lower.
OPEN = "~"

_DIGITS = 32  # of a decision's id: 48 bits of milliseconds, 80 random ones


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What became of erasing one customer. It names nobody.

    ``known``: a customer was known by the identity; if not, what was held of the identity alone is
    removed. ``counts``: what was removed, by kind. ``pending``: where something may still be.
    ``kept``: places that cannot remove anything.
    """

    erasure_id: str
    sequence: int  # of this store's erasures, from 1
    time: float
    known: bool
    counts: dict[str, int]
    pending: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """Who was erased, by digests. ``names`` are given as long as the erasure is pending.

    ``before``: decisions with lower ids were begun before the erasure could be seen.
    """

    erasure_id: str
    sequence: int
    time: float
    before: str
    salt: bytes
    digests: frozenset[bytes]
    names: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    def covers(self, name: str) -> bool:
        """Whether this identity or customer id was erased."""
        return digest_of_name(name, self.salt) in self.digests

    def covers_decision(self, decision_id: str, *names: str) -> bool:
        """Whether a decision was begun for the erased customer; ``names``: customer, identity."""
        return decision_id < self.before and any(map(self.covers, names))


def digest_of_name(name: str, salt: bytes) -> bytes:
    """16 bytes that stand for an identity or customer id in one store."""
    return hashlib.blake2b(name.encode("utf-8", "replace"), key=salt[:64], digest_size=16).digest()


def id_time(seconds: float) -> str:
    """How the ids of decisions begin that are begun at this time: they sort by it."""
    return f"{max(0, int(seconds * 1000)):012x}"


def time_of_decision(decision_id: str) -> float | None:
    """When the decision of an id was begun, to the millisecond; None: it is no such id."""
    if len(decision_id) != _DIGITS:
        return None
    try:
        return int(decision_id[:12], 16) / 1000
    except ValueError:
        return None

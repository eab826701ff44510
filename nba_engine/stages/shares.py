"""Stable shares of customers: who is in a group, by a hash of a salt and the customer's id."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["point"]


def point(salt: str, customer_id: str) -> int:
    """Where a customer stands, 0 to 2⁶⁴ - 1: below ``share * 2**64`` it is in that share."""
    digest = blake2b(customer_id.encode(), key=salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big")

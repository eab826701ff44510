"""The control group: a stable share of customers who get nothing, to measure against."""

from __future__ import annotations

from hashlib import blake2b

from nba_engine.domain import ControlGroup

__all__ = ["in_control_group"]


def in_control_group(group: ControlGroup, customer_id: str) -> bool:
    """Whether a customer is kept out: blake2b of salt and id, as a fraction, below the share."""
    if group.share <= 0.0:
        return False
    digest = blake2b(customer_id.encode(), key=group.salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") < group.share * 2.0**64

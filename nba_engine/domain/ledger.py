"""The ledger's words: holds, reservations, answers. Amounts are whole units: contacts, or micros."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Answer", "Hold", "Reservation", "ReservationRequest", "Usage"]


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """One account a treatment draws on. ``account`` = limit id, scope values and window.

    ``amount`` in whole units (contacts, or micros of money); ``ceiling`` is the limit's amount
    in force at this moment, same units: a grant needs reserved + spent + amount ≤ ceiling.
    ``rolls``: what is spent counts for so many seconds, by the ledger's clock; 0: always (the
    account is that of one window). An account rolls from its first grant on or never; another
    length counts at once, also for what was spent.
    """

    account: str
    limit: str
    amount: int
    ceiling: int
    rolls: float = 0.0


class ReservationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All holds of one recommendation: granted together or not at all."""

    reservation_id: str  # equals the recommendation_id
    decision_id: str
    customer_id: str
    holds: tuple[Hold, ...]
    expires: float


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation as it is kept: how it ended, if it did; ``holds`` maps accounts to amounts."""

    reservation_id: str
    decision_id: str
    status: Literal["reserved", "confirmed", "released", "expired"]
    expires: float
    holds: dict[str, int]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's answer to one request. ``refused_by`` is the first limit without room."""

    reservation_id: str
    granted: bool
    refused_by: str = ""
    room: int = 0  # what was left of the refusing account, whole units


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has reserved and spent, in whole units. Of a window that rolls: spent in it.

    ``overrun``: the part of ``spent`` that late confirmations charged beyond the ceiling.
    ``ceiling``: the amount in force at the last grant.
    """

    account: str
    limit: str
    reserved: int
    spent: int
    overrun: int = 0
    ceiling: int = 0

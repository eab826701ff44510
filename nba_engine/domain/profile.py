"""A customer's state as the store keeps it."""

from __future__ import annotations

from typing import Any

import msgspec

from nba_engine.domain.values import Value

__all__ = ["Consent", "CustomerState"]


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """A consent as given or withdrawn. Stored under ``purpose:channel``."""

    granted: bool
    time: float
    source: str = ""


class CustomerState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one read gives: attributes, aggregate states, consents.

    ``version`` rises by one with every commit that changes the customer. ``aggregates`` maps an
    aggregate's name to the state of its algebra (`nba_engine.domain.aggregates`).
    """

    customer_id: str
    version: int = 0
    attributes: dict[str, Value] = {}
    aggregates: dict[str, Any] = {}
    consents: dict[str, Consent] = {}

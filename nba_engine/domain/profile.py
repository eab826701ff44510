"""A customer's state as the store keeps it, and what profile sources add to it."""

from __future__ import annotations

from typing import Any

import msgspec

from nba_engine.domain.values import Value

__all__ = ["Consent", "CustomerState", "Fetched"]


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """A consent as given or withdrawn. Stored under ``purpose:channel``."""

    granted: bool
    time: float
    source: str = ""


class Fetched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one decision took from a profile source: values by attribute, as of ``time``.

    Only what the decision saw: where the profile has precedence, its own values are not here.
    ``failed``: the source was asked and gave no answer in time; then there are no attributes.
    """

    source: str
    time: float = 0.0
    attributes: dict[str, Value] = {}
    failed: bool = False


class CustomerState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything one read gives: attributes, aggregate states, consents.

    ``version`` rises by one with every commit that changes the customer. ``aggregates`` maps an
    aggregate's name to the state of its algebra (`nba_engine.domain.aggregates`).

    No store keeps ``fetched``: it is what profile sources said for one decision, and part of that
    decision's record. ``known`` is false for somebody of whom nothing but that is there.
    """

    customer_id: str
    version: int = 0
    attributes: dict[str, Value] = {}
    aggregates: dict[str, Any] = {}
    consents: dict[str, Consent] = {}
    fetched: tuple[Fetched, ...] = ()
    known: bool = True

"""Requests with an id: an attempt to decide one, and what is known of it."""

from __future__ import annotations

import msgspec

__all__ = ["Claim", "KnownRequest"]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to decide a request. Of all attempts for an id, one at a time holds it.

    ``fingerprint`` is a digest of the request's body. The attempt counts as alive until ``until``
    (seconds since the epoch on the clock of those who decide, also in a simulated store), and its
    answer is remembered until ``expires`` (on the store's clock, as ``now`` is).

    ``follows`` is whose attempt the store shows as this one is taken further: "" nobody's, its own
    ``decision_id`` once it holds the id, or that of an attempt that died, which it replaces.
    ``identity`` is whom it decides for: once that customer is erased, it has no answer to give.
    """

    request_id: str
    fingerprint: bytes
    decision_id: str
    until: float
    expires: float
    follows: str = ""
    identity: str = ""


class KnownRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt that holds a request id, and its ``answer``; None: there is none yet."""

    fingerprint: bytes
    decision_id: str
    until: float
    answer: bytes | None = None

"""EraseProfile: a customer is erased, and how far that is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Unpack
from uuid import uuid4

import msgspec

from nba_engine._gen.nba.v1 import profile_service_pb2
from nba_engine.client.connection import Connection
from nba_engine.client.options import CallOptions
from nba_engine.client.values import read_time

__all__ = ["Erasure", "Erasures", "erase_request", "read_erasure"]


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What became of erasing a customer, so far. It names nobody.

    ``known``: a customer was known by the identity. ``removed_counts``: how much was removed, by
    kind. ``pending_places``: where something may still be. ``kept_places`` cannot remove anything.
    """

    erasure_id: str
    erase_time: datetime
    known: bool
    removed_counts: Mapping[str, int]
    pending_places: tuple[str, ...]
    kept_places: tuple[str, ...]

    @property
    def done(self) -> bool:
        """Whether nothing is pending."""
        return not self.pending_places


def erase_request(identity: str, request_id: str) -> profile_service_pb2.EraseProfileRequest:
    """The message that erases a customer; with an id of its own when none is given."""
    return profile_service_pb2.EraseProfileRequest(
        identity=identity, request_id=request_id or str(uuid4())
    )


def read_erasure(message: profile_service_pb2.EraseProfileResponse) -> Erasure:
    """An erasure from its message."""
    return Erasure(
        erasure_id=message.erasure_id,
        erase_time=read_time(message.erase_time),
        known=message.known,
        removed_counts=dict(message.removed_counts),
        pending_places=tuple(message.pending_places),
        kept_places=tuple(message.kept_places),
    )


class Erasures(Connection):
    """Erasing customers, for threads."""

    def erase_profile(
        self, identity: str, *, request_id: str = "", **options: Unpack[CallOptions]
    ) -> Erasure:
        """Erase the customer behind an identity, with all its identities. Not undone.

        It is gone from the store when this returns. Called again with the ``erasure_id`` as
        ``request_id``, it tells how far the rest is (`Erasure.done`). An unknown identity is no
        error. Idempotent: without a ``request_id`` the client makes one.
        """
        message = erase_request(identity, request_id)
        terms = self._defaults.terms(options)
        return read_erasure(self._call("EraseProfile", self._profiles.EraseProfile, message, terms))

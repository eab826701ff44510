"""ExportProfile: everything that is held about one customer, entry by entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Unpack

import grpc
import msgspec

from nba_engine._gen.nba.v1 import profile_service_pb2
from nba_engine.client.connection import Connection
from nba_engine.client.options import CallOptions

__all__ = ["Exports", "ProfileEntry", "read_entry"]


class ProfileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of an export: ``kind`` says what it is, ``json`` is all of it, in one line."""

    kind: str
    json: str

    @property
    def content(self) -> dict[str, Any]:
        """The entry as plain values, its ``kind`` among them."""
        found: dict[str, Any] = msgspec.json.decode(self.json)
        return found


def read_entry(message: profile_service_pb2.ExportProfileResponse) -> ProfileEntry:
    """An entry from its message."""
    return ProfileEntry(kind=message.kind, json=message.json)


class Exports(Connection):
    """Exports of customers, for threads."""

    def export_profile(
        self, identity: str, **options: Unpack[CallOptions]
    ) -> Iterator[ProfileEntry]:
        """Everything that is held about the customer behind an identity, as it is read.

        As long as it takes, unless it is given a ``timeout``. `NotFound` when there is none. An
        error in the middle means that it is not whole: begin again.
        """
        self._open()
        terms = self._defaults.terms(options)
        call = self._profiles.ExportProfile(
            profile_service_pb2.ExportProfileRequest(identity=identity),
            timeout=options.get("timeout"),
            wait_for_ready=terms.wait_for_ready,
            metadata=terms.metadata,
        )
        try:
            yield from map(read_entry, call)
        except grpc.RpcError as error:
            raise self._error(error, "ExportProfile", options.get("timeout")) from None
        finally:
            call.cancel()

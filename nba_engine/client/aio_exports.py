"""ExportProfile, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

import grpc

from nba_engine._gen.nba.v1 import profile_service_pb2
from nba_engine.client.aio_connection import AioConnection
from nba_engine.client.exports import ProfileEntry, read_entry
from nba_engine.client.options import CallOptions

__all__ = ["AioExports"]


class AioExports(AioConnection):
    """Exports of customers; see `nba_engine.client.Client`."""

    async def export_profile(
        self, identity: str, **options: Unpack[CallOptions]
    ) -> AsyncIterator[ProfileEntry]:
        """As `Client.export_profile`."""
        terms = self._defaults.terms(options)
        call = self._open().profiles.ExportProfile(
            profile_service_pb2.ExportProfileRequest(identity=identity),
            timeout=options.get("timeout"),
            wait_for_ready=terms.wait_for_ready,
            metadata=terms.metadata,
        )
        try:
            async for entry in call:
                yield read_entry(entry)
        except grpc.RpcError as error:
            raise self._error(error, "ExportProfile", options.get("timeout")) from None
        finally:
            call.cancel()

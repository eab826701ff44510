"""EraseProfile, for asyncio."""

from __future__ import annotations

from typing import Unpack

from nba_engine.client.aio_connection import AioConnection
from nba_engine.client.erasures import Erasure, erase_request, read_erasure
from nba_engine.client.options import CallOptions

__all__ = ["AioErasures"]


class AioErasures(AioConnection):
    """Erasing customers; see `nba_engine.client.Client`."""

    async def erase_profile(
        self, identity: str, *, request_id: str = "", **options: Unpack[CallOptions]
    ) -> Erasure:
        """As `Client.erase_profile`."""
        message = erase_request(identity, request_id)
        terms = self._defaults.terms(options)
        call = self._open().profiles.EraseProfile
        return read_erasure(await self._call("EraseProfile", call, message, terms))

"""The limits, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from nba_engine._gen.nba.v1 import limit_service_pb2
from nba_engine.client.aio_connection import AioConnection
from nba_engine.client.catalogs import Limit, read_limit
from nba_engine.client.limits import LimitUsage, read_usage, usage_request
from nba_engine.client.options import CallOptions

__all__ = ["AioLimits"]


class AioLimits(AioConnection):
    """Limits and what was used of them; see `nba_engine.client.Client`."""

    async def list_limits(
        self, *, page_size: int = 0, **options: Unpack[CallOptions]
    ) -> AsyncIterator[Limit]:
        """As `Client.list_limits`."""
        message = limit_service_pb2.ListLimitsRequest(page_size=page_size)
        while True:
            terms = self._defaults.terms(options)
            call = self._open().limits.ListLimits
            answer = await self._call("ListLimits", call, message, terms)
            for entry in answer.limits:
                yield read_limit(entry)
            if not answer.next_page_token:
                return
            message.page_token = answer.next_page_token

    async def get_limit_usage(
        self,
        limit_id: str,
        *,
        identity: str = "",
        page_size: int = 0,
        **options: Unpack[CallOptions],
    ) -> AsyncIterator[LimitUsage]:
        """As `Client.get_limit_usage`."""
        message = usage_request(limit_id, identity, page_size)
        while True:
            terms = self._defaults.terms(options)
            call = self._open().limits.GetLimitUsage
            answer = await self._call("GetLimitUsage", call, message, terms)
            for entry in answer.usages:
                yield read_usage(entry)
            if not answer.next_page_token:
                return
            message.page_token = answer.next_page_token

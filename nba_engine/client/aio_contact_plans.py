"""Contact plans, for asyncio."""

from __future__ import annotations

from datetime import datetime
from typing import Unpack

from nba_engine.client.aio_connection import AioConnection
from nba_engine.client.contact_plans import ContactPlan, plan_request, read_plan
from nba_engine.client.options import CallOptions

__all__ = ["AioContactPlans"]


class AioContactPlans(AioConnection):
    """What is planned for customers; see `nba_engine.client.Client`."""

    async def get_contact_plan(
        self, identity: str, *, time: datetime | None = None, **options: Unpack[CallOptions]
    ) -> ContactPlan:
        """As `Client.get_contact_plan`."""
        message = plan_request(identity, time)
        terms = self._defaults.terms(options)
        call = self._open().decisions.GetContactPlan
        return read_plan(await self._call("GetContactPlan", call, message, terms))

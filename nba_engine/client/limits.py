"""ListLimits, GetLimitUsage: the limits in force, and what was used of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Unpack

import msgspec

from nba_engine._gen.nba.v1 import limit_service_pb2
from nba_engine.client.catalogs import Limit, read_limit
from nba_engine.client.connection import Connection
from nba_engine.client.options import CallOptions
from nba_engine.client.values import read_time

__all__ = ["LimitUsage", "Limits", "read_usage", "usage_request"]


class LimitUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What one account of a limit has used: contacts, or micros of money, as the limit counts.

    ``overrun`` is the part of ``spent`` that late confirmations charged without room for it.
    ``window_start`` and ``window_end`` are None for a lifetime. ``price`` (money for one more contact,
    or per unit of money) and ``planned`` (to be used by now) are those of limits that are paced,
    ``bonus`` (money added per contact) and ``planned_at_least`` those of limits with a minimum.
    """

    account: str
    reserved: int
    spent: int
    overrun: int
    ceiling: int
    window_start: datetime | None
    window_end: datetime | None
    price: float | None = None
    planned: int | None = None
    bonus: float | None = None
    planned_at_least: int | None = None

    @property
    def room(self) -> int:
        """What is left; at least 0."""
        return max(0, self.ceiling - self.reserved - self.spent)


def usage_request(
    limit_id: str, identity: str, page_size: int
) -> limit_service_pb2.GetLimitUsageRequest:
    """The message that asks for the first page."""
    return limit_service_pb2.GetLimitUsageRequest(
        limit_id=limit_id, identity=identity, page_size=page_size
    )


def read_usage(message: limit_service_pb2.LimitUsage) -> LimitUsage:
    """An account from its message."""
    began, ends = message.HasField("window_start_time"), message.HasField("window_end_time")
    return LimitUsage(
        account=message.account,
        reserved=message.reserved,
        spent=message.spent,
        overrun=message.overrun,
        ceiling=message.ceiling,
        window_start=read_time(message.window_start_time) if began else None,
        window_end=read_time(message.window_end_time) if ends else None,
        price=message.price if message.HasField("price") else None,
        planned=message.planned if message.HasField("planned") else None,
        bonus=message.bonus if message.HasField("bonus") else None,
        planned_at_least=message.planned_at_least if message.HasField("planned_at_least") else None,
    )


class Limits(Connection):
    """The limits, for threads."""

    def list_limits(self, *, page_size: int = 0, **options: Unpack[CallOptions]) -> Iterator[Limit]:
        """All limits of the catalog in force, page by page, each page with its own timeout.

        `InvalidRequest` when another catalog came into force between two pages: start again.
        """
        message = limit_service_pb2.ListLimitsRequest(page_size=page_size)
        while True:
            terms = self._defaults.terms(options)
            answer = self._call("ListLimits", self._limits.ListLimits, message, terms)
            yield from map(read_limit, answer.limits)
            if not answer.next_page_token:
                return
            message.page_token = answer.next_page_token

    def get_limit_usage(
        self,
        limit_id: str,
        *,
        identity: str = "",
        page_size: int = 0,
        **options: Unpack[CallOptions],
    ) -> Iterator[LimitUsage]:
        """The accounts of a limit by name, all or one customer's; each page with its own timeout.

        `InvalidRequest` when there is no such limit, `NotFound` when there is no such customer.
        """
        message = usage_request(limit_id, identity, page_size)
        while True:
            terms = self._defaults.terms(options)
            answer = self._call("GetLimitUsage", self._limits.GetLimitUsage, message, terms)
            yield from map(read_usage, answer.usages)
            if not answer.next_page_token:
                return
            message.page_token = answer.next_page_token

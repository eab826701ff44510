"""The servicer of `nba.v1.LimitService`."""

from __future__ import annotations

import time
from collections.abc import Mapping

from nba_engine._gen.nba.v1 import limit_service_pb2
from nba_engine.domain import CatalogView
from nba_engine.engine import usage_of_customer, usage_of_limit
from nba_engine.engine.prices import Steered, steered
from nba_engine.errors import NotFound
from nba_engine.server.calls import Call
from nba_engine.server.convert import (
    Violations,
    bound_to,
    read_page,
    read_usage_request,
    write_limit,
    write_usages,
)
from nba_engine.server.protocols import Decides

__all__ = ["LimitServicer"]


class LimitServicer:
    """`nba.v1.LimitService`. ``room``: how many bytes the entries of a page may have."""

    def __init__(self, engine: Decides, *, room: int) -> None:
        self._engine = engine
        self._room = room

    def ListLimits(  # noqa: N802
        self, message: limit_service_pb2.ListLimitsRequest, call: Call
    ) -> limit_service_pb2.ListLimitsResponse:
        """The limits of the catalog, a page at a time."""
        del call
        catalog = self._engine.catalog
        violations = Violations()
        page = read_page(
            message.page_size,
            message.page_token,
            bound_to(catalog.version),
            violations,
            default=100,
            maximum=1000,
        )
        violations.raise_any()
        limits, token = page.of(catalog.limits, write_limit, room=self._room)
        return limit_service_pb2.ListLimitsResponse(
            limits=limits,
            next_page_token=token,
            catalog_version=catalog.version,
            currency_code=catalog.currency,
        )

    def GetLimitUsage(  # noqa: N802
        self, message: limit_service_pb2.GetLimitUsageRequest, call: Call
    ) -> limit_service_pb2.GetLimitUsageResponse:
        """What the accounts of a limit have used, a page at a time."""
        del call
        catalog, store = self._engine.catalog, self._engine.store
        query = read_usage_request(message, catalog)
        now = None if store.simulated else time.time()
        since = store.windows_since()
        most = query.size + 1  # one more tells whether there is another page
        if not query.identity:
            limit = catalog.limits[query.position]
            found = usage_of_limit(limit, store, now=now, after=query.after, most=most)
            prices = self._prices(catalog)
            return write_usages(catalog, query, found, since=since, room=self._room, prices=prices)
        known = store.customer(query.identity)
        if known is None:
            raise NotFound(
                "no customer is known by this identity",
                reason="CUSTOMER_NOT_FOUND",
                metadata={"identity": query.identity},
            )
        found = usage_of_customer(
            catalog,
            query.position,
            store,
            known[0].customer_id,
            now=now,
            after=query.after,
            most=most,
        )
        return write_usages(catalog, query, found, since=since, room=self._room)

    def _prices(self, catalog: CatalogView) -> Mapping[str, Steered]:
        """The prices of accounts in the windows of now."""
        book = self._engine.prices
        now = book.latest if self._engine.store.simulated else time.time()
        return steered(book, catalog, now) if now > 0.0 else {}

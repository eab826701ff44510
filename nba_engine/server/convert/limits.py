"""ListLimits, GetLimitUsage: limits and what was used of them → messages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from nba_engine._gen.nba.v1 import limit_service_pb2
from nba_engine.domain import CatalogView, Limit
from nba_engine.engine import LimitUsage
from nba_engine.engine.prices import Steered
from nba_engine.server.convert.catalogs import write_measure
from nba_engine.server.convert.pages import bound_to
from nba_engine.server.convert.values import write_time
from nba_engine.server.convert.violations import Violations
from nba_engine.settings import suggest
from nba_engine.stages.limits import units_of

__all__ = ["UsageQuery", "read_usage_request", "write_usages"]

_DEFAULT, _MAXIMUM = 100, 1000


class UsageQuery:
    """What GetLimitUsage asks for: ``after`` is the account that the page before ended with."""

    def __init__(self, position: int, identity: str, after: str, size: int) -> None:
        self.position = position
        self.identity = identity
        self.after = after
        self.size = size


def read_usage_request(
    message: limit_service_pb2.GetLimitUsageRequest, catalog: CatalogView
) -> UsageQuery:
    """Raises `InvalidRequest`."""
    violations = Violations()
    ids = [limit.id for limit in catalog.limits]
    position = ids.index(message.limit_id) if message.limit_id in ids else -1
    if not message.limit_id:
        violations.add("limit_id", "is required")
    elif position < 0:
        remedy = suggest(message.limit_id, ids, "limits")
        violations.add("limit_id", f"the catalog in force has no such limit ({remedy})")
    if message.identity:
        violations.identity(message.identity)
        if position >= 0 and "customer" not in catalog.limits[position].scope:
            violations.add("identity", "the limit has no customer in its scope")
    if message.page_size < 0:
        violations.add("page_size", "must not be negative")
    after = ""
    if message.page_token:
        bound = bound_to(message.limit_id, message.identity)
        found = _decode(message.page_token, bound)
        if found is None:
            violations.add("page_token", "not a token of this list: start again")
        else:
            after = found
    violations.raise_any()
    return UsageQuery(
        position, message.identity, after, min(message.page_size or _DEFAULT, _MAXIMUM)
    )


def write_usages(
    catalog: CatalogView,
    query: UsageQuery,
    found: Sequence[LimitUsage],
    *,
    since: float | None,
    room: int,
    prices: Mapping[str, Steered] = {},
) -> limit_service_pb2.GetLimitUsageResponse:
    """A page; ``found`` has one entry more than the page when there is another page.

    ``since``: windows that ended earlier are not kept. ``prices`` by account.
    """
    limit = catalog.limits[query.position]
    response = limit_service_pb2.GetLimitUsageResponse(
        measure=write_measure(limit), currency_code=_currency(catalog, limit)
    )
    if since is not None:
        response.windows_since_time.CopyFrom(write_time(since))
    for one in found[: query.size]:
        entry = _write_usage(one, limit, prices.get(one.usage.account, Steered()))
        room -= entry.ByteSize()
        if room < 0 and response.usages:
            break
        response.usages.append(entry)
    if len(response.usages) < len(found):
        bound = bound_to(limit.id, query.identity)
        response.next_page_token = _encode(response.usages[-1].account, bound)
    return response


def _currency(catalog: CatalogView, limit: Limit) -> str:
    return catalog.currency if limit.measure == "money" else ""


def _write_usage(one: LimitUsage, limit: Limit, steered: Steered) -> limit_service_pb2.LimitUsage:
    usage = one.usage
    message = limit_service_pb2.LimitUsage(
        account=usage.account,
        reserved=usage.reserved,
        spent=usage.spent,
        overrun=usage.overrun,
        ceiling=usage.ceiling,
    )
    if one.start is not None:
        message.window_start_time.CopyFrom(write_time(one.start))
    if one.end is not None:
        message.window_end_time.CopyFrom(write_time(one.end))
    if steered.price is not None:
        message.price = steered.price.price
        message.planned = units_of(limit, steered.price.planned)
    if steered.floor is not None:
        message.bonus = steered.floor.price
        message.planned_at_least = units_of(limit, steered.floor.planned)
    return message


def _encode(account: str, bound: str) -> str:
    return base64.urlsafe_b64encode(f"{bound}:{account}".encode()).decode()


def _decode(token: str, bound: str) -> str | None:
    try:
        found, _, account = (
            base64.b64decode(token, altchars=b"-_", validate=True).decode().partition(":")
        )
    except (binascii.Error, ValueError):
        return None
    return account if found == bound and account else None

"""Reservations that nothing stands in the way of: one statement, which is also the commit.

The function ``grant_all`` (migrations/0002_grant_all.sql) grants all that a group asks for, or
tells that it is not as simple as that, and has changed nothing. Between taking the row of an
account and its commit lies no round trip, so a limit that all processes draw on is held as shortly
as can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from nba_engine.domain import Answer, Claim, Hold, window_over
from nba_postgres.book import CLOCK_STEP
from nba_postgres.changes import Change, Reserve
from nba_postgres.session import Statement
from nba_postgres.unit import IN_PASSING

__all__ = ["granted", "granting"]

_LARGEST = 2**61  # of a ceiling: sums stay within a bigint

_encode = msgspec.json.Encoder().encode

_GRANT_ALL = """
SELECT grant_all(
  %(store)s, %(moment)s, %(simulated)s, %(step)s, %(most)s, %(begun)s, %(over)s,
  %(customers)s::text[],
  %(names)s::text[], %(limits)s::text[], %(amounts)s::bigint[], %(ceilings)s::bigint[],
  %(lengths)s::float8[], %(ids)s::text[], %(decisions)s::text[], %(holders)s::text[],
  %(ends)s::float8[], %(holdings)s::text[], %(requests)s::text[], %(fingerprints)b::bytea[],
  %(attempts)s::text[], %(identities)s::text[], %(untils)s::float8[], %(forgotten)s::float8[],
  %(held)s::text[])
"""


def granting(changes: Sequence[Change], *, store: int, simulated: bool) -> Statement | None:
    """The statement that makes all of these changes; None: they are not of that kind.

    ``store`` is the number of its lock.
    """
    reserving = [one for one in changes if isinstance(one, Reserve)]
    if not reserving or len(reserving) < len(changes):
        return None
    requests = [request for one in reserving for request in one.requests]
    ids = [request.reservation_id for request in requests]
    claimed = [one for one in reserving if one.claim is not None]
    claims = [one.claim for one in claimed if one.claim is not None]
    accounts = _accounts([hold for request in requests for hold in request.holds])
    moment = max([one.now for one in reserving])
    if (
        accounts is None
        or not _differ(ids)
        or not _differ([claim.request_id for claim in claims])
        or any(claim.follows for claim in claims)
    ):
        return None
    names = sorted(accounts)
    holds = [accounts[name] for name in names]
    begun = [one.decision_id for one in requests] + [one.decision_id for one in claims]
    values = {
        "store": store,
        "moment": float(moment),
        "simulated": simulated,
        "step": CLOCK_STEP,
        "most": IN_PASSING,
        "begun": min(begun),
        "over": _first_over(names),
        "customers": sorted({request.customer_id for request in requests}),
        "names": names,
        "limits": [hold.limit for hold in holds],
        "amounts": [hold.amount for hold in holds],
        "ceilings": [hold.ceiling for hold in holds],
        "lengths": [float(hold.rolls) for hold in holds],
        "ids": ids,
        "decisions": [request.decision_id for request in requests],
        "holders": [request.customer_id for request in requests],
        "ends": [float(request.expires) for request in requests],
        "holdings": [_holdings(request.holds) for request in requests],
        **_claims(claims, [[r.reservation_id for r in one.requests] for one in claimed]),
    }
    return Statement(_GRANT_ALL, values)


def granted(change: Reserve) -> list[Answer]:
    """The answers where all was granted."""
    return [Answer(reservation_id=one.reservation_id, granted=True) for one in change.requests]


def _differ(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


def _accounts(holds: Sequence[Hold]) -> dict[str, Hold] | None:
    """What all of them draw on each account; None where they do not agree on what it is."""
    found: dict[str, Hold] = {}
    for hold in holds:
        before = found.get(hold.account)
        if before is None:
            found[hold.account] = hold
        elif (before.limit, before.ceiling, before.rolls) == (hold.limit, hold.ceiling, hold.rolls):
            amount = before.amount + hold.amount
            found[hold.account] = msgspec.structs.replace(before, amount=amount)
        else:
            return None
    fits = all(hold.amount <= hold.ceiling < _LARGEST for hold in found.values())
    return found if fits else None


def _first_over(accounts: Sequence[str]) -> float | None:
    """When the first of their calendar windows is over; None: no account has one."""
    windows = {account.rpartition("|")[2] for account in accounts}
    return min([over for over in map(_over, windows) if over is not None], default=None)


@lru_cache(maxsize=1_000)
def _over(window: str) -> float | None:
    return window_over(f"|{window}")


def _holdings(holds: Sequence[Hold]) -> str:
    """JSON: account → amount."""
    amounts: dict[str, int] = {}
    for hold in holds:
        amounts[hold.account] = amounts.get(hold.account, 0) + hold.amount
    return _encode(amounts).decode()


def _claims(claims: Sequence[Claim], held: Sequence[Sequence[str]]) -> Mapping[str, Any]:
    """Rows of ``decision_requests``; NULL where there are none."""
    columns: dict[str, list[Any]] = {
        "requests": [one.request_id for one in claims],
        "fingerprints": [one.fingerprint for one in claims],
        "attempts": [one.decision_id for one in claims],
        "identities": [one.identity for one in claims],
        "untils": [float(one.until) for one in claims],
        "forgotten": [float(one.expires) for one in claims],
        "held": [_encode(names).decode() for names in held],
    }
    return {name: values or None for name, values in columns.items()}

"""Reserving: what several callers ask for at once is decided together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, islice
from typing import NamedTuple

import apsw

from nba_engine.domain import Answer, Claim, ReservationRequest
from nba_engine.store.identities import to_current_customers
from nba_engine.store.ledger import Ledger
from nba_engine.store.requests import take_claim

__all__ = ["Asked", "reserve_all"]


class Asked(NamedTuple):
    """What one caller asks for: checked requests at its time, under its claim if it has one."""

    requests: Sequence[ReservationRequest]
    now: float
    claim: Claim | None = None


def reserve_all(
    ledger: Ledger, connection: apsw.Connection, asked: Sequence[Asked]
) -> list[list[Answer]]:
    """Take the request ids, then decide all requests in their order. Runs inside a change.

    Raises `RequestTaken` when any of the ids is taken.
    """
    for one in asked:
        if one.claim is not None:
            take_claim(connection, ledger, one.claim, one.requests, one.now)
    answers: list[list[Answer]] = []
    for now, together in _moments(ledger, asked):
        requests = [request for one in together for request in one.requests]
        if not requests:
            answers += [[] for _ in together]
            continue
        current = to_current_customers(connection, requests)
        decided = iter(ledger.reserve(connection, current, now))
        answers += [list(islice(decided, len(one.requests))) for one in together]
    return answers


def _moments(ledger: Ledger, asked: Sequence[Asked]) -> Iterable[tuple[float, Sequence[Asked]]]:
    """All at the latest time that any of them tells; in a simulated store, each at its own."""
    if not ledger.simulated:
        return [(max([one.now for one in asked]), asked)]
    return [(now, list(part)) for now, part in groupby(asked, key=lambda one: one.now)]

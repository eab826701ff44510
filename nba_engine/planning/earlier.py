"""What may as well come earlier does: of plans that are worth the same, the one that contacts first.

Where a contact is worth the same in several periods, prices that are equal but for their last digits,
or what had room when it was looked for, decide on the period. So at the end each chain is looked through:
a contact goes to the earliest period in which it is worth no less, the rest of the chain stays as it is,
and every limit, its own ones too, has room.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.planning.resident import At, Resident
from nba_engine.planning.room import Changes, changes_to

__all__ = ["Earlier", "earlier"]


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """The plan so far and what is left of each limit (k,). ``most``: changes that may be answered."""

    at: At
    room: NDArray[np.int64]
    most: int


def earlier(resident: Resident, ask: Earlier) -> Changes:
    """One move of each customer to an earlier period, the most valuable contacts first."""
    contact, period, _ = resident.planned(ask.at)
    n, longest = contact.shape
    fits = _fitting(resident, ask.room)
    moved = np.full(n, -1)  # the position that moves
    when = period.copy()
    worth = np.zeros(n)
    everyone = np.arange(n)
    values = resident.values_of(everyone, contact, period)
    for j in range(longest):
        rows = np.flatnonzero((contact[:, j] >= 0) & (moved < 0))
        first = period[rows, j - 1] + resident.problem.rules.spacing if j else np.zeros(len(rows))
        for t in range(resident.problem.rules.periods - 1):
            open_rows = rows[(moved[rows] < 0) & (first <= t) & (period[rows, j] > t)]
            which = contact[open_rows, j].astype(np.intp)
            now = period[open_rows, j].astype(np.intp)
            open_rows = open_rows[fits[which, now, t]]
            there = np.full((len(open_rows), longest), -1, dtype=np.int16)
            then = np.full((len(open_rows), longest), -1, dtype=np.int8)
            there[:, j], then[:, j] = contact[open_rows, j], t
            as_good = resident.values_of(open_rows, there, then)[:, j] >= values[open_rows, j]
            open_rows = open_rows[as_good]
            open_rows = open_rows[_allowed(resident, contact[open_rows], when[open_rows], j, t)]
            moved[open_rows], when[open_rows, j] = j, t
            worth[open_rows] = values[open_rows, j]
    rows = np.flatnonzero(moved >= 0)
    rows = rows[np.argsort(-worth[rows], kind="stable")][: ask.most]
    changes = changes_to(resident, ask.at, rows, contact[rows], when[rows])
    return msgspec.structs.replace(changes, rank=-worth[rows])


def _allowed(
    resident: Resident,
    contact: NDArray[np.int16],
    period: NDArray[np.int8],
    j: int,
    t: int,
) -> NDArray[np.bool_]:
    """Which chains (n, longest) keep the limits of a chain when their j-th contact is in period t."""
    allowed = np.ones(len(contact), dtype=np.bool_)
    there = period.copy()
    there[:, j] = t
    for one in resident.problem.contacts.limits:
        counts = one.counted[contact] & (contact >= 0) & (one.first <= there) & (there <= one.last)
        allowed &= counts.sum(axis=1) <= one.most
    return allowed


def _fitting(resident: Resident, room: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a contact may go from one period to another (contacts, periods, periods)."""
    problem = resident.problem
    periods = problem.rules.periods
    fits = np.ones((len(problem.names), periods, periods), dtype=np.bool_)
    fits &= (problem.contacts.factor > 0.0)[:, None, :]
    for use, left in zip(problem.use, room.tolist(), strict=True):
        more = use[:, None, :] - use[:, :, None]
        fits &= (more <= 0) | (more <= left)
    return fits

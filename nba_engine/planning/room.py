"""From the best chains at prices to a plan that keeps every limit: make room, then use what is left.

Both ask the workers for the same: chains that are best at other prices, what they would change, and
of these the few best changes. Making room takes the lowest loss per unit; using room takes the most
value per priced unit. All usage is in whole numbers, so that nothing is ever a little too much.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.planning.problem import Problem
from nba_engine.planning.resident import At, Resident

__all__ = ["Aim", "Ask", "Changes", "alternatives", "take_changes"]

Aim: TypeAlias = Literal["make_room", "use_room"]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What would change at ``other`` prices (k,), where some limits may not be used at all.

    ``room`` (k,): what is left of each limit, below 0 where too much is used. ``most``: how many
    changes a partition may answer.
    """

    at: At
    aim: Aim
    other: NDArray[np.float64]
    forbidden: NDArray[np.bool_]
    room: NDArray[np.int64]
    most: int


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of chains of customers of one partition, the best first.

    ``rank`` (d,): smaller is better. ``value`` (d,): value gained; ``use`` (d, k): of the limits.
    """

    number: int
    row: NDArray[np.int64]
    rank: NDArray[np.float64]
    value: NDArray[np.float64]
    use: NDArray[np.int64]
    contact: NDArray[np.int16]
    period: NDArray[np.int8]


def alternatives(resident: Resident, ask: Ask) -> Changes:
    """The best changes of a partition."""
    problem = resident.problem
    contact, period, _ = resident.planned(ask.at)
    rows = np.arange(len(contact))
    if ask.aim == "make_room":
        over = _padded(problem.use[ask.room < 0].sum(axis=0)[None])
        rows = np.flatnonzero(over[0, _cells(problem, contact, period)].any(axis=1))
    price = problem.prices_of_contacts(ask.other, ask.forbidden)
    best = resident.best_of(rows, price)
    differs = ((best.contact != contact[rows]) | (best.period != period[rows])).any(axis=1)
    rows, new, when = rows[differs], best.contact[differs], best.period[differs]
    old, old_when = contact[rows], period[rows]
    value = resident.values_of(rows, new, when).sum(axis=1)
    value -= resident.values_of(rows, old, old_when).sum(axis=1)
    taken = _use_of(problem, new, when) - _use_of(problem, old, old_when)
    priced = taken @ ask.at.prices
    if ask.aim == "make_room":
        excess = np.maximum(-ask.room, 0)
        relief = np.minimum(-taken, excess[None]) @ (1.0 / np.maximum(excess, 1))
        keep = relief > 0.0
        rank = np.divide(priced - value, relief, where=keep, out=np.zeros(len(rows)))
    else:
        keep = (value > 0.0) & ((taken <= ask.room[None]) | (taken <= 0)).all(axis=1)
        # what costs nothing of what is scarce comes first, then what earns most per priced unit
        rank = np.where(priced > 0.0, -value / np.where(priced > 0.0, priced, 1.0), -np.inf)
    order = np.flatnonzero(keep)
    order = order[np.lexsort((-value[order], rank[order]))][: ask.most]
    return Changes(
        number=resident.number,
        row=rows[order].astype(np.int64),
        rank=rank[order],
        value=value[order],
        use=taken[order],
        contact=new[order],
        period=when[order],
    )


def take_changes(
    changes: list[Changes], room: NDArray[np.int64], aim: Aim
) -> tuple[list[tuple[int, int]], NDArray[np.int64]]:
    """Choose changes of all partitions: (partition, place among its changes), and the room then.

    Never makes a limit use more than it has, or more than before where that is too much already.
    """
    which = np.concatenate([np.full(len(c.row), i) for i, c in enumerate(changes)]).astype(int)
    place = np.concatenate([np.arange(len(c.row)) for c in changes]).astype(int)
    rank = np.concatenate([c.rank for c in changes])
    value = np.concatenate([c.value for c in changes])
    use = np.concatenate([c.use for c in changes])
    room = room.copy()
    taken = []
    for one in np.lexsort((place, which, -value, rank)):
        if aim == "make_room":
            over = room < 0
            if not over.any():
                break
            if not (use[one][over] < 0).any():
                continue
        after = room - use[one]
        if bool(((use[one] > 0) & (after < 0)).any()):
            continue
        room = after
        taken.append((int(which[one]), int(place[one])))
    return taken, room


def _cells(
    problem: Problem, contact: NDArray[np.int16], period: NDArray[np.int8]
) -> NDArray[np.intp]:
    """The number of each contact's cell in a padded table; the last one is for none."""
    periods = problem.rules.periods
    none = len(problem.names) * periods
    return np.where(contact >= 0, contact.astype(np.intp) * periods + period, none)


def _padded(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k, contacts, periods) as (k, cells + 1): a column of nothing at the end."""
    flat = table.reshape(len(table), -1)
    return np.concatenate([flat, np.zeros((len(table), 1), dtype=table.dtype)], axis=1)


def _use_of(
    problem: Problem, contact: NDArray[np.int16], period: NDArray[np.int8]
) -> NDArray[np.int64]:
    """What chains take of the limits (rows, k)."""
    table = _padded(problem.use)
    taken: NDArray[np.int64] = table[:, _cells(problem, contact, period)].sum(axis=2).T
    return taken

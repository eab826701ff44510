"""From the best chains at prices to a plan that keeps every limit: make room, then use what is left.

Both ask the workers for the same: chains that are best at other prices, what they would change, and
of these the few best changes. Making room takes the lowest loss per unit; using room takes the most
value per priced unit. All usage is in whole numbers, so that nothing is ever a little too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.planning.problem import Problem
from nba_engine.planning.resident import At, Resident

__all__ = ["Aim", "Ask", "Changes", "alternatives", "changes_to", "take_changes"]

_BLOCK = 4096  # changes looked at together

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
    ``contact``, ``period`` (d, longest): the chains then, ``was``, ``was_period`` those before.
    """

    number: int
    row: NDArray[np.int64]
    rank: NDArray[np.float64]
    value: NDArray[np.float64]
    use: NDArray[np.int64]
    contact: NDArray[np.int16]
    period: NDArray[np.int8]
    was: NDArray[np.int16]
    was_period: NDArray[np.int8]


def alternatives(resident: Resident, ask: Ask) -> Changes:
    """The best changes of a partition."""
    problem = resident.problem
    contact, period, _ = resident.planned(ask.at)
    rows = np.arange(len(contact))
    if ask.aim == "make_room":
        rows = _concerned(problem, ask.room < 0, contact, period)
    price = problem.prices_of_contacts(ask.other, ask.forbidden)
    best = resident.best_of(rows, price)
    differs = ((best.contact != contact[rows]) | (best.period != period[rows])).any(axis=1)
    rows, new, when = rows[differs], best.contact[differs], best.period[differs]
    old, old_when = contact[rows], period[rows]
    value = resident.worth_of(rows, new, when) - resident.worth_of(rows, old, old_when)
    taken = _use_of(problem, new, when) - _use_of(problem, old, old_when)
    priced = taken @ ask.at.prices
    if ask.aim == "make_room":
        # what it takes of others does not matter as long as it has room there
        over = ask.room < 0
        excess = -ask.room[over]
        relief = np.minimum(-taken[:, over], excess[None]) @ (1.0 / excess)
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
        was=old[order],
        was_period=old_when[order],
    )


def changes_to(
    resident: Resident,
    at: At,
    rows: NDArray[np.intp],
    contact: NDArray[np.int16],
    period: NDArray[np.int8],
) -> Changes:
    """What these customers' chains would change; without those that they have."""
    problem = resident.problem
    old, old_period, _ = resident.planned(at)
    differs = ((contact != old[rows]) | (period != old_period[rows])).any(axis=1)
    rows, contact, period = rows[differs], contact[differs], period[differs]
    was, was_period = old[rows], old_period[rows]
    value = resident.worth_of(rows, contact, period) - resident.worth_of(rows, was, was_period)
    return Changes(
        number=resident.number,
        row=rows.astype(np.int64),
        rank=np.zeros(len(rows)),
        value=value,
        use=_use_of(problem, contact, period) - _use_of(problem, was, was_period),
        contact=contact,
        period=period,
        was=was,
        was_period=was_period,
    )


def _concerned(
    problem: Problem,
    over: NDArray[np.bool_],
    contact: NDArray[np.int16],
    period: NDArray[np.int8],
) -> NDArray[np.intp]:
    """Whose chains can make room: those that take of a limit, and for a floor everyone."""
    use = problem.use[over]
    if (use < 0).any():
        return np.arange(len(contact))
    taken = _padded(use.sum(axis=0)[None])[0]
    return np.flatnonzero(taken[_cells(problem, contact, period)].any(axis=1))


def take_changes(
    changes: Sequence[Changes], room: NDArray[np.int64], aim: Aim
) -> tuple[list[NDArray[np.intp]], NDArray[np.int64]]:
    """Choose changes of all partitions: of each its places among its changes, and the room then.

    One after the other, the best first; never makes a limit use more than it has, or more than
    before where that is too much already.
    """
    sizes = [len(c.row) for c in changes]
    which: NDArray[np.intp] = np.repeat(np.arange(len(changes)), sizes)
    place: NDArray[np.intp] = np.concatenate([np.arange(size) for size in sizes])
    rank = np.concatenate([c.rank for c in changes])
    value = np.concatenate([c.value for c in changes])
    order = np.lexsort((place, which, -value, rank))
    use = np.concatenate([c.use for c in changes])[order]
    taken: list[NDArray[np.intp]] = []
    for first in range(0, len(order), _BLOCK):
        rows, room = _take(use, np.arange(first, min(first + _BLOCK, len(order))), room, aim)
        taken.append(order[rows])
    chosen = np.concatenate([np.zeros(0, dtype=np.intp), *taken])
    of_chosen: NDArray[np.intp] = which[chosen]
    return [place[chosen[of_chosen == i]] for i in range(len(changes))], room


def _take(
    use: NDArray[np.int64], left: NDArray[np.intp], room: NDArray[np.int64], aim: Aim
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Those of ``left`` (in this order) that are taken, and the room then."""
    taken: list[NDArray[np.intp]] = []
    while len(left):
        over = room < 0
        if aim == "make_room":
            left = left[(use[left][:, over] < 0).any(axis=1)]
        left = left[((use[left] <= 0) | (use[left] <= room)).all(axis=1)]
        if not len(left):
            break
        after: NDArray[np.int64] = room - np.cumsum(use[left], axis=0)
        good = ((use[left] <= 0) | (after >= 0)).all(axis=1)
        number = len(left) if good.all() else int(np.argmin(good))
        if aim == "make_room":  # what is enough ends it, and may make other changes useless
            enough = ((after >= 0) & over).any(axis=1)
            if enough.any():
                number = min(number, int(np.argmax(enough)) + 1)
        taken.append(left[:number])
        room, left = after[number - 1], left[number:]
    return np.concatenate([np.zeros(0, dtype=np.intp), *taken]), room


def _cells(
    problem: Problem, contact: NDArray[np.int16], period: NDArray[np.int8]
) -> NDArray[np.intp]:
    """The number of each contact's cell in a padded table; the last one is for none."""
    periods = problem.rules.periods
    none = len(problem.names) * periods
    return np.where(contact >= 0, contact.astype(np.intp) * periods + period, none)


def _padded(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k, contacts, periods) as (k, cells + 1): a column of nothing at the end."""
    flat = table.reshape(len(table), table.shape[1] * table.shape[2])
    return np.concatenate([flat, np.zeros((len(table), 1), dtype=table.dtype)], axis=1)


def _use_of(
    problem: Problem, contact: NDArray[np.int16], period: NDArray[np.int8]
) -> NDArray[np.int64]:
    """What chains take of the limits (rows, k)."""
    table = _padded(problem.use)
    taken: NDArray[np.int64] = table[:, _cells(problem, contact, period)].sum(axis=2).T
    return taken

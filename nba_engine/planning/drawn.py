"""Customers and contacts drawn from a seed: the instance that figures are measured on.

Four channels, each action by three of them; values fall off steeply from customer to customer and
differ by action and channel; contacts earn less in later periods. Four limits each on letters,
calls and e-mails (one per quarter of the time), three campaign budgets and one for all: sixteen,
most of them tight.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.chains import ChainRules
from nba_engine.domain import MICROS
from nba_engine.planning.problem import Contact, PlanLimit, Problem, contacts_of
from nba_engine.planning.resident import Partition, Rows

__all__ = ["Shape", "drawn_partitions", "drawn_problem", "drawn_rows", "noted_rows"]

_BLOCK = 1000  # customers drawn together, so that partitions of any size hold the same ones
_CHANNELS = {"letter": 0.7, "call": 4.0, "email": 0.02, "app": 0.0}
_RESPONSE = {"letter": 1.6, "call": 2.6, "email": 0.9, "app": 0.7}
_QUARTERS = (1.0, 0.9, 0.8, 0.5)
_CAMPAIGNS = ("autumn", "loyalty", "services")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How large, and from which seed."""

    customers: int
    actions: int = 20
    periods: int = 4
    most_contacts: int = 3
    spacing: int = 1
    diminishing: float = 0.8
    seed: int = 1


def drawn_problem(shape: Shape) -> Problem:
    """Contacts, rules and limits."""
    rng = np.random.default_rng([shape.seed, 0])
    names = tuple(
        Contact(
            action=f"action_{a:02d}",
            treatment=f"action_{a:02d}.{channel}",
            channel=channel,
            campaign=_CAMPAIGNS[a % len(_CAMPAIGNS)],
            cost=round(_CHANNELS[channel] * MICROS),
        )
        for a in range(shape.actions)
        for channel in sorted(rng.permutation(list(_CHANNELS))[:3].tolist())
    )
    season = rng.uniform(0.75, 1.0, (len(names), shape.periods))
    rules = ChainRules(
        periods=shape.periods,
        most_contacts=shape.most_contacts,
        spacing=shape.spacing,
        diminishing=shape.diminishing,
    )
    return Problem(
        rules=rules,
        names=names,
        contacts=contacts_of(names, season),
        limits=tuple(_limits(shape, names)),
    )


def _limits(shape: Shape, names: tuple[Contact, ...]) -> list[PlanLimit]:
    n, periods = shape.customers, shape.periods
    quarter = np.arange(periods) * 4 // max(periods, 4)
    limits = []
    for channel, share in (("letter", 0.12), ("call", 0.015), ("email", 0.3)):
        of_channel = np.array([one.channel == channel for one in names])
        for q in range(4):
            use = (of_channel[:, None] & (quarter == q)[None]).astype(np.int64)
            limits.append(
                PlanLimit(
                    name=f"{channel}s_{q + 1}",
                    amount=int(share * _QUARTERS[q] * n),
                    measure="contacts",
                    use=use,
                )
            )
    cost = np.array([one.cost for one in names], dtype=np.int64)
    for campaign in _CAMPAIGNS:
        mine = np.array([one.campaign == campaign for one in names])
        use = np.repeat((cost * mine)[:, None], periods, axis=1)
        limits.append(
            PlanLimit(name=campaign, amount=round(0.19 * n) * MICROS, measure="money", use=use)
        )
    use = np.repeat(cost[:, None], periods, axis=1)
    limits.append(
        PlanLimit(name="all_money", amount=round(0.5 * n) * MICROS, measure="money", use=use)
    )
    return limits


def drawn_rows(source: Shape, first: int, last: int) -> Rows:
    """The customers from ``first`` to before ``last``."""
    problem = drawn_problem(source)
    blocks = range(first // _BLOCK, -(-last // _BLOCK))
    drawn = [_block(source, problem, block) for block in blocks]
    start = first - blocks.start * _BLOCK
    rows = slice(start, start + last - first)
    return Rows(
        values=np.concatenate([values for values, _ in drawn])[rows],
        budget=np.concatenate([budget for _, budget in drawn])[rows],
    )


def noted_rows(source: tuple[Shape, str], first: int, last: int) -> Rows:
    """The same, with a file in a folder each time, named by the first customer and the process.

    For tests of workers that are lost: what was built again is seen.
    """
    shape, folder = source
    Path(folder, f"{first}-{os.getpid()}-{os.urandom(6).hex()}").touch()
    return drawn_rows(shape, first, last)


def _block(
    shape: Shape, problem: Problem, block: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng([shape.seed, 1, block])
    contacts = problem.contacts
    response = np.array([_RESPONSE[one.channel] for one in problem.names])
    channel = np.unique([one.channel for one in problem.names], return_inverse=True)[1]
    worth = rng.lognormal(0.0, 0.8, (_BLOCK, 1))
    liking = rng.gamma(1.2, 1.0, (_BLOCK, shape.actions))[:, contacts.action]
    reach = rng.lognormal(0.0, 0.5, (_BLOCK, len(_CHANNELS)))[:, channel]
    values = (worth * liking * reach * response).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    budget = np.round(rng.lognormal(0.9, 0.9, _BLOCK) * MICROS).astype(np.int64)
    budget[rng.random(_BLOCK) < 0.1] = 0
    return values[:, :, None], budget


def drawn_partitions(shape: Shape, rows: int = 20_000) -> list[Partition]:
    """All customers, so many at a time."""
    problem = drawn_problem(shape)
    return [
        Partition(
            number=number,
            problem=problem,
            load=drawn_rows,
            source=shape,
            first=first,
            last=min(first + rows, shape.customers),
        )
        for number, first in enumerate(range(0, shape.customers, rows))
    ]

"""What a refresh learns of logged requests: prices, how large they are, and hourly profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from nba_engine.domain import FloatArray
from nba_engine.engine.prices import HOURS, PacedCell, PriceHistory, Traffic, hours_of_week
from nba_engine.learning.prices.refresh import Requests, solve
from nba_engine.learning.prices.sample import Sample

__all__ = ["Learned", "learn_prices"]

_PRIOR = 50.0  # requests of an hour of the week that count as much as the average of all
_ENDING = 0.1  # of a window's requests: with fewer ahead, prices are those of the window to come


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """``prices`` by the name of the cell; ``spending``: what the sample then spends of a whole amount.

    ``bound``: what the sample's requests could earn at most within the limits, and ``free`` without.
    """

    prices: dict[str, float]
    spending: dict[str, float]
    bound: float
    free: float
    history: PriceHistory


def learn_prices(
    sample: Sample,
    traffic: Traffic,
    cells: Sequence[PacedCell],
    used: Mapping[str, float],
    *,
    now: float,
    start: Mapping[str, float],
    bonuses: Mapping[str, float] = {},
) -> Learned:
    """Prices for what is left of each window, or for the next one when hardly anything of it is.

    ``used`` by cell, contacts or money, in the window around ``now``; ``start`` are the prices so far.
    ``bonuses``: the most that is added for each minimum.
    """
    requests = sample.requests
    floor = np.array([cell.floor for cell in cells])
    budget = np.where(floor, -1.0, 1.0) * np.array(
        [_budget(cell, used.get(cell.name, 0.0), traffic, sample.decisions, now) for cell in cells]
    )
    most = np.array([bonuses.get(cell.name, np.inf) for cell in cells])
    before = np.array([start.get(cell.name, 0.0) for cell in cells])
    solved = solve(requests, budget, start=before if before.any() else None, most=most)
    free = solve(requests, np.where(floor, 0.0, 1e18))
    spending = np.divide(solved.use, budget, out=np.zeros(len(cells)), where=budget != 0.0)
    names = [cell.name for cell in cells]
    return Learned(
        prices=dict(zip(names, solved.prices.tolist(), strict=True)),
        spending=dict(zip(names, spending.tolist(), strict=True)),
        bound=solved.bound,
        free=free.bound,
        history=PriceHistory(
            time=now,
            profiles=_profiles(sample, solved.chance, traffic, cells),
            scales=_scales(requests, cells),
        ),
    )


def _budget(cell: PacedCell, used: float, traffic: Traffic, decisions: int, now: float) -> float:
    """What the sample may use of a limit: its part of all the requests that are to come."""
    zone, period = cell.limit.window.time_zone, cell.period(now)
    whole = traffic.expected(period.start, period.end, zone)
    ahead = traffic.expected(max(now, period.start), period.end, zone)
    left = max(0.0, cell.amount - used)
    if ahead < _ENDING * whole:
        left, ahead = cell.amount, whole
    return left * decisions / max(ahead, 1.0)


def _profiles(
    sample: Sample, chance: FloatArray, traffic: Traffic, cells: Sequence[PacedCell]
) -> dict[str, tuple[float, ...]]:
    """By limit: what the hours of the week use, when candidates are taken with these chances.

    That is the traffic of an hour times what its requests use, which is drawn to the average where few
    of them were sampled.
    """
    requests = sample.requests
    if not len(requests.first):
        return {}
    spent = np.abs(requests.use) * chance[:, None]
    profiles = {}
    for limit in dict.fromkeys(cell.limit.id for cell in cells):
        mine = [at for at, cell in enumerate(cells) if cell.limit.id == limit]
        mine = [at for at in mine if not cells[at].floor] or mine
        zone = cells[mine[0]].limit.window.time_zone
        use = np.add.reduceat(
            np.where(np.isin(requests.limit, mine), spent, 0.0).sum(axis=1), requests.first
        )
        hours = hours_of_week(sample.time, zone)
        count = np.bincount(hours, minlength=HOURS)
        each = (np.bincount(hours, use, HOURS) + _PRIOR * use.mean()) / (count + _PRIOR)
        profile = traffic.rates(zone) * each
        if profile.sum() > 0.0:
            share = profile * (HOURS / profile.sum())
            profiles[limit] = tuple(round(one, 4) for one in share.tolist())
    return profiles


def _scales(requests: Requests, cells: Sequence[PacedCell]) -> dict[str, float]:
    """By cell: what its candidates are worth per unit, on average; of a minimum: what they lack."""
    worth = requests.worth
    if not len(requests.first):
        return {}
    best = np.maximum(np.maximum.reduceat(worth, requests.first), 0.0)
    sizes = np.diff(requests.first, append=len(worth))
    lacks = np.repeat(best, sizes) - worth
    scales = {}
    for at, cell in enumerate(cells):
        use = np.abs(np.where(requests.limit == at, requests.use, 0.0)).sum(axis=1)
        used = (use > 0.0) & ((lacks > 0.0) if cell.floor else True)
        size = float((lacks if cell.floor else worth)[used].sum())
        if size > 0.0:
            scales[cell.name] = size / float(use[used].sum())
    return scales

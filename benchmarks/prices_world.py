"""Synthetic traffic for prices: requests of a day, campaign budgets, capacities of channels; seeded.

Everything is made up by a seeded generator. Twelve actions in four campaigns go out by three channels.
A request may get some of them; what each is worth depends on the customer. The day before, the same
process without drift, is what history knows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nba_engine.domain import BoolArray, FloatArray, IntArray

ACTIONS, CAMPAIGNS, CHANNELS = 12, 4, 3
LIMITS = CAMPAIGNS + CHANNELS
DAY = 86_400.0
MONDAY = 1_509_926_400.0  # 6 November 2017, 00:00 UTC: when days are played on a clock
FITTING = 0.45  # of the actions, per request
# letters, calls, e-mails: cost of a contact in money
COSTS = np.array([0.9, 4.0, 0.05])


class World(NamedTuple):
    """What does not change within a seed. Limits: campaign budgets in money, then capacities."""

    campaign: IntArray  # (a,)
    channel: IntArray  # (a,)
    value: FloatArray  # (a,) money of a success
    lever: FloatArray  # (a,)
    cost: FloatArray  # (a,)
    rate: FloatArray  # (a,) how likely a success is, on average
    amount: FloatArray  # (k,)
    hours: FloatArray  # (24,) of the traffic


class Traffic(NamedTuple):
    """One day: ``time`` (n,), ``propensity`` (n, a), NaN where an action does not fit."""

    time: FloatArray
    propensity: FloatArray


def make_world(seed: int, requests: int = 30_000) -> World:
    """A world of which all limits bind, more or less."""
    random = np.random.default_rng([seed, 0])
    campaign = np.arange(ACTIONS) % CAMPAIGNS
    channel = random.permutation(np.arange(ACTIONS) % CHANNELS)
    value = random.uniform(20.0, 120.0, ACTIONS)
    cost = COSTS[channel] * random.uniform(0.8, 1.2, ACTIONS)
    # what costs more also does more, or nobody would do it
    rate = random.uniform(1.0, 3.0, ACTIONS) * (cost + 0.4) / value
    hour = np.arange(24)
    hours = (
        0.15
        + np.exp(-0.5 * ((hour - 11) / 3.0) ** 2)
        + 1.3 * np.exp(-0.5 * ((hour - 20) / 2.0) ** 2)
    )
    world = World(
        campaign,
        channel,
        value,
        random.uniform(0.8, 1.25, ACTIONS),
        cost,
        rate,
        np.zeros(LIMITS),
        hours / hours.sum(),
    )
    # amounts: part of what unlimited spending of a quiet day would use
    before = make_traffic(world, seed, requests, day=0)
    worth = worths(world, before)
    best = np.where(np.isnan(worth), -np.inf, worth)
    picked = best.argmax(axis=1)[best.max(axis=1) > 0]
    use = uses(world)[picked].sum(axis=0)
    return world._replace(amount=np.round(use * random.uniform(0.15, 0.6, LIMITS), 2) // 1)


def make_traffic(
    world: World, seed: int, requests: int, *, day: int, drift: float = 0.0
) -> Traffic:
    """A day's requests. With ``drift`` 0.3 actions get 30 % better or worse during the day.

    They do so at a time of their own; and from noon on there are 30 % more requests.
    """
    random = np.random.default_rng([seed, 1 + day])
    hours = world.hours * np.where(np.arange(24) >= 12, 1.0 + drift, 1.0)
    hour = random.choice(24, requests, p=hours / hours.sum())
    time = np.sort((hour + random.random(requests)) * 3600.0)
    taste = random.normal(0.0, 0.6, (requests, 1))
    chance = world.rate * np.exp(taste + random.normal(0.0, 0.7, (requests, ACTIONS)) - 0.42)
    turn = random.uniform(0.3, 0.7, ACTIONS) * DAY
    change = np.where(random.random(ACTIONS) < 0.5, 1.0 - drift, 1.0 + drift)
    chance *= np.where(time[:, None] >= turn, change, 1.0)
    fits: BoolArray = random.random((requests, ACTIONS)) < FITTING
    return Traffic(time, np.where(fits, np.minimum(chance, 0.9), np.nan))


def worths(world: World, traffic: Traffic) -> FloatArray:
    """Lever * propensity * value - cost, (n, a); NaN where an action does not fit."""
    return traffic.propensity * (world.lever * world.value) - world.cost


def uses(world: World) -> FloatArray:
    """What a contact uses of each limit, (a, k)."""
    use = np.zeros((ACTIONS, LIMITS))
    use[np.arange(ACTIONS), world.campaign] = world.cost
    use[np.arange(ACTIONS), CAMPAIGNS + world.channel] = 1.0
    return use


def catalog_of(world: World) -> str:
    """A catalog that takes what an action would earn from the context: ``gain``, by action."""
    lines = [
        '[context.gain]\ntype = "map<string,double>"',
        '[channels.any]\nreservation_ttl = "30d"\n[placements.place]\nchannel = "any"',
        '[actions.nothing]\nkind = "nothing"',
    ]
    lines += [
        f'[actions.a{a}]\ncampaign = "campaign{world.campaign[a]}"\nprior = 1.0\n'
        f'tags = ["channel{world.channel[a]}"]\nvalue = "context.gain[\'a{a}\']"\n'
        f'treatments.any = {{ channel = "any", cost = {world.cost[a]:.6f} }}'
        for a in range(ACTIONS)
    ]
    for k in range(CAMPAIGNS + CHANNELS):
        money = k < CAMPAIGNS
        selected = f'campaigns = ["campaign{k}"]' if money else f'tags = ["channel{k - CAMPAIGNS}"]'
        lines.append(
            f'[limits.limit{k}]\nmeasure = "{"money" if money else "contacts"}"\n'
            f'amount = {int(world.amount[k])}\nwindow = "day"\npace = "profile"\n'
            f"applies_to = {{ {selected} }}"
        )
    return "\n".join(lines)

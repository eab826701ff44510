"""Affinities on simulated responses whose truth is known: `python -m benchmarks.affinities`.

Customers differ in how they answer letters, e-mails, the app and calls. Shown: the log-loss of
predictions against the raw and the pooled rates; how fast a change of taste is learned, against an
oracle that is fitted to the new taste alone; and that noise is told from taste.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nba_engine.domain.values import FloatArray
from nba_engine.learning.affinity import (
    Events,
    contacts_of,
    fit_rates,
    losses,
    pooled_rates,
    predicted,
    raw_rates,
)

__all__ = ["Change", "Quality", "change_of_taste", "contacted", "quality", "tastes"]

DAY = 86_400.0
CHANNELS = ("app", "call", "email", "letter")
RATES = np.array([0.05, 0.12, 0.03, 0.08])
HALF_LIFE = 90.0  # days


class Quality(NamedTuple):
    """Log-loss per contact on what was held out."""

    fitted: float
    raw: float
    softened: float
    pooled: float
    truth: float


class Change(NamedTuple):
    """Log-loss per contact after the taste changed, two half-lives later and at once."""

    fitted: float
    oracle: float
    at_once: float
    pooled: float


def tastes(random: np.random.Generator, customers: int, weight: float = 6.0) -> FloatArray:
    """P(response) by customer and channel: a level of the customer's, and a taste on top."""
    level = random.gamma(3.0, 1.0 / 3.0, (customers, 1))
    mean = np.clip(RATES * level, 0.002, 0.9)
    return random.beta(weight * mean, weight * (1.0 - mean))


def contacted(
    random: np.random.Generator,
    chances: FloatArray,
    days: float,
    per_year: float,
    start: float = 0.0,
) -> tuple[Events, FloatArray]:
    """Contacts at random times, answered a second later; and the true chance of each contact."""
    customers, channels = chances.shape
    number = random.poisson(per_year * days / 365.0, (customers, channels))
    customer = np.repeat(np.arange(customers), number.sum(axis=1))
    channel = np.concatenate([np.repeat(np.arange(channels), row) for row in number])
    time = (start + random.uniform(0.0, days, len(customer))) * DAY
    chance = chances[customer, channel]
    answered = random.random(len(customer)) < chance
    events = Events(
        customers,
        CHANNELS,
        np.concatenate([customer, customer[answered]]),
        np.concatenate([channel, channel[answered]]),
        np.concatenate([time, time[answered] + 1.0]),
        np.concatenate([np.zeros(len(time), dtype=np.bool_), np.ones(answered.sum(), np.bool_)]),
    )
    return events, chance


def both(one: Events, other: Events) -> Events:
    """What happened in two periods."""
    joined = (np.concatenate(pair) for pair in zip(one[2:], other[2:], strict=True))
    customer, word, time, positive = joined
    return Events(one.customers, one.words, customer, word, time, positive)


def quality(
    seed: int, *, customers: int = 2_000, per_year: float = 8.0, weight: float = 6.0
) -> Quality:
    """Two years of steady tastes; the last half year is held out."""
    random = np.random.default_rng(seed)
    chances = tastes(random, customers, weight)
    events, _ = contacted(random, chances, 730.0, per_year)
    contacts = contacts_of(events, HALF_LIFE * 4 * DAY)
    early = contacts.time < 547.0 * DAY
    known, later = contacts.where(early), contacts.where(~early)
    pooled = pooled_rates(known)

    def loss(probability: FloatArray) -> float:
        return float(losses(later, probability).sum() / later.number.sum())

    return Quality(
        loss(predicted(later, fit_rates(known))),
        loss(raw_rates(later, pooled)),
        loss(raw_rates(later, pooled, added=0.5)),
        loss(pooled[later.word]),
        loss(chances[later.customer, later.word]),
    )


def change_of_taste(
    seed: int, *, customers: int = 2_000, per_year: float = 24.0, half_life: float = HALF_LIFE
) -> Change:
    """Every taste is drawn anew after two years; measured in the half-life that begins two later."""
    random = np.random.default_rng(seed)
    old, new = tastes(random, customers), tastes(random, customers)
    turn, end = 730.0, 730.0 + 3 * half_life
    before, _ = contacted(random, old, turn, per_year)
    after, _ = contacted(random, new, end - turn, per_year, start=turn)
    online = contacts_of(both(before, after), half_life * DAY)
    prior = fit_rates(online.where(online.time < turn * DAY))
    fresh = contacts_of(after, 100.0 * half_life * DAY)  # an oracle: it knows what no longer counts
    oracle = fit_rates(fresh.where(fresh.time < (turn + 2 * half_life) * DAY))
    late = fresh.time >= (turn + 2 * half_life) * DAY
    own = online.where(online.time >= (turn + 2 * half_life) * DAY)
    first = online.where((online.time >= turn * DAY) & (online.time < (turn + half_life / 4) * DAY))
    pooled = pooled_rates(online)

    return Change(
        float(losses(own, predicted(own, prior)).sum() / own.number.sum()),
        float(
            losses(fresh.where(late), predicted(fresh.where(late), oracle)).sum()
            / fresh.number[late].sum()
        ),
        float(losses(first, predicted(first, prior)).sum() / first.number.sum()),
        float(losses(own, pooled[own.word]).sum() / own.number.sum()),
    )


def main() -> None:
    """Print both for ten seeds."""
    print("log-loss per contact, held out: fitted, own rate, own rate softened, pooled, truth")
    for seed in range(10):
        one = quality(seed)
        print(f"  seed {seed}: " + "  ".join(f"{value:.4f}" for value in one))
    print(
        "two half-lives after a change of taste: fitted, oracle, at once, pooled; fitted / oracle"
    )
    for seed in range(10):
        two = change_of_taste(seed)
        told = "  ".join(f"{value:.4f}" for value in two)
        print(f"  seed {seed}: {told}  {two.fitted / two.oracle:.4f}")


if __name__ == "__main__":
    main()

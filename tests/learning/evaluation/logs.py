"""Logs of a known world: customers of four kinds, five actions, rates that are given."""

from __future__ import annotations

import numpy as np

from nba_engine.domain.values import FloatArray
from nba_engine.learning.evaluation import Picks

RATE = np.array(
    [
        [0.05, 0.10, 0.20, 0.10, 0.30],
        [0.30, 0.10, 0.05, 0.10, 0.10],
        [0.10, 0.10, 0.40, 0.20, 0.10],
        [0.20, 0.25, 0.10, 0.10, 0.05],
    ]
)
LOGGED = np.exp(
    np.array(
        [
            [0.0, 1.0, 0.0, 0.5, 0.2],
            [1.0, 0.0, 0.0, 0.2, 0.4],
            [0.3, 0.3, 1.0, 0, 0],
            [0, 0, 0.5, 1, 0],
        ]
    )
)
LOGGED /= LOGGED.sum(axis=1, keepdims=True)
TARGET = np.exp(6 * RATE)
TARGET /= TARGET.sum(axis=1, keepdims=True)
PREDICTED = 0.7 * RATE + 0.05  # a model that is wrong
TRUTH = float((TARGET * RATE).sum(axis=1).mean())
_ACTIONS = np.array([f"action {number}" for number in range(5)], dtype=object)
_CHANNELS = np.array(["web", "web", "web", "email", "email"], dtype=object)


def logged(
    rows: int,
    seed: int,
    *,
    policy: FloatArray = LOGGED,
    target: FloatArray = TARGET,
    customers: int | None = None,
) -> Picks:
    """Single picks of a policy, and how likely the target would have made them."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, len(RATE), rows)
    action = (random.random(rows)[:, None] > policy[kind].cumsum(axis=1)).sum(axis=1)
    return Picks(
        decision=np.arange(rows),
        placement=np.full(rows, "home", dtype=object),
        position=np.zeros(rows, dtype=np.intp),
        reward=(random.random(rows) < RATE[kind, action]).astype(np.float64),
        propensity=policy[kind, action],
        target=target[kind, action],
        action=_ACTIONS[action],
        channel=_CHANNELS[action],
        customer=None if customers is None else random.integers(0, customers, rows),
        expected=PREDICTED[kind, action],
        expected_target=(TARGET * PREDICTED).sum(axis=1)[kind],
    )

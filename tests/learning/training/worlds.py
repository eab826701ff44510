"""Made-up examples with a known truth, for tests of training."""

from __future__ import annotations

import numpy as np

from nba_engine.domain import Feature
from nba_engine.learning.training.encoding import ABSENT
from nba_engine.learning.training.examples import Examples

DAY = 86_400.0
COLORS = ("red", "green", "blue")
TOWNS = tuple(f"town{n}" for n in range(30))


def made_up(
    rows: int = 3_000,
    *,
    actions: int = 1,
    signal: float = 1.0,
    gaps: bool = True,
    categories: bool = True,
    seed: int = 3,
) -> Examples:
    """Outcomes that depend on a number, on one with gaps, on a color, a town, and the action.

    With ``signal`` 0 they depend on nothing.
    """
    random = np.random.default_rng(seed)
    number = random.normal(size=rows)
    amount = random.exponential(10.0, size=rows)
    missing = random.random(rows) < 0.2
    color = random.integers(-1, len(COLORS), rows)
    town = random.integers(0, len(TOWNS), rows)
    action = random.integers(0, actions, rows)
    effect = random.normal(scale=0.7, size=len(TOWNS))
    logit = -1.0 + signal * (
        number
        - 0.05 * amount * ~missing
        + 1.0 * missing
        + 0.8 * (color == 1)
        + effect[town]
        + np.linspace(-0.5, 0.5, actions)[action] * number
    )
    label = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
    features = [Feature(name="number", source="customer.number")]
    columns = [number]
    if gaps:
        features.append(Feature(name="amount", source="customer.amount", default=ABSENT))
        columns.append(np.where(missing, ABSENT, amount).astype(float))
    else:
        features.append(Feature(name="amount", source="customer.amount"))
        columns.append(amount)
    if categories:
        for name, words, values in (("color", COLORS, color), ("town", TOWNS, town)):
            source = f"customer.{name}"
            features.append(
                Feature(
                    name=name, source=source, transform="category", categories=words, default=-1.0
                )
            )
            columns.append(values.astype(float))
    time = np.sort(random.random(rows)) * 100 * DAY
    return Examples(
        source="table",
        features=tuple(features),
        rows=np.stack(columns, axis=1).astype(np.float32),
        label=label,
        time=time,
        known=time + DAY,
        action=action.astype(np.int32),
        actions=tuple(f"offer{n}" for n in range(actions)),
        customer=random.integers(0, rows // 5, rows).astype(np.int32),
    )

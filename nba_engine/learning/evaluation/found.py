"""What an evaluation found: plain values, for tables, pictures and JSON."""

from __future__ import annotations

import msgspec

__all__ = ["ESTIMATORS", "Estimate", "Evaluation", "Part", "Place"]

ESTIMATORS = {"ips": "IPS", "snips": "SNIPS", "dr": "DR"}


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its bootstrap interval."""

    value: float
    low: float
    high: float


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One position of a placement: how well the log supports a judgement of it.

    ``refused`` says why there is none, "" when there is: then it counts in the values.
    """

    place: str
    picks: int
    effective_sample_size: float
    mean_weight: float  # 1 but for chance, when the log supports all that the policy does
    mean_weight_error: float  # its standard error, over customers
    refused: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One action, channel or model: its share of the picks and its reward per pick, as logged and under test.

    ``target`` is None where the effective sample size is too small for a number.
    """

    name: str
    picks: int
    logged_share: float
    target_share: float
    logged: float
    target: Estimate | None
    effective_sample_size: float


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would have earned per decision, by what was logged of another.

    ``supported`` is False, and ``estimates``, ``differences`` and ``chance_better`` are empty, where
    the log cannot tell; ``reason`` says why then. ``chance_better``: the part of the resamples in
    which the policy under test earns more than the logged one. ``notes`` are warnings to be read.
    """

    source: str
    reward: str
    decisions: int
    customers: int | None
    picks: int
    logged: Estimate
    supported: bool
    reason: str
    effective_sample_size: float
    largest_weight: float
    clip: float | None
    clipped_share: float
    estimates: dict[str, Estimate]
    differences: dict[str, Estimate]
    chance_better: dict[str, float]
    places: tuple[Place, ...]
    actions: tuple[Part, ...]
    channels: tuple[Part, ...]
    models: tuple[Part, ...]  # that decided: of champions and challengers, each on its share
    left_out: dict[str, int]  # decisions that could not be used, by reason
    notes: tuple[str, ...]
    confidence: float
    resamples: int
    seed: int

"""Partitions of numbers, and what can happen over them: the exercise of every batch engine.

`nba_engine.testing.BatchEngineSuite` runs it. It lies here because workers import it, and importing
what tests are made of would take them longer than the exercise.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from nba_engine.domain import Adding, FloatArray, Sums
from nba_engine.errors import InvalidRequest, Violation

__all__ = [
    "Numbers",
    "Seen",
    "Slice",
    "build",
    "builds",
    "die",
    "die_once",
    "fail",
    "hang",
    "look",
    "no_sums",
    "plain_loop",
    "refuse",
    "total",
]


class Slice(msgspec.Struct, frozen=True):
    """A partition: so many numbers of a seed. ``folder`` gets a file for each time it is built."""

    number: int
    folder: str
    size: int = 50
    broken: bool = False

    def __str__(self) -> str:
        return f"numbers of seed {self.number}"


class Numbers(NamedTuple):
    """What is built of it: numbers of very different sizes, so that the order of adding shows."""

    slice: Slice
    values: FloatArray
    token: str  # of this building


class Seen(NamedTuple):
    """What `look` found."""

    number: int
    token: str
    process: int
    state: object


def build(one: Slice) -> Numbers:
    """Make the numbers."""
    if one.broken:
        raise ValueError("no such seed")
    token = os.urandom(6).hex()
    Path(one.folder, f"built-{one.number}-{token}").touch()
    generator = np.random.default_rng(one.number)
    sizes = 10.0 ** generator.uniform(-8, 12, one.size)
    return Numbers(one, generator.normal(size=one.size) * sizes, token)


def builds(folder: Path, number: int) -> int:
    """How often a partition was built."""
    return len(list(folder.glob(f"built-{number}-*")))


def total(numbers: Numbers, factor: float) -> Sums:
    """Sums of three kinds; the first partitions take longest."""
    time.sleep(max(0, 3 - numbers.slice.number) * 0.002)
    values = numbers.values * factor
    return np.array(values.sum()), np.stack([values, -values * 3]), np.array([len(values)])


def plain_loop(slices: list[Slice], factor: float) -> Sums:
    """What the sums of all partitions must be, to the bit."""
    adding = Adding()
    for number, one in enumerate(slices):
        adding.take(number, total(build(one), factor))
    return adding.total


def look(numbers: Numbers, state: object) -> Seen:
    """Where a partition is; the first partitions take longest."""
    time.sleep(max(0, 3 - numbers.slice.number) * 0.002)
    return Seen(numbers.slice.number, numbers.token, os.getpid(), state)


def fail(numbers: Numbers, which: int) -> Sums:
    """Raise over one partition."""
    if numbers.slice.number == which:
        raise ValueError("no such price\nand more")
    return total(numbers, 1.0)


def refuse(numbers: Numbers, which: int) -> Sums:
    """Raise an error of the engine over one partition."""
    if numbers.slice.number == which:
        raise InvalidRequest([Violation(field="prices[0]", description="must be finite")])
    return total(numbers, 1.0)


def no_sums(numbers: Numbers, which: int) -> Sums:
    """Over one partition, sums of another shape."""
    size = 2 if numbers.slice.number == which else 3
    return (np.zeros(size),)


def hang(numbers: Numbers, which: int) -> Sums:
    """Do not come back over one partition."""
    if numbers.slice.number == which:
        time.sleep(50.0)
    return total(numbers, 1.0)


def die_once(numbers: Numbers, which: int) -> Sums:
    """The first time, end the process over one partition; in the middle, as the kernel does."""
    mark = Path(numbers.slice.folder, f"died-{which}")
    if numbers.slice.number == which and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return total(numbers, 1.0)


def die(numbers: Numbers, which: int) -> Sums:
    """End the process over one partition, each time."""
    if numbers.slice.number == which:
        os.kill(os.getpid(), signal.SIGKILL)
    return total(numbers, 1.0)

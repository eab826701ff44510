"""What a model is trained on: one row per chance that something had, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import BoolArray, Feature, FloatArray
from nba_engine.errors import FailedPrecondition

__all__ = [
    "Examples",
    "Source",
    "Split",
    "fill_categories",
    "latest_apart",
    "split_by_time",
]

Source = Literal["decisions", "history", "table"]
Rows = NDArray[np.float32]

MOST_CATEGORIES = 1_000  # of one feature; the rarer ones are missing


class Examples(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Inputs ``rows`` (n, f) of ``features``, ``label`` (n,) 0 or 1, ``time`` (n,) of the decision.

    ``known`` (n,): when the label was known. ``action`` and ``customer`` (n,) count ``actions`` and
    customers (of history ``customer_ids``); one of each where the data names none. ``left_out`` counts
    what was not used, and why; ``warnings`` are sentences.
    """

    source: Source
    features: tuple[Feature, ...]
    rows: Rows
    label: FloatArray
    time: FloatArray
    known: FloatArray
    action: NDArray[np.int32]
    actions: tuple[str, ...]
    customer: NDArray[np.int32]
    customer_ids: tuple[str, ...] = ()
    left_out: Mapping[str, int] = {}
    warnings: tuple[str, ...] = ()

    def take(self, chosen: BoolArray | NDArray[np.intp]) -> Examples:
        """Some of them; the same object when that is all."""
        if chosen.dtype == np.bool_ and bool(chosen.all()):
            return self
        columns = ("rows", "label", "time", "known", "action", "customer")
        return msgspec.structs.replace(
            self, **{name: getattr(self, name)[chosen] for name in columns}
        )

    def __len__(self) -> int:
        return len(self.label)


class Split(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Examples by time: the model is trained on the first, fitted to the second, shown on the last.

    ``between`` examples were left out: their outcome came when the held-out part had begun.
    """

    train: Examples
    validation: Examples
    test: Examples
    between: int


def split_by_time(examples: Examples, *, validation: float = 0.15, test: float = 0.15) -> Split:
    """Train, validation and test, one after the other; those of one moment stay together.

    The latest ``test`` share is held out. Of what was known when it begins, the later part (as
    ``validation`` is to the rest) is for choosing; no label of either reaches into the held-out part.
    Raises `FailedPrecondition` when all are of one moment.
    """
    if examples.time.min() == examples.time.max():
        raise FailedPrecondition(
            "all examples are of one moment: without a before and after nothing can be held out"
        )
    held_out = _boundary(examples.time, 1.0 - test)
    before = examples.known <= held_out
    before &= examples.time < held_out
    known = examples.take(before)
    chosen = _boundary(known.time, 1.0 - validation / (1.0 - test)) if len(known) else held_out
    parts = (
        known.take(known.time < chosen),
        known.take(known.time >= chosen),
        examples.take(examples.time >= held_out),
    )
    return Split(
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        between=len(examples) - sum(map(len, parts)),
    )


def latest_apart(examples: Examples, share: float) -> tuple[Examples, Examples]:
    """What was known before the latest ``share`` of the examples began, and these."""
    begins = _boundary(examples.time, 1.0 - share)
    before = (examples.known <= begins) & (examples.time < begins)
    return examples.take(before), examples.take(examples.time >= begins)


def _boundary(time: FloatArray, share: float) -> float:
    """The first moment behind about this share of the examples."""
    times, counts = np.unique(time, return_counts=True)
    reached = np.cumsum(counts) / len(time)
    after = int(np.searchsorted(reached, share - 1e-12, side="left")) + 1
    return float(times[min(after, len(times) - 1)])


def fill_categories(feature: Feature, words: NDArray[np.object_]) -> Feature:
    """A category feature that declares none, with those of ``words``, the most frequent first."""
    known, counts = np.unique(words[words != ""].astype(str), return_counts=True)
    order = np.lexsort((known, -counts))[:MOST_CATEGORIES]
    return msgspec.structs.replace(feature, categories=tuple(known[order].tolist()), default=-1.0)

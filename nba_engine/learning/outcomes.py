"""How recommendations ended: interactions that name them, or that show the thing was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import BoolArray, FloatArray, OutcomeSpec
from nba_engine.learning.interactions import Exploded, Interactions

__all__ = ["Ended", "Shown", "find_outcomes", "first_within", "types_of"]


class Shown(NamedTuple):
    """Recommendations, one element each: what `find_outcomes` needs of them.

    ``customer`` (n,) counts the interactions' ``customer_ids``, -1: did nothing. ``spec`` (n,)
    counts ``specs``; ``word`` (n,) is the value of the action's attribute that ``by`` looks for.
    """

    recommendation_id: Sequence[str]
    time: FloatArray
    customer: NDArray[np.intp]
    spec: NDArray[np.intp]
    specs: Sequence[OutcomeSpec]
    word: Sequence[str]


class Ended(NamedTuple):
    """``outcome`` (n,) is 1 positive, -1 negative, 0 none; ``time`` (n,) of it, NaN without.

    ``seen`` (n,): an interaction of ``shown_by`` names it, or the specification needs none.
    """

    outcome: NDArray[np.int8]
    time: FloatArray
    seen: BoolArray


def types_of(specs: Sequence[OutcomeSpec]) -> tuple[str, ...]:
    """Every interaction type that decides an outcome, or whether it was seen."""
    words = [word for spec in specs for word in (*spec.positive, *spec.negative, *spec.shown_by)]
    return tuple(dict.fromkeys(words))


def find_outcomes(shown: Shown, interactions: Interactions) -> Ended:
    """The outcome of each recommendation within its window. A positive one wins."""
    count = len(shown.time)
    within = np.array([spec.within for spec in shown.specs])[shown.spec]
    by = np.array([bool(spec.by) for spec in shown.specs])[shown.spec]
    first = {
        "positive": np.full(count, np.inf),
        "negative": np.full(count, np.inf),
        "shown_by": np.full(count, np.inf),
    }
    row_of = {name: row for row, name in enumerate(shown.recommendation_id) if name}
    kinds = _kinds(shown.specs, interactions.types)
    naming = [
        (row_of[name], at)
        for at, name in enumerate(interactions.recommendation_id.tolist())
        if name in row_of
    ]
    if naming:
        rows, places = np.array(naming, dtype=np.intp).T
        for kind, matches in kinds.items():
            fits = matches[shown.spec[rows], interactions.type[places]]
            if kind != "shown_by":
                fits &= ~by[rows]
            np.minimum.at(first[kind], rows[fits], interactions.time[places[fits]])
    for number, spec in enumerate(shown.specs):
        rows = np.flatnonzero(by & (shown.spec == number) & (shown.customer >= 0))
        if not len(rows):
            continue
        exploded = interactions.exploded(spec.by)
        words = [shown.word[row] for row in rows.tolist()]
        for kind in ("positive", "negative"):
            found = first_within(
                exploded,
                interactions,
                kinds[kind][number],
                customer=shown.customer[rows],
                word=words,
                after=shown.time[rows],
            )
            first[kind][rows] = found
    ends = shown.time + within
    positive = first["positive"] <= ends
    negative = ~positive & (first["negative"] <= ends)
    outcome = np.zeros(count, dtype=np.int8)
    outcome[positive], outcome[negative] = 1, -1
    time = np.where(positive, first["positive"], np.where(negative, first["negative"], np.nan))
    needs = np.array([bool(spec.shown_by) for spec in shown.specs])[shown.spec]
    return Ended(outcome, time, ~needs | np.isfinite(first["shown_by"]))


def first_within(
    exploded: Exploded,
    interactions: Interactions,
    fits: BoolArray,
    *,
    customer: NDArray[np.intp],
    word: Sequence[str],
    after: FloatArray,
) -> FloatArray:
    """When each customer's first interaction with that word after a moment was, (n,); inf: never.

    ``fits`` (types,): which types count.
    """
    code_of = {name: code for code, name in enumerate(exploded.words)}
    used = fits[interactions.type[exploded.row]]
    row = exploded.row[used]
    width = len(code_of) + 1
    key = interactions.customer[row] * width + exploded.code[used]
    time = interactions.time[row]
    order = np.lexsort((time, key))
    key, time = key[order], time[order]
    wanted = customer * width + np.array([code_of.get(name, width - 1) for name in word])
    starts = np.searchsorted(key, wanted, side="left")
    ends = np.searchsorted(key, wanted, side="right")
    found = np.full(len(wanted), np.inf)
    for at, (start, end, moment) in enumerate(
        zip(starts.tolist(), ends.tolist(), after.tolist(), strict=True)
    ):
        place = start + int(np.searchsorted(time[start:end], moment, side="right"))
        if place < end:
            found[at] = time[place]
    return found


def _kinds(specs: Sequence[OutcomeSpec], types: Sequence[str]) -> Mapping[str, BoolArray]:
    """Which types are what to which specification: (specs, types) each."""
    return {
        kind: np.array([[name in getattr(spec, kind) for name in types] for spec in specs])
        for kind in ("positive", "negative", "shown_by")
    }

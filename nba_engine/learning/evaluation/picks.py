"""Logged picks, each with how likely the policy under test would have made it; checked as a whole."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.errors import NbaError

__all__ = ["Picks", "check_picks", "cumulative_weights", "ended_above", "place_names"]

_ROUNDING = 1e-6  # of float32 probabilities


class Picks(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What was picked, one element per pick, (n,).

    A decision fills places: ``place`` is a code, and within a decision and a placement ``position``
    counts from 0, top down. ``propensity`` is the logged probability of the pick given what stands
    above it, ``target`` the same of the policy under test. ``reward`` is what came of it.
    ``customer`` is a code, whose rows are not independent; None: every decision stands alone.
    ``expected`` is a prediction of the reward of the pick, ``expected_target`` of what the policy
    under test picks there instead, on average: both or neither; without them there is no DR.
    """

    decision: IntArray
    placement: NDArray[Any]  # names
    position: IntArray
    reward: FloatArray
    propensity: FloatArray
    target: FloatArray
    action: NDArray[Any]  # names
    channel: NDArray[Any] | None = None
    model: NDArray[Any] | None = None  # names: whose propensities decided
    customer: IntArray | None = None
    expected: FloatArray | None = None
    expected_target: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.reward)

    def where(self, kept: NDArray[np.bool_]) -> Picks:
        """The picks of a mask (n,)."""
        columns = {
            name: column[kept]
            for name in self.__struct_fields__
            if (column := getattr(self, name)) is not None
        }
        return Picks(**columns)


def check_picks(picks: Picks, *, source: str = "") -> None:
    """Raises `NbaError` that names ``source``, row (from 1), what is wrong, and a remedy."""
    finite = "every number must be finite"
    _refuse(~np.isfinite(picks.reward), picks.reward, source, "reward", finite)
    _refuse(
        ~((picks.propensity > 0.0) & (picks.propensity <= 1.0 + _ROUNDING)),
        picks.propensity,
        source,
        "propensity",
        "it is the probability with which the logged policy made this pick: above 0, at most 1",
    )
    _refuse(
        ~((picks.target >= 0.0) & (picks.target <= 1.0 + _ROUNDING)),
        picks.target,
        source,
        "target_probability",
        "it is the probability with which the policy under test makes this pick: from 0 to 1",
    )
    for name, column in (("q_logged", picks.expected), ("q_target", picks.expected_target)):
        if column is not None:
            _refuse(~np.isfinite(column), column, source, name, finite)
    _check_positions(picks, source)


def _refuse(
    wrong: NDArray[np.bool_], values: FloatArray, source: str, name: str, remedy: str
) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        more = int(wrong.sum()) - 1
        others = f" (and {more:,} more)" if more else ""
        raise NbaError(
            f"{source}: column `{name}`, row {row + 1:,}{others}: {values[row]:g}; {remedy}"
        )


def _check_positions(picks: Picks, source: str) -> None:
    """Every slate of a decision has each position once, without gaps."""
    order, slate, start = _slates(picks)
    rank = np.arange(len(order)) - start[slate]
    wrong = np.zeros(len(picks), dtype=np.bool_)
    wrong[order] = picks.position[order] != rank
    if wrong.any():
        row = int(order[wrong[order].argmax()])
        raise NbaError(
            f"{source}: column `position`, row {row + 1:,}: {picks.position[row]} where "
            f"{int(rank[order == row][0])} was due; number what is shown together from 0, top down, "
            "and leave nothing out: a pick's probability depends on all that stands above it"
        )


def _slates(picks: Picks) -> tuple[IntArray, IntArray, IntArray]:
    """Rows in order of slate and position; of each ordered row its slate; where each begins."""
    places = np.unique(picks.placement.astype(str), return_inverse=True)[1].reshape(-1)
    order = np.lexsort((picks.position, places, picks.decision))
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(picks.decision[order]) != 0) | (np.diff(places[order]) != 0)
    start = np.flatnonzero(new)
    return order, np.cumsum(new) - 1, start


def cumulative_weights(
    picks: Picks, *, clip: float | None = None
) -> tuple[FloatArray, FloatArray, float]:
    """Weights (n,) of each pick with all above it, those of what is above alone, share clipped.

    The product of ``target / propensity`` from the top of the slate to the pick (McInerney et al.
    2020, eq. 3-4: rewards may depend on what stands above, not on what stands below). ``clip``
    caps every product (Ionides 2008): less variance, and a bias towards smaller values.
    """
    order, slate, start = _slates(picks)
    ratio = np.minimum(picks.target, 1.0)[order] / np.minimum(picks.propensity, 1.0)[order]
    rank = np.arange(len(order)) - start[slate]
    whole, above = ratio.copy(), np.ones(len(order))
    for position in range(1, int(rank.max(initial=0)) + 1):
        rows = np.flatnonzero(rank == position)
        above[rows] = whole[rows - 1]
        whole[rows] = above[rows] * ratio[rows]
    clipped = 0.0
    if clip is not None:
        clipped = float(np.mean(whole > clip))
        whole, above = np.minimum(whole, clip), np.minimum(above, clip)
    weights, weights_above = np.empty(len(order)), np.empty(len(order))
    weights[order], weights_above[order] = whole, above
    return weights, weights_above, clipped


def ended_above(picks: Picks, place: IntArray) -> tuple[IntArray, IntArray]:
    """Places that slates did not reach: of each the row that ended its slate, and its code, (m,).

    A slate is over at its last pick, whatever came to others below; it goes on with that weight.
    ``place`` (n,) as `place_names` gives it.
    """
    order, slate, _ = _slates(picks)
    last = order[np.append(np.diff(slate) != 0, True)]
    codes = np.unique(picks.placement.astype(str), return_inverse=True)[1].reshape(-1)
    deepest = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.intp)
    np.maximum.at(deepest, codes, place)
    missing = deepest[codes[last]] - place[last]
    rows = np.repeat(last, missing)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(missing) - missing, missing)
    return rows, place[rows] + 1 + nth


def place_names(picks: Picks) -> tuple[IntArray, tuple[str, ...]]:
    """Codes (n,) of placement and position, those of a placement from the top, and their names."""
    placements, codes = np.unique(picks.placement.astype(str), return_inverse=True)
    deepest = int(picks.position.max(initial=0)) + 1
    found, place = np.unique(codes.reshape(-1) * deepest + picks.position, return_inverse=True)
    names: list[str] = []
    for code in found.tolist():
        name, position = str(placements[code // deepest]), f"position {code % deepest + 1}"
        names.append(", ".join(filter(None, (name, position if deepest > 1 else ""))))
    return place.reshape(-1), tuple(name or "all" for name in names)

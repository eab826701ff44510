"""Off-policy estimators of a policy's value from sums over picks: IPS, SNIPS, DR.

For single picks these are, as the Open Bandit Pipeline defines them (Saito et al. 2021), with
``w = π(a|x) / p`` over n decisions:

- IPS   ``mean(w r)``                            Horvitz and Thompson 1952; Strehl et al. 2010
- SNIPS ``sum(w r) / sum(w)``                    Swaminathan and Joachims 2015
- DR    ``mean(q(x, π) + w (r - q(x, a)))``      Dudík, Langford and Li 2011

In slates ``w`` is the product from the top down to the pick (McInerney et al. 2020, "RIPS"), a
decision's value the sum over its places; SNIPS divides place by place, by the weights of all slates,
those that ended above included (the weighted per-decision estimator of Precup, Sutton and Singh 2000),
and DR adds ``w_above q(x, π) + w (r - q(x, a))`` per place (Kiyohara et al. 2022, with a prediction of
each place's own reward): unbiased whatever is predicted.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.learning.evaluation.resampling import Measured, ratio_of, spreads_of

__all__ = ["Sums", "Values", "effective_sample_size", "place_sums", "values_of"]

_ROUNDING = 1e-12  # of what was earned, up to which nothing is gained


class Sums(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Sums per independent unit (a customer, a group of them): what every estimate is made of.

    ``decisions`` (units,); the others (units, places). ``doubly`` is None without predictions.
    """

    decisions: FloatArray
    picks: FloatArray
    reward: FloatArray
    weight: FloatArray
    weighted: FloatArray  # weight × reward
    doubly: FloatArray | None


def place_sums(
    *,
    unit: IntArray,
    units: int,
    place: IntArray,
    places: int,
    decisions: FloatArray,
    reward: FloatArray,
    weight: FloatArray,
    doubly: FloatArray | None,
) -> Sums:
    """Add up picks (n,) by unit and place; ``decisions`` (units,) is the denominator."""
    cell = unit * places + place

    def summed(values: FloatArray | None) -> FloatArray:
        total = np.bincount(cell, weights=values, minlength=units * places)
        return total.reshape(units, places).astype(np.float64)

    return Sums(
        decisions=decisions,
        picks=summed(None),
        reward=summed(reward),
        weight=summed(weight),
        weighted=summed(weight * reward),
        doubly=None if doubly is None else summed(doubly),
    )


class Values(NamedTuple):
    """Values per decision by estimator, and those less what was logged; each with its error, (k,)."""

    values: dict[str, Measured]
    differences: dict[str, Measured]


def values_of(sums: Sums, drawn: FloatArray) -> Values:
    """Values per decision, by estimator, for ``drawn`` (k, units): how often each unit counts.

    ``logged`` is the mean of what was earned; ``dr`` is missing without predictions.
    """
    reward, weighted = sums.reward.sum(axis=1), sums.weighted.sum(axis=1)
    names = ["logged", "ips", "difference of ips"]
    totals = [reward, weighted, weighted - reward]
    if sums.doubly is not None:
        doubly = sums.doubly.sum(axis=1)
        names += ["dr", "difference of dr"]
        totals += [doubly, doubly - reward]
    ratios = ratio_of(np.stack(totals, axis=1), sums.decisions[:, None], drawn)
    found = {
        name: Measured(ratios.value[:, at], ratios.error[:, at]) for at, name in enumerate(names)
    }
    values = {"logged": found["logged"], "ips": found["ips"]}
    differences = {"ips": found["difference of ips"]}
    values["snips"], differences["snips"] = _normalized(sums, reward, drawn)
    if sums.doubly is not None:
        values["dr"], differences["dr"] = found["dr"], found["difference of dr"]
    return Values(values, differences)


def _normalized(sums: Sums, reward: FloatArray, drawn: FloatArray) -> tuple[Measured, Measured]:
    """SNIPS, place by place, and less what was logged (``reward`` (units,)).

    A sum over places of ``picks * weighted / weight``; its error is of the first order, from the
    derivatives by the sums of every unit.
    """
    kept = sums.picks.any(axis=0)
    columns = np.hstack(
        [
            np.stack([sums.decisions, reward], axis=1),
            *(part[:, kept] for part in (sums.picks, sums.weight, sums.weighted)),
        ]
    )
    product = drawn @ columns
    decisions, earned = product[:, 0], product[:, 1]
    picks, weight, weighted = np.split(product[:, 2:], 3, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.where(weight > 0.0, picks * weighted / weight, 0.0).sum(axis=1)
        mean = np.where(weight > 0.0, weighted / weight, 0.0)
        share = np.where(weight > 0.0, picks / weight, 0.0)
    gain = np.where(np.abs(total - earned) > _ROUNDING * np.abs(earned), total - earned, 0.0)
    value, gain = total / decisions, gain / decisions
    by_place = [mean, -share * mean, share]
    none = np.zeros(len(drawn))
    errors = spreads_of(
        columns,
        [
            np.column_stack([-value, none, *by_place]),
            np.column_stack([-gain, none - 1.0, *by_place]),
        ],
        drawn,
    )
    return Measured(value, errors[0] / decisions), Measured(gain, errors[1] / decisions)


def effective_sample_size(weight: FloatArray, code: IntArray, size: int) -> FloatArray:
    """How many equally weighted picks the weights are worth, by code, (size,): ``(Σw)² / Σw²``.

    Kish 1965; 0 where all weights are 0.
    """
    total = np.bincount(code, weights=weight, minlength=size)
    squares = np.bincount(code, weights=weight * weight, minlength=size)
    out: NDArray[np.float64] = np.zeros(size)
    np.divide(total * total, squares, out=out, where=squares > 0.0)
    return out

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

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.values import FloatArray, IntArray

__all__ = ["Sums", "effective_sample_size", "place_sums", "values_of"]


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


def values_of(sums: Sums, drawn: FloatArray) -> dict[str, FloatArray]:
    """Values per decision, by estimator, each (k,), for ``drawn`` (k, units): how often each unit counts.

    ``logged`` is the mean of what was earned; ``dr`` is missing without predictions.
    """
    columns = [sums.picks, sums.reward, sums.weight, sums.weighted]
    if sums.doubly is not None:
        columns.append(sums.doubly)
    # one product: what is drawn is large, and read once
    product = drawn @ np.hstack([sums.decisions[:, None], *columns])
    decisions = product[:, 0]
    picks, reward, weight, weighted, *doubly = np.split(product[:, 1:], len(columns), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        normal = np.where(weight > 0.0, picks * weighted / weight, 0.0)
    found = {
        "logged": reward.sum(axis=1) / decisions,
        "ips": weighted.sum(axis=1) / decisions,
        "snips": normal.sum(axis=1) / decisions,
    }
    if doubly:
        found["dr"] = doubly[0].sum(axis=1) / decisions
    return found


def effective_sample_size(weight: FloatArray, code: IntArray, size: int) -> FloatArray:
    """How many equally weighted picks the weights are worth, by code, (size,): ``(Σw)² / Σw²``.

    Kish 1965; 0 where all weights are 0.
    """
    total = np.bincount(code, weights=weight, minlength=size)
    squares = np.bincount(code, weights=weight * weight, minlength=size)
    out: NDArray[np.float64] = np.zeros(size)
    np.divide(total * total, squares, out=out, where=squares > 0.0)
    return out

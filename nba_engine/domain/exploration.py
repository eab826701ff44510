"""Exploration: what is shown now and then in order to learn, with the probability of every pick.

A policy picks the candidates of a placement one after the other. What stands above is on record,
so a slate has as many probabilities as it has positions: of each pick, given those above it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec
import numpy as np

from nba_engine.domain.values import BoolArray, FloatArray, IntArray

__all__ = ["Draw", "Exploration", "ExplorationMethod", "chances", "slate_chances"]

ExplorationMethod = Literal["plackett_luce", "epsilon"]


class Exploration(msgspec.Struct, frozen=True, kw_only=True):
    """How a placement explores.

    - ``plackett_luce``: each pick has a probability in proportion to ``exp(score / temperature)``
      (Kool et al. 2019: the order of Gumbel-perturbed scores). ``temperature`` is money: what is
      worth that much less than the best is picked e times less often.
    - ``epsilon``: the best, but with probability ``share`` any candidate, each alike.
    """

    method: ExplorationMethod
    temperature: float = 0.0
    share: float = 0.0


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """One pick of a placement that explores, as it is logged: also what came to nothing.

    ``probability``: of this pick, over the candidates that were left. ``removed`` says why it is
    not in the slate for all that: ``limit_refused`` by the ledger, ``limit_full`` (an account that
    refused before has no room for it either), ``render_failed``; "" it stands there, or was
    *nothing*, which ends the slate. What the ledger is asked for at once has one ``turn``: what it
    refuses stands until the turn is over, what else is removed is so at once.
    """

    placement: str
    treatment: str
    probability: float
    turn: int = 0
    removed: str = ""


def chances(exploration: Exploration | None, score: FloatArray) -> FloatArray:
    """The probability of each candidate to be the next pick, (n,); they sum to 1.

    ``score`` (n,) in money, of the candidates that may be picked: allowed, worth more than 0, and
    *nothing*, whose score is 0. Without ``exploration`` the best is picked; between equals chance
    decides.
    """
    if not len(score):
        return np.zeros(0)
    best = score.max()
    if exploration is not None and exploration.method == "plackett_luce":
        weight: FloatArray = np.exp((score - best) / exploration.temperature)
        weight /= weight.sum()
        return weight
    top = score == best
    chance: FloatArray = top / np.count_nonzero(top)
    if exploration is not None:
        chance *= 1.0 - exploration.share
        chance += exploration.share / len(score)
    return chance


def slate_chances(
    exploration: Exploration | None,
    score: FloatArray,
    actions: IntArray,
    picks: Sequence[int],
    *,
    removed: Collection[int] = (),
    taken: Collection[int] = (),
) -> list[float]:
    """The probability of each pick of a placement's slate, given what stands above it.

    ``score``, ``actions`` (n,): money and action index of the placement's candidates, as `chances`
    takes them; ``picks``: those shown, by position, from the top. No action stands twice:
    ``taken`` are actions shown in other placements before. ``removed``: candidates that fell out
    on the way (refused by the ledger, not rendered), over the rest of which it is. A pick that
    this policy cannot make has 0, and so has everything below it.
    """
    free: BoolArray = ~np.isin(actions, list(taken))
    free[list(removed)] = False
    found: list[float] = []
    for pick in picks:
        left = np.flatnonzero(free)
        chance = chances(exploration, score[left])
        found.append(float(chance[left == pick].sum()))
        if found[-1] == 0.0:
            break
        free &= actions != actions[pick]
    return found + [0.0] * (len(picks) - len(found))

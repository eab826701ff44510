"""Logged picks under another catalog or model: how likely it would have made each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nba_engine.domain import (
    BoolArray,
    CatalogView,
    DecisionRecord,
    Draw,
    FloatArray,
    IntArray,
    Recommendation,
    chances,
)
from nba_engine.engine import Ranked
from nba_engine.stages.slate import Together

__all__ = ["Pick", "TopDraw", "picks_of", "top_draws"]


class Pick(NamedTuple):
    """One pick of a logged decision: what stands there, or *nothing* that ended the slate.

    ``propensity`` and ``target``: the probability of it as logged and under test, given what stands
    above. What was drawn before it and removed again is part of it: the product of all these draws,
    since the policy under test would have met a refusal more or less often. ``expected`` propensity
    and worth are of this pick, ``expected_target`` of what the policy under test picks instead, such
    that ``w_above expected_target - w expected`` is the sum over the draws (`picks_of`). ``shown`` is
    None for *nothing* below something, and where all that could be drawn was removed.
    """

    placement: str
    position: int  # from the top
    treatment: str
    shown: Recommendation | None
    propensity: float
    target: float
    expected: tuple[float, float]
    expected_target: tuple[float, float]


_NO_WORTH = (0.0, 0.0)


def picks_of(record: DecisionRecord, other: Ranked | None) -> Iterator[Pick]:
    """The picks of a decision in the order of its placements and draws.

    Where the logged policy drew, draws that were removed (by the ledger, by a template) belong to
    the pick that came instead. With ``w`` the target over the logged probability of a draw, ``q`` its
    prediction and ``q(π)`` that of the policy under test in its place, the prediction of a pick with
    draws 1 … k is ``Σ w_1…w_(j-1) q_j(π) - Σ_(j<k) w_1…w_j q_j`` against its own ``q_k``: a sum of
    terms whose means are 0, whatever is predicted and whatever the ledger refuses. Without
    ``other`` the policy under test is the logged one.
    """
    drawn = {draw.placement for draw in record.draws}
    walk = None if other is None else _Walk(record, other)
    position: dict[str, int] = {}
    for shown in record.recommendations:
        if shown.placement in drawn:
            continue
        at = position.setdefault(shown.placement, 0)
        position[shown.placement] += 1
        chance = _Chance(1.0) if walk is None else walk.shown(shown)
        yield _pick(shown.placement, at, shown.treatment, shown, 1.0, chance)
    stands = {(one.placement, one.treatment): one for one in record.recommendations}
    before: dict[str, _Removed] = {}
    for draw in record.draws:
        chance = _Chance(draw.probability) if walk is None else walk.drawn(draw)
        removed = before.pop(draw.placement, _Removed())
        if draw.removed:
            before[draw.placement] = removed.and_then(draw, chance)
            continue
        at = position.setdefault(draw.placement, 0)
        position[draw.placement] += 1
        one = stands.get((draw.placement, draw.treatment))
        yield removed.pick(draw, at, one, chance)
    for placement, removed in before.items():  # nothing was left to be drawn instead
        at = position.setdefault(placement, 0)
        yield removed.end(placement, at)


class TopDraw(NamedTuple):
    """The first draw for a placement: of an action, with all actions that it was drawn from.

    ``actions`` (n,) are indices of the catalog that decided again, one for each treatment that was left,
    ``chances`` (n,) their probabilities. ``target`` is that of the treatment that was drawn.
    """

    draw: Draw
    target: float
    actions: IntArray
    chances: FloatArray


def top_draws(record: DecisionRecord, other: Ranked) -> Iterator[TopDraw]:
    """What the logged policy drew for the top of each placement that explored, and from what."""
    walk = _Walk(record, other)
    met: set[str] = set()
    for draw in record.draws:
        left = walk.left(draw.placement)
        target = walk.drawn(draw).target
        if draw.placement not in met:
            met.add(draw.placement)
            yield TopDraw(draw, target, *left)


class _Chance(NamedTuple):
    """Of a pick under test: its probability, and (propensity, worth) of it and of its alternative."""

    target: float
    expected: tuple[float, float] = _NO_WORTH
    expected_target: tuple[float, float] = _NO_WORTH


def _pick(
    placement: str,
    position: int,
    treatment: str,
    shown: Recommendation | None,
    propensity: float,
    chance: _Chance,
) -> Pick:
    return Pick(placement, position, treatment, shown, propensity, *chance)


class _Stand:
    """What stands in an answer: actions by their index, and for the rules about what stands together."""

    def __init__(self, together: Together) -> None:
        self.actions: set[int] = set()
        self.standing = together.standing() if together else None


class _Removed(NamedTuple):
    """What was drawn for a place and removed again: products of probabilities, sums of predictions."""

    treatment: str = ""
    propensity: float = 1.0
    target: float = 1.0
    ratio: float = 1.0
    expected_target: tuple[float, float] = _NO_WORTH

    def and_then(self, draw: Draw, chance: _Chance) -> _Removed:
        """With one more draw that was removed."""
        ratio = self.ratio * chance.target / draw.probability
        mine = zip(self.expected_target, chance.expected_target, chance.expected, strict=True)
        response, worth = (sofar + self.ratio * there - ratio * own for sofar, there, own in mine)
        return _Removed(
            draw.treatment,
            self.propensity * draw.probability,
            self.target * chance.target,
            ratio,
            (response, worth),
        )

    def pick(self, draw: Draw, position: int, shown: Recommendation | None, last: _Chance) -> Pick:
        """The pick that a last draw ends with."""
        mine = zip(self.expected_target, last.expected_target, strict=True)
        response, worth = (sofar + self.ratio * there for sofar, there in mine)
        return Pick(
            draw.placement,
            position,
            draw.treatment,
            shown,
            self.propensity * draw.probability,
            self.target * last.target,
            last.expected,
            (response, worth),
        )

    def end(self, placement: str, position: int) -> Pick:
        """A place that stays empty."""
        return Pick(
            placement,
            position,
            self.treatment,
            None,
            self.propensity,
            self.target,
            _NO_WORTH,
            self.expected_target,
        )


class _Walk:
    """Goes through the picks of a decision with the candidates that the other policy has then."""

    def __init__(self, record: DecisionRecord, other: Ranked) -> None:
        catalog = other.catalog
        self._other = other
        self._catalog: CatalogView = catalog
        self._slots = {one.placement: slot for slot, one in enumerate(record.request.placements)}
        self._actions: IntArray = catalog.action_of.take(other.treatment)
        nothing = catalog.is_nothing.take(other.treatment)
        self._worth: FloatArray = np.where(nothing, 0.0, other.score)
        self._eligible: BoolArray = (other.score > 0.0) | nothing
        self._propensity, self._money = _predictions(other, nothing)
        self._removed: BoolArray = np.zeros(len(other.treatment), dtype=np.bool_)
        drawn = {draw.placement for draw in record.draws}
        self._together = Together(catalog)
        self._stand = _Stand(self._together)
        for one in record.recommendations:
            if one.placement not in drawn:
                self._put(self._stand, one.placement, one.treatment)
        self._turn = 0
        self._asked: list[tuple[str, str]] = []  # what the ledger refused in this turn
        self._above: dict[str, _Stand] = {}  # of placements that did not explore
        self._own = {(one.placement, one.position): one for one in other.recommendations}
        self._same: dict[str, bool] = {}

    def shown(self, one: Recommendation) -> _Chance:
        """A pick of a placement in which the logged policy did not explore."""
        if self._catalog.placements[one.placement].exploration is None:
            return self._decided(one)
        above = self._above.setdefault(one.placement, _Stand(self._together))
        free = self._free(one.placement, above)
        free[list(self._other.refused)] = False
        self._put(above, one.placement, one.treatment)
        return self._chance(one.placement, one.treatment, free)

    def drawn(self, draw: Draw) -> _Chance:
        """A draw of the logged policy."""
        if draw.turn != self._turn:
            self._turn = draw.turn
            for one in self._asked:
                self._put_back(*one)
            self._asked.clear()
        found = self._chance(
            draw.placement, draw.treatment, self._free(draw.placement, self._stand)
        )
        at = self._at(draw.placement, draw.treatment)
        if draw.removed and at is not None:
            self._removed[at] = True
        if draw.removed in ("", "limit_refused"):
            self._put(self._stand, draw.placement, draw.treatment)
            if draw.removed:
                self._asked.append((draw.placement, draw.treatment))
        return found

    def left(self, placement: str) -> tuple[IntArray, FloatArray]:
        """Actions of all treatments that may be drawn next, and their probabilities."""
        free = np.flatnonzero(self._free(placement, self._stand))
        exploration = self._catalog.placements[placement].exploration
        return self._actions[free], chances(exploration, self._worth[free])

    def _decided(self, one: Recommendation) -> _Chance:
        """Neither policy explores: the pick is the other's own, or it is not."""
        own = self._own.get((one.placement, one.position))
        same = self._same.get(one.placement, True)
        expected_target = self._predicted(one.placement, None if own is None else own.treatment)
        self._same[one.placement] = same and own is not None and own.treatment == one.treatment
        return _Chance(
            float(self._same[one.placement]),
            self._predicted(one.placement, one.treatment),
            expected_target if same else _NO_WORTH,
        )

    def _free(self, placement: str, stand: _Stand) -> BoolArray:
        """What may be picked next in a placement, (n,)."""
        free: BoolArray = self._eligible & (self._other.slot == self._slots[placement])
        free &= ~np.isin(self._actions, list(stand.actions))
        free &= ~self._removed
        if stand.standing is not None:
            free &= stand.standing.kept_out(self._other.treatment, self._other.slot) < 0
        return free

    def _put(self, stand: _Stand, placement: str, treatment: str) -> None:
        """It stands now; *nothing*, and what this catalog does not have, stand in nobody's way."""
        action = self._action(treatment)
        if action is not None:
            stand.actions.add(action)
            if stand.standing is not None:
                stand.standing.add(self._catalog.treatment_index[treatment], self._slots[placement])

    def _put_back(self, placement: str, treatment: str) -> None:
        action = self._action(treatment)
        if action is not None:
            self._stand.actions.discard(action)
            if self._stand.standing is not None:
                index = self._catalog.treatment_index[treatment]
                self._stand.standing.remove(index, self._slots[placement])

    def _chance(self, placement: str, treatment: str, free: BoolArray) -> _Chance:
        left = np.flatnonzero(free)
        chance = chances(self._catalog.placements[placement].exploration, self._worth[left])
        at = self._at(placement, treatment)
        target = 0.0 if at is None else float(chance[left == at].sum())
        return _Chance(
            target,
            self._predicted(placement, treatment),
            (float(chance @ self._propensity[left]), float(chance @ self._money[left])),
        )

    def _predicted(self, placement: str, treatment: str | None) -> tuple[float, float]:
        at = None if treatment is None else self._at(placement, treatment)
        if at is None:
            return _NO_WORTH
        return float(self._propensity[at]), float(self._money[at])

    def _at(self, placement: str, treatment: str) -> int | None:
        index = self._catalog.treatment_index.get(treatment)
        if index is None:
            return None
        here = (self._other.treatment == index) & (self._other.slot == self._slots[placement])
        return int(here.argmax()) if here.any() else None

    def _action(self, treatment: str) -> int | None:
        """The index of an action that may stand; None for *nothing*, and what is not there."""
        index = self._catalog.treatment_index.get(treatment)
        if index is None or self._catalog.is_nothing[index]:
            return None
        return int(self._catalog.action_of[index])


def _predictions(other: Ranked, nothing: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Propensity, and propensity × value − cost, of every candidate; 0 where it is not known."""
    size = len(other.treatment)
    unknown: FloatArray = np.zeros(size)
    propensity = unknown if other.propensity is None else other.propensity
    value = unknown if other.value is None else other.value
    cost = unknown if other.cost is None else other.cost
    propensity = np.where(nothing, 0.0, propensity)
    return propensity, np.where(nothing, 0.0, propensity * value - cost)

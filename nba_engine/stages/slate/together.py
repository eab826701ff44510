"""What may stand together in one answer: ``[slate_rules]``, compiled, and what stands at a moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nba_engine.domain import BoolArray, CatalogView, IntArray, SlateRule

__all__ = ["Standing", "Together"]


class _AtMost(NamedTuple):
    rule: int
    most: int
    per_placement: bool
    members: BoolArray  # (T,)


class _Never(NamedTuple):
    rule: int
    one: BoolArray  # (T,)
    other: BoolArray


class Together:
    """The rules of a catalog about what stands together; made once per catalog.

    ``kinds`` (T,) numbers the treatments by the rules that they are in: those of one number are
    alike for the rules.
    """

    def __init__(self, catalog: CatalogView) -> None:
        self.rules: tuple[SlateRule, ...] = tuple(
            rule for rule in catalog.slate_rules if rule.at_most or rule.beside
        )
        size = len(catalog.treatments)
        self.at_most: list[_AtMost] = []
        self.never: list[_Never] = []
        for number, rule in enumerate(self.rules):
            members = _among(rule.treatments, size)
            if rule.at_most:
                per = rule.per == "placement"
                self.at_most.append(_AtMost(number, rule.at_most, per, members))
            else:
                self.never.append(_Never(number, members, _among(rule.beside, size)))
        columns = [one.members for one in self.at_most]
        columns += [side for pair in self.never for side in (pair.one, pair.other)]
        self.kinds: IntArray = np.zeros(size, dtype=np.intp)
        if columns:
            _, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
            self.kinds = inverse.reshape(-1).astype(np.intp)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def standing(self) -> Standing:
        """An answer in which nothing stands yet."""
        return Standing(self)


class Standing:
    """What stands in an answer in the making: treatments, each in the position of a placement."""

    def __init__(self, together: Together) -> None:
        self._together = together
        self._stand: list[tuple[int, int]] = []

    def add(self, treatment: int, slot: int) -> None:
        """It stands now."""
        self._stand.append((treatment, slot))

    def remove(self, treatment: int, slot: int) -> None:
        """It stands no longer: the ledger refused it."""
        self._stand.remove((treatment, slot))

    def __len__(self) -> int:
        return len(self._stand)

    def copy(self) -> Standing:
        """Another one, with the same in it."""
        other = Standing(self._together)
        other._stand = self._stand.copy()
        return other

    def against(self, treatment: int, slot: int) -> int:
        """The number of the first rule that keeps a treatment out as things stand; -1: none."""
        for one in self._together.at_most:
            if one.members.item(treatment) and self._counted(one, slot) >= one.most:
                return one.rule
        for pair in self._together.never:
            mine, other = pair.one.item(treatment), pair.other.item(treatment)
            if (mine and self._any(pair.other)) or (other and self._any(pair.one)):
                return pair.rule
        return -1

    def kept_out(self, index: IntArray, slot: IntArray) -> IntArray:
        """`against` for many candidates (n,): numbers of rules, or -1."""
        found = np.full(len(index), -1, dtype=np.intp)
        for pair in reversed(self._together.never):
            blocked = np.zeros(len(index), dtype=np.bool_)
            if self._any(pair.other):
                blocked |= pair.one[index]
            if self._any(pair.one):
                blocked |= pair.other[index]
            found[blocked] = pair.rule
        for one in reversed(self._together.at_most):
            places = set(slot.tolist()) if one.per_placement else {-1}
            for place in places:
                if self._counted(one, place) >= one.most:
                    blocked = one.members[index]
                    if one.per_placement:
                        blocked = blocked & (slot == place)
                    found[blocked] = one.rule
        return found

    def broken(self) -> list[int]:
        """Places in the order of `add`: those that a broken rule is about, too many; [] if none is.

        For a rule of at most n, all that it counts in the answer or the placement; for two that
        never stand together, both.
        """
        stand = self._stand
        for one in self._together.at_most:
            for place in {slot for _, slot in stand} if one.per_placement else {-1}:
                many = [
                    at
                    for at, (treatment, slot) in enumerate(stand)
                    if one.members.item(treatment) and place in (-1, slot)
                ]
                if len(many) > one.most:
                    return many
        for pair in self._together.never:
            for a, (first, _) in enumerate(stand):
                for b, (second, _) in enumerate(stand):
                    if a != b and pair.one.item(first) and pair.other.item(second):
                        return [a, b]
        return []

    def _counted(self, one: _AtMost, slot: int) -> int:
        return sum(
            1
            for treatment, place in self._stand
            if one.members.item(treatment) and (not one.per_placement or place == slot)
        )

    def _any(self, side: BoolArray) -> bool:
        return any(side.item(treatment) for treatment, _ in self._stand)


def _among(treatments: tuple[int, ...], size: int) -> BoolArray:
    members = np.zeros(size, dtype=np.bool_)
    members[list(treatments)] = True
    return members

"""Names and words for groups: what sets them apart from everybody else."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import numpy as np

from nba_engine.domain.values import FloatArray, IntArray

__all__ = ["Trait", "names_of", "traits_of", "words_of"]

_SAID = 0.4  # standard deviations from the mean that are worth saying
_IN_NAME = 2


class Trait(msgspec.Struct, frozen=True, kw_only=True):
    """How a group differs from the mean of all in one behavior, in standard deviations."""

    name: str
    distance: float

    @property
    def word(self) -> str:
        """``high visits``."""
        return f"{'high' if self.distance > 0 else 'low'} {self.name}"


def traits_of(rows: FloatArray, label: IntArray, names: Sequence[str]) -> list[list[Trait]]:
    """Of each group its behaviors by how far they are from the mean of all; ``rows`` standardized."""
    traits = []
    for group in range(int(label.max(initial=-1)) + 1):
        mean = rows[label == group].mean(axis=0)
        order = np.argsort(-np.abs(mean), kind="stable").tolist()
        traits.append([Trait(name=names[at], distance=float(mean[at])) for at in order])
    return traits


def names_of(traits: Sequence[Sequence[Trait]], *, taken: Sequence[str] = ()) -> list[str]:
    """A name for each group, all different and none of ``taken``: ``high_visits_low_recency``.

    From its two furthest behaviors, one if the second says little; the third or a number when that
    is a name already.
    """
    used = set(taken)
    names = []
    for told in traits:
        said = [one for one in told if abs(one.distance) >= _SAID]
        base = _slug(said[:_IN_NAME]) or "average"
        candidates = [base, _slug(said[: _IN_NAME + 1]) or base]
        candidates += [f"{base}_{number}" for number in range(2, len(traits) + len(used) + 3)]
        name = next(one for one in candidates if one not in used)
        used.add(name)
        names.append(name)
    return names


def words_of(traits: Sequence[Trait], most: int = 5) -> str:
    """``much higher visits (+1.4 sd), lower recency (-0.6 sd)``, or that nothing stands out."""
    said = [one for one in traits if abs(one.distance) >= _SAID][:most]
    if not said:
        return "like everybody on average"
    return ", ".join(
        f"{'much ' if abs(one.distance) >= 1 else ''}{'higher' if one.distance > 0 else 'lower'} "
        f"{one.name} ({one.distance:+.1f} sd)"
        for one in said
    )


def _slug(traits: Sequence[Trait]) -> str:
    return re.sub(r"\W+", "_", "_".join(one.word for one in traits)).strip("_").lower()

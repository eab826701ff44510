"""Names and words for groups: what sets them apart from everybody else, as people would say it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import Feature
from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.learning.segments.vocabulary import Kind, kind_of

__all__ = ["Trait", "names_of", "traits_of", "words_of"]

_SAID = 0.4  # standard deviations from the mean that are worth saying
_LOOKED_AT = 4  # behaviors that a name may be from
_MOMENT = 1e6  # what is larger is no number of days, or years, but a moment


class Trait(msgspec.Struct, frozen=True, kw_only=True):
    """How a group differs from the mean of all in one behavior, in standard deviations.

    ``typical``, ``usual``: the mean of the group and of all customers, in the behavior's own unit.
    ``since``: that is days since something; ``element``: the word of a map that it is of.
    """

    name: str
    distance: float
    typical: float | None = None
    usual: float | None = None
    since: bool = False
    element: str = ""

    @property
    def more(self) -> bool:
        """Whether the group has more of it than customers have on average."""
        return self.distance > 0

    @property
    def kind(self) -> Kind | None:
        """The kind of behavior, if a word is known for it."""
        if not self.element:
            found = kind_of(self.name, since=self.since)
            moment = self.usual is not None and self.usual > _MOMENT
            return None if moment and found is not None and found.trait else found
        found = kind_of(self.element)
        if found is not None:
            return found
        fans = f"{_slug(self.element)}_fans"
        return Kind(fans, ("", fans), ("", ""))

    @property
    def about(self) -> str:
        """What it is about: two behaviors of one kind say the same twice."""
        return self.name if self.kind is None else self.kind.name

    @property
    def adjective(self) -> str:
        """``lapsed``; "" where no word is known."""
        return "" if self.kind is None else (self.kind.much if self.more else self.kind.little)[0]

    @property
    def who(self) -> str:
        """``big_spenders``; "" where no word is known."""
        return "" if self.kind is None else (self.kind.much if self.more else self.kind.little)[1]

    @property
    def plain(self) -> str:
        """``many_complaints``, ``high_score``, ``no_recent_complaint``."""
        name = _slug(self.element or self.name)
        if self.since:
            what = name.removeprefix("last_")
            return f"no_recent_{what}" if self.more else f"recent_{what}"
        if self.element:
            return f"{'much' if self.more else 'little'}_{name}"
        if name.endswith("s") and not name.endswith("ss"):
            return f"{'many' if self.more else 'few'}_{name}"
        return f"{'high' if self.more else 'low'}_{name}"


def traits_of(
    rows: NDArray[np.float32], scaled: FloatArray, label: IntArray, features: Sequence[Feature]
) -> list[list[Trait]]:
    """Of each group its behaviors by how far they are from the mean of all.

    ``rows`` (n, f) are the values of the ``features``, ``scaled`` the same standardized.
    """
    own = rows.astype(np.float64)
    for at, feature in enumerate(features):
        if feature.transform == "log1p":
            own[:, at] = np.expm1(own[:, at])
    usual = own.mean(axis=0)
    traits = []
    for group in range(int(label.max(initial=-1)) + 1):
        member = label == group
        mean, typical = scaled[member].mean(axis=0), own[member].mean(axis=0)
        order = np.argsort(-np.abs(mean), kind="stable").tolist()
        traits.append(
            [
                Trait(
                    name=features[at].name,
                    distance=float(mean[at]),
                    typical=float(typical[at]),
                    usual=float(usual[at]),
                    since=features[at].transform == "days_since",
                    element=str(features[at].value or ""),
                )
                for at in order
            ]
        )
    return traits


def names_of(traits: Sequence[Sequence[Trait]], *, taken: Sequence[str] = ()) -> list[str]:
    """A name for each group, all different and none of ``taken``: ``lapsed_small_spenders``.

    Who they are by their furthest behavior, with an adjective by the next one that says something
    else; where no word is known, in plain words; another behavior or a number when that is a name
    already.
    """
    used = set(taken)
    names = []
    for told in traits:
        said = _said(told)
        base = _name(said)
        candidates = [base, *_longer(base, said)]
        candidates += [f"{base}_{number}" for number in range(2, len(traits) + len(used) + 3)]
        name = next(one for one in candidates if one not in used)
        used.add(name)
        names.append(name)
    return names


def words_of(traits: Sequence[Trait], most: int = 5) -> str:
    """One sentence, ended by a period: ``Much higher visits (on average 18.2, all customers 9.1)``."""
    said = [one for one in traits if abs(one.distance) >= _SAID][:most]
    if not said:
        return "Like everybody on average."
    told = ", ".join(map(_words, said))
    return f"{told[0].upper()}{told[1:]}."


def _said(traits: Sequence[Trait]) -> list[Trait]:
    """What is worth saying, the furthest first, each kind of behavior once."""
    found: dict[str, Trait] = {}
    for one in traits[:_LOOKED_AT]:
        if abs(one.distance) >= _SAID:
            found.setdefault(one.about, one)
    return list(found.values())


def _name(said: Sequence[Trait]) -> str:
    if not said:
        return "average_customers"
    first, second = said[0], said[1] if len(said) > 1 else None
    if second is None:
        return first.who or f"customers_with_{first.plain}"
    if first.adjective and second.who and (not first.who or first.kind is None or first.kind.trait):
        return f"{first.adjective}_{second.who}"
    if first.who:
        return f"{second.adjective}_{first.who}" if second.adjective else first.who
    if second.who:
        return f"{second.who}_with_{first.plain}"
    return f"{first.plain}_{second.plain}"


def _longer(base: str, said: Sequence[Trait]) -> Iterator[str]:
    """The name with one more behavior that is not in it yet."""
    for one in said[1:]:
        if one.plain not in base and (not one.adjective or one.adjective not in base):
            yield f"{base}_{'and' if '_with_' in base else 'with'}_{one.plain}"


def _words(one: Trait) -> str:
    much = "much " if abs(one.distance) >= 1 else ""
    if one.since:
        what = f"{'the ' if one.name.startswith('last_') else ''}{_spaced(one.name)}"
        told = f"{much}{'longer' if one.more else 'shorter'} since {what}"
    else:
        told = f"{much}{'higher' if one.more else 'lower'} {_spaced(one.name)}"
    if one.typical is None or one.usual is None:
        return f"{told} ({one.distance:+.1f} sd)"
    days = " days" if one.since else ""
    return f"{told} (on average {_number(one.typical)}{days}, all customers {_number(one.usual)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _slug(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_").lower()

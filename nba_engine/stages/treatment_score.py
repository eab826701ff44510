"""Stage ``treatment_score``: how likely this customer responds to this very form of the action."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from nba_engine.domain import AggregateSpec, CatalogView, Deciding, Resources, StageFactory
from nba_engine.domain.affinity_words import answers_code
from nba_engine.domain.fitted import AffinityPrior, SharePrior
from nba_engine.domain.treatment_words import words_of_treatments
from nba_engine.domain.values import FloatArray, IntArray

__all__ = ["TREATMENT_SCORE", "TreatmentScoreSettings", "TreatmentScores"]

_COLUMN = "treatment_score"
_CODES = "answers"  # a column of reason codes
_STRONG = math.log(1.25)
_CERTAIN = 1e-6
_WEAKEST, _STRONGEST = 0.01, 100.0  # no customer is so different; keeps logarithms finite


class TreatmentScoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``as_propensity``: what follows decides by the score instead of the propensity.

    ``tell``: name strong affinities as reasons also where no score was fitted, because the model has
    them among its features.
    """

    as_propensity: bool = False
    tell: bool = False


class TreatmentScores:
    """Fills ``treatment_score`` from propensity and affinities, as `nba affinity fit` calibrated it.

    Until that was fitted it does nothing, or only tells. The strongest affinity of what is recommended
    becomes a reason code.
    """

    def __init__(self, settings: TreatmentScoreSettings, resources: Resources) -> None:
        catalog = resources.catalog
        self._settings = settings
        self._score = catalog.treatment_score
        exponents = {} if self._score is None else self._score.exponents
        if self._score is None and settings.tell:
            exponents = dict.fromkeys(catalog.aggregates, 0.0)
        # aggregate, the words it knows, whether they may be told
        self._words: list[tuple[str, tuple[str, ...], bool]] = []
        columns: list[IntArray] = []
        weights: list[float] = []
        for name, exponent in exponents.items():
            spec = catalog.aggregates.get(name)
            words = () if spec is None else _known(spec)
            if spec is None or not words:
                continue
            columns += _places(catalog, spec, words, len(weights))
            weights += [exponent] * len(words)
            self._words.append((name, words, not spec.sensitive))
        # the last word is none: it stands where a treatment has no (further) word
        none = len(weights)
        places = np.stack(columns, axis=1) if columns else np.empty((len(catalog.treatments), 0))
        self._places: IntArray = np.where(places < 0, none, places).astype(np.intp)
        self._places[catalog.is_nothing] = none
        self._weights = np.array([*weights, 0.0])

    def apply(self, deciding: Deciding) -> None:
        """One score per candidate, (n,)."""
        candidates = deciding.candidates
        score = self._score
        if not len(candidates) or (score is None and not self._words):
            return
        logs, names = self._affinities(deciding)
        own = self._places.take(candidates.index, axis=0)
        if own.shape[1]:
            self._tell(deciding, logs, names, own)
        if score is None:
            return
        propensity = (
            candidates["propensity"]
            if "propensity" in candidates
            else deciding.catalog.prior.take(candidates.index)
        )
        p = np.clip(propensity, _CERTAIN, 1.0 - _CERTAIN)
        total = score.bias + score.slope * np.log(p / (1.0 - p))
        if own.shape[1]:
            total += (logs * self._weights).take(own).sum(axis=1)
        result = np.where(candidates.nothing, propensity, 1.0 / (1.0 + np.exp(-total)))
        candidates[_COLUMN] = result
        if self._settings.as_propensity:
            candidates["propensity"] = result

    def _affinities(self, deciding: Deciding) -> tuple[FloatArray, list[str]]:
        """log(affinity) of every word, 0 for the last; and the reason codes of strong ones."""
        numbers: list[float] = []
        codes: list[str] = []
        for name, words, told in self._words:
            found = deciding.customer.get(name) or {}
            times = [found.get(word, 1.0) for word in words]
            numbers += times
            codes += [
                answers_code(name, word, one) if told and one > 1.2 else ""
                for word, one in zip(words, times, strict=True)
            ]
        clipped = np.clip(np.array([*numbers, 1.0]), _WEAKEST, _STRONGEST)
        return np.log(clipped), codes

    def _tell(self, deciding: Deciding, logs: FloatArray, codes: list[str], own: IntArray) -> None:
        """The strongest affinity of each candidate is a reason for it, if it is strong."""
        telling = np.array([*map(bool, codes), False])
        each = np.where(telling, logs, 0.0).take(own)
        best = each.argmax(axis=1)
        at = np.arange(len(own))
        strong = each[at, best] >= _STRONG
        if strong.any():
            candidates = deciding.candidates
            candidates.words[_CODES] = tuple(codes)
            candidates[_CODES] = np.where(strong, own[at, best], -1).astype(np.float64)


def _known(spec: AggregateSpec) -> tuple[str, ...]:
    prior = spec.prior
    if isinstance(prior, AffinityPrior | SharePrior):
        return tuple(prior.means.get("", ()))
    return ()


def _places(
    catalog: CatalogView, spec: AggregateSpec, words: tuple[str, ...], first: int
) -> list[IntArray]:
    """Columns (T,) of word numbers, from ``first`` on; -1 where there is no (further) word."""
    number = {word: first + at for at, word in enumerate(words)}
    rows = [
        [number[word] for word in found if word in number]
        for found in words_of_treatments(catalog, spec)
    ]
    width = max(map(len, rows), default=0)
    return [
        np.array([row[at] if at < len(row) else -1 for row in rows], dtype=np.intp)
        for at in range(width)
    ]


TREATMENT_SCORE = StageFactory[TreatmentScoreSettings](
    build=TreatmentScores, settings=TreatmentScoreSettings, on_error="ignore"
)

"""Stage ``propensity``: how likely each surviving candidate ends well, from a model."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from nba_engine.domain import Deciding, FloatArray, Resources, StageFactory, TellsTraining
from nba_engine.errors import StageFailed
from nba_engine.stages.smoothing import Smoothing

__all__ = ["PROPENSITY", "Propensity", "PropensitySettings"]


class PropensitySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``model``: the name of a model in ``[models]``; "": none, with ``[evidence]`` in the catalog."""

    model: str = "propensity"


class Propensity:
    """Fills ``propensity`` from the model, and from the action's prior where it has no answer.

    An answer that is not a probability (NaN, infinite, outside [0, 1]) is replaced by the prior;
    the column ``prior_used`` is 1.0 there. With ``[evidence]`` in the catalog, evidence answers for
    it, and for actions that the model has hardly seen (`Smoothing`).
    """

    def __init__(self, settings: PropensitySettings, resources: Resources) -> None:
        self._scorer = resources.scorer(settings.model) if settings.model else None
        catalog = resources.catalog
        self._prior = catalog.prior
        self._smoothing: Smoothing | None = None
        if catalog.evidence is not None:
            self._smoothing = Smoothing(catalog.evidence, catalog, _trained_on(self._scorer))

    def apply(self, deciding: Deciding) -> None:
        """Score the candidates in one call of the model."""
        candidates = deciding.candidates
        if not len(candidates):
            return
        index = candidates.index
        if self._scorer is None:
            scores: FloatArray = np.full(len(index), np.nan)
        else:
            scores = self._scorer.propensities(
                index, deciding.customer, deciding.context, deciding.now
            )
        if scores.shape != index.shape:
            raise StageFailed(f"the model gave {scores.shape} scores for {len(index)} candidates")
        if self._smoothing is not None:
            scores = self._smoothing.apply(deciding, scores)
        try:
            candidates["propensity"] = scores
        except StageFailed:  # not all of them are probabilities
            self._replace(deciding, scores)

    def _replace(self, deciding: Deciding, scores: FloatArray) -> None:
        """Set the scores, with the prior where one is no probability."""
        candidates = deciding.candidates
        index = candidates.index
        wrong = ~((scores >= 0.0) & (scores <= 1.0))
        candidates["propensity"] = np.where(wrong, self._prior[index], scores)
        if (wrong & ~candidates.nothing).any():
            candidates["prior_used"] = wrong.astype(np.float64)

    def fallback(self, deciding: Deciding) -> None:
        """Without a model: every candidate has its action's prior."""
        candidates = deciding.candidates
        candidates["propensity"] = self._prior[candidates.index]
        candidates["prior_used"] = np.ones(len(candidates))


def _trained_on(scorer: object) -> Mapping[str, int]:
    return scorer.trained_on if isinstance(scorer, TellsTraining) else {}


PROPENSITY = StageFactory[PropensitySettings](
    build=Propensity, settings=PropensitySettings, on_error="fall_back"
)

"""Stage ``propensity``: how likely each surviving candidate ends well, from a model."""

from __future__ import annotations

import msgspec
import numpy as np

from nba_engine.domain import Deciding, FloatArray, Resources, StageFactory
from nba_engine.errors import StageFailed

__all__ = ["PROPENSITY", "Propensity", "PropensitySettings"]


class PropensitySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``model``: the name of a model in ``[models]``."""

    model: str = "propensity"


class Propensity:
    """Fills ``propensity`` from the model, and from the action's prior where it has no answer.

    An answer that is not a probability (NaN, infinite, outside [0, 1]) is replaced by the prior;
    the column ``prior_used`` is 1.0 there.
    """

    def __init__(self, settings: PropensitySettings, resources: Resources) -> None:
        self._scorer = resources.scorer(settings.model)
        self._prior = resources.catalog.prior

    def apply(self, deciding: Deciding) -> None:
        """Score the candidates in one call of the model."""
        candidates = deciding.candidates
        if not len(candidates):
            return
        index = candidates.index
        scores = self._scorer.propensities(index, deciding.customer, deciding.context, deciding.now)
        if scores.shape != index.shape:
            raise StageFailed(f"the model gave {scores.shape} scores for {len(index)} candidates")
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


PROPENSITY = StageFactory[PropensitySettings](
    build=Propensity, settings=PropensitySettings, on_error="fall_back"
)

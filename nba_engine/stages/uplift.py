"""Stage ``uplift``: what showing an action adds to its chance, where the catalog asks for that."""

from __future__ import annotations

import msgspec
import numpy as np

from nba_engine.domain import Deciding, FloatArray, Resources, StageFactory
from nba_engine.errors import Mistake, MistakesFound, StageFailed

__all__ = ["UPLIFT", "Uplift", "UpliftSettings"]

_EFFECT = "effect"
_CODES = "objective"  # a column of reason codes
_BY_UPLIFT, _UNKNOWN = 0.0, 1.0


class UpliftSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``model``: the name of a model in ``[models]`` that `nba uplift fit` wrote."""

    model: str = "uplift"


class Uplift:
    """Fills ``effect``: what the stage ``value`` multiplies with instead of ``propensity``.

    For actions with ``objective = "uplift"`` it is the model's uplift, from -1 to 1; for others, and
    where the model has no answer, the propensity (or the prior, without that). Which of the two it
    was becomes a reason code of what is recommended: ``by_uplift`` or ``uplift_unknown``.
    """

    def __init__(self, settings: UpliftSettings, resources: Resources) -> None:
        catalog = resources.catalog
        asked = np.array([one.objective == "uplift" for one in catalog.actions])
        self._asked = asked[catalog.action_of]
        # without an action that asks for it there may be no model yet
        self._scorer = resources.scorer(settings.model) if asked.any() else None
        if getattr(self._scorer, "meaning", "uplift") != "uplift":
            raise MistakesFound(
                [
                    Mistake(
                        file="nba.toml",
                        place=f"models.{settings.model}",
                        message="tells probabilities, not uplift",
                        remedy="name the model that nba uplift fit wrote",
                    )
                ]
            )

    def apply(self, deciding: Deciding) -> None:
        """One call of the model for the candidates whose action asks for it."""
        candidates = deciding.candidates
        asked = self._asked[candidates.index]
        effect = _chances(deciding)
        codes = np.full(len(candidates), -1.0)
        if self._scorer is not None and asked.any():
            index = candidates.index[asked]
            told = self._scorer.propensities(
                index, deciding.customer, deciding.context, deciding.now
            )
            if told.shape != index.shape:
                raise StageFailed(f"the model gave {told.shape} scores for {len(index)} candidates")
            known = (told >= -1.0) & (told <= 1.0)  # false for NaN
            effect[asked] = np.where(known, told, effect[asked])
            codes[asked] = np.where(known, _BY_UPLIFT, _UNKNOWN)
        self._set(deciding, effect, codes)

    def fallback(self, deciding: Deciding) -> None:
        """Without a model: every candidate counts by its propensity."""
        asked = self._asked[deciding.candidates.index]
        self._set(deciding, _chances(deciding), np.where(asked, _UNKNOWN, -1.0))

    def _set(self, deciding: Deciding, effect: FloatArray, codes: FloatArray) -> None:
        candidates = deciding.candidates
        candidates[_EFFECT] = effect
        if (codes >= 0.0).any():
            candidates.words[_CODES] = ("by_uplift", "uplift_unknown")
            candidates[_CODES] = codes


def _chances(deciding: Deciding) -> FloatArray:
    """The propensities, or the priors of a pipeline without a model; to be written into."""
    candidates = deciding.candidates
    if "propensity" in candidates:
        return np.array(candidates["propensity"], dtype=np.float64)
    return deciding.catalog.prior[candidates.index]


UPLIFT = StageFactory[UpliftSettings](build=Uplift, settings=UpliftSettings, on_error="fall_back")

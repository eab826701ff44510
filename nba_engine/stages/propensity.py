"""Stage ``propensity``: how likely each surviving candidate ends well, from a model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from nba_engine.domain import (
    BoolArray,
    Deciding,
    Evidence,
    FloatArray,
    IntArray,
    Resources,
    Scorer,
    StageFactory,
    TellsTraining,
)
from nba_engine.errors import Mistake, MistakesFound, StageFailed
from nba_engine.stages.challengers import Challenger, Shadows, chosen
from nba_engine.stages.smoothing import Smoothing

__all__ = ["PROPENSITY", "Propensity", "PropensitySettings"]


class PropensitySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``model``: the name of a model in ``[models]``; "": none, with ``[evidence]`` in the catalog."""

    model: str = "propensity"
    challengers: tuple[Challenger, ...] = ()
    """models that decide for a share of customers, or score in shadow"""
    salt: str = "challengers"
    """another salt gives the shares to other customers"""
    shadow_ms: Annotated[float, Meta(ge=0)] = 20.0
    """how long an answer waits for models in shadow at most; never past its deadline"""

    def __post_init__(self) -> None:
        """Raises `ValueError` for shares that are more than all, and for a model named twice."""
        names = [self.model, *(one.model for one in self.challengers)]
        if len(set(names)) < len(names):
            raise ValueError("challengers name a model twice, or the one they challenge")
        if sum(one.share for one in self.challengers) > 1.0:
            raise ValueError("the shares of challengers are more than 1 together")


class Propensity:
    """Fills ``propensity`` from the model, and from the action's prior where it has no answer.

    An answer that is not a probability (NaN, infinite, outside [0, 1]) is replaced by the prior;
    the column ``prior_used`` is 1.0 there. With ``[evidence]`` in the catalog, evidence answers for
    it, and for actions that the model has hardly seen (`Smoothing`).
    """

    def __init__(self, settings: PropensitySettings, resources: Resources) -> None:
        self._settings = settings
        self._resources = resources
        names = (settings.model, *(one.model for one in settings.challengers))
        self._scorers = {name: resources.scorer(name) for name in names if name}
        wrong = [name for name, one in self._scorers.items() if _tells_uplift(one)]
        if wrong:
            raise MistakesFound([_not_for_this_stage(name) for name in wrong])
        quiet = {one.model for one in settings.challengers if not one.shadow}
        beside = {name: one for name, one in self._scorers.items() if name not in quiet}
        catalog = resources.catalog
        self._prior = catalog.prior
        self._smoothing: dict[str, Smoothing] = {}  # by model: what one knows, another may not
        if catalog.evidence is not None:
            for name in names:
                trained = _trained_on(self._scorers.get(name))
                self._smoothing[name] = Smoothing(catalog.evidence, catalog, trained)
        self._shadows: Shadows | None = None
        if settings.challengers:
            served = partial(_served, self._smoothing, self._prior)
            self._shadows = Shadows(beside, settings.shadow_ms / 1000, served)

    def apply(self, deciding: Deciding) -> None:
        """Score the candidates in one call of the model."""
        candidates = deciding.candidates
        if not len(candidates):
            return
        index = candidates.index
        scorer = self._choose(deciding)
        if scorer is None:
            scores: FloatArray = np.full(len(index), np.nan)
        else:
            scores = scorer.propensities(index, deciding.customer, deciding.context, deciding.now)
        if scores.shape != index.shape:
            raise StageFailed(f"the model gave {scores.shape} scores for {len(index)} candidates")
        smoothing = self._smoothing.get(deciding.decided_by)
        if smoothing is not None:
            scores = smoothing.apply(deciding, scores)
        try:
            candidates["propensity"] = scores
        except StageFailed:  # not all of them are probabilities
            self._replace(deciding, scores)

    def _choose(self, deciding: Deciding) -> Scorer | None:
        """The model that decides for this customer; the others begin to score beside it."""
        name = deciding.decided_by
        if name:  # a replay: whatever the shares are now
            try:
                return self._scorers.get(name) or self._resources.scorer(name)
            except MistakesFound:  # the settings have no such model any more
                deciding.decided_by = ""
        settings = self._settings
        name = chosen(settings.model, settings.challengers, settings.salt, deciding.customer_id)
        deciding.decided_by = name
        if self._shadows is not None:
            self._shadows.start(name, deciding)
        return self._scorers.get(name)

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


def _served(
    smoothing: Mapping[str, Smoothing],
    prior: FloatArray,
    name: str,
    index: IntArray,
    nothing: BoolArray,
    evidence: Evidence,
    scores: FloatArray,
) -> FloatArray:
    """What `Propensity` would serve of a model's answers: evidence where it knows little, priors."""
    if name in smoothing:
        scores = smoothing[name].beside(index, nothing, evidence, scores)
    return np.where((scores >= 0.0) & (scores <= 1.0), scores, prior[index])


def _tells_uplift(scorer: Scorer) -> bool:
    return getattr(scorer, "meaning", "probability") == "uplift"


def _not_for_this_stage(model: str) -> Mistake:
    return Mistake(
        file="nba.toml",
        place=f"models.{model}",
        message="tells uplift, not probabilities",
        remedy="name it in the stage uplift, and here a model that nba train wrote",
    )


def _trained_on(scorer: object) -> Mapping[str, int]:
    return scorer.trained_on if isinstance(scorer, TellsTraining) else {}


PROPENSITY = StageFactory[PropensitySettings](
    build=Propensity, settings=PropensitySettings, on_error="fall_back"
)

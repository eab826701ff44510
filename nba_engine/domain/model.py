"""Models: what scores candidates, and the manifest that says what a model needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.catalog import CatalogView
from nba_engine.domain.features import Feature
from nba_engine.domain.values import FloatArray, IntArray, Values

__all__ = ["Manifest", "ModelFactory", "ModelRuntime", "RunModel", "Scorer", "TellsTraining"]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``manifest.toml`` of a model folder.

    ``signature`` *row*: input (n, f) float32, one row per candidate, output (n,) or (n, 1);
    *wide*: input (1, f), output (1, a) with one score per entry of ``outputs`` (action ids).
    ``linear`` names a file with weights (f,), bias and calibration when the graph is logistic:
    serving then precomputes the action half, after checking that it equals the graph.
    ``meaning``: what the scores are. *uplift*: what showing an action adds to its probability of a
    positive outcome, from -1 to 1; for the stage ``uplift``, wide only.
    """

    name: str
    version: str
    signature: Literal["row", "wide"]
    features: tuple[Feature, ...]
    input: str = "features"
    output: str = "propensity"
    meaning: Literal["probability", "uplift"] = "probability"
    outputs: tuple[str, ...] = ()
    linear: str = ""
    format: str = "onnx"
    file: str = "model.onnx"
    probes: str = "probes.npz"  # recorded inputs and outputs: arrays "inputs", "outputs"
    tolerance: float = 1e-5
    trained_from: str = ""
    trained_until: str = ""
    label: str = ""
    metrics: Mapping[str, float] = {}
    trained_on: Mapping[str, int] = {}  # action → outcomes of it in the training data; {}: not told
    data_hash: str = ""
    catalog_hash: str = ""


class RunModel(Protocol):
    """A loaded model file. Thread-safe."""

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features (n, f) → output as the graph gives it."""


class ModelRuntime(Protocol):
    """Loads model files of one format (hook `nba_model_runtimes`)."""

    def load(self, folder: Path, manifest: Manifest) -> RunModel:
        """Load and check names, ranks, types. Raises `MistakesFound`."""


class Scorer(Protocol):
    """A model bound to a catalog: features of the surviving candidates → propensities."""

    @property
    def version(self) -> str: ...
    @property
    def feature_names(self) -> Sequence[str]: ...
    def propensities(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> FloatArray:
        """P(positive outcome) per candidate, (n,), NaN where the model has no finite answer.

        Missing features take their declared defaults. Thread-safe.
        """

    def features(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> NDArray[np.float32]:
        """The assembled feature rows (n, f), for explanations and parity checks."""


@runtime_checkable
class TellsTraining(Protocol):
    """A scorer that knows how much it was trained on."""

    @property
    def trained_on(self) -> Mapping[str, int]:
        """Action → outcomes of it in the training data; {}: not told."""


class ModelFactory(msgspec.Struct, frozen=True, kw_only=True):
    """How to make a model that is code (hook `nba_models`); a trained one is offered as its folder.

    ``build`` binds it to a catalog, once per loaded catalog; it raises `MistakesFound` when the
    catalog lacks what the model needs.
    """

    build: Callable[[CatalogView], Scorer]

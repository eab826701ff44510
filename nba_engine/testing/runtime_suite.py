"""What every model runtime must do."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from nba_engine.domain import Feature, Manifest, ModelRuntime
from nba_engine.errors import MistakesFound
from nba_engine.plugin import RuntimeFactory
from nba_engine.testing.threads import in_threads

__all__ = ["ModelRuntimeSuite"]

Array = NDArray[np.float32]


class ModelRuntimeSuite:
    """Inherit, and give the fixtures ``runtime``, ``model_file``, ``inputs`` and ``expected``."""

    @pytest.fixture
    def runtime(self) -> RuntimeFactory:
        """The factory that your plugin offers."""
        raise NotImplementedError("give a fixture `runtime`: the factory you offer")

    @pytest.fixture
    def model_file(self) -> Path:
        """A file of your format: rows of features in, a probability per row out."""
        raise NotImplementedError("give a fixture `model_file`: the path of a model")

    @pytest.fixture
    def inputs(self) -> Array:
        """Rows of features (n, f), float32, for that model."""
        raise NotImplementedError("give a fixture `inputs`: an array (rows, features)")

    @pytest.fixture
    def expected(self) -> Array:
        """What the model answers to them, (n,)."""
        raise NotImplementedError("give a fixture `expected`: an array (rows,)")

    @pytest.fixture
    def manifest(self, model_file: Path, inputs: Array) -> Manifest:
        """The manifest of the model; override it when input and output have other names."""
        names = [f"feature{number}" for number in range(inputs.shape[1])]
        return Manifest(
            name="model",
            version="1",
            signature="row",
            features=tuple(Feature(name=name, source=f"customer.{name}") for name in names),
            file=model_file.name,
        )

    @pytest.fixture
    def folder(self, tmp_path: Path, model_file: Path, inputs: Array, expected: Array) -> Path:
        """A model folder: the file and its recorded probes."""
        folder = tmp_path / "model"
        folder.mkdir()
        shutil.copy(model_file, folder / model_file.name)
        np.savez(folder / "probes.npz", inputs=inputs, outputs=expected.astype(np.float32))
        return folder

    @pytest.fixture
    def loader(self, runtime: RuntimeFactory) -> ModelRuntime:
        """The runtime, made as the engine makes it."""
        return runtime()

    def test_it_computes_what_is_expected(
        self,
        loader: ModelRuntime,
        folder: Path,
        manifest: Manifest,
        inputs: Array,
        expected: Array,
    ) -> None:
        answers = np.asarray(loader.load(folder, manifest)(inputs)).reshape(-1)
        assert answers.shape == expected.reshape(-1).shape
        assert np.isfinite(answers).all()
        assert np.abs(answers - expected.reshape(-1)).max() <= manifest.tolerance

    def test_a_row_has_the_same_answer_alone_and_among_others(
        self, loader: ModelRuntime, folder: Path, manifest: Manifest, inputs: Array
    ) -> None:
        model = loader.load(folder, manifest)
        together = np.asarray(model(inputs)).reshape(-1)
        alone = [np.asarray(model(row[np.newaxis].copy())).item() for row in inputs]
        assert np.allclose(together, alone, atol=1e-6)
        twice = np.asarray(model(np.concatenate([inputs, inputs]))).reshape(-1)
        assert np.allclose(twice, np.concatenate([together, together]), atol=1e-6)

    def test_inputs_are_not_changed(
        self, loader: ModelRuntime, folder: Path, manifest: Manifest, inputs: Array
    ) -> None:
        before = inputs.copy()
        loader.load(folder, manifest)(inputs)
        assert np.array_equal(inputs, before)

    def test_answers_are_not_overwritten_by_later_ones(
        self, loader: ModelRuntime, folder: Path, manifest: Manifest, inputs: Array
    ) -> None:
        model = loader.load(folder, manifest)
        first = np.asarray(model(inputs))
        kept = first.copy()
        model(np.zeros_like(inputs))
        assert np.array_equal(first, kept), "the runtime hands out its own buffer"

    def test_four_threads_get_the_answers_of_one(
        self, loader: ModelRuntime, folder: Path, manifest: Manifest, inputs: Array
    ) -> None:
        model = loader.load(folder, manifest)

        def answer(count: int) -> list[float]:
            return np.asarray(model(inputs[: count % len(inputs) + 1])).reshape(-1).tolist()

        assert in_threads(answer, range(40)) == [answer(count) for count in range(40)]

    def test_two_models_do_not_disturb_each_other(
        self,
        loader: ModelRuntime,
        folder: Path,
        manifest: Manifest,
        inputs: Array,
        expected: Array,
    ) -> None:
        first, second = loader.load(folder, manifest), loader.load(folder, manifest)
        second(np.zeros_like(inputs))
        assert np.abs(np.asarray(first(inputs)).reshape(-1) - expected.reshape(-1)).max() <= 1e-4

    def test_a_file_that_is_not_there_is_a_mistake_that_names_it(
        self, loader: ModelRuntime, folder: Path, manifest: Manifest
    ) -> None:
        wrong = msgspec.structs.replace(manifest, file="no-such-file")
        with pytest.raises(MistakesFound, match="no-such-file"):
            loader.load(folder, wrong)

    @pytest.mark.parametrize(
        "content",
        [b"", b"\x00" * 64, b"this is no model"],
        ids=["nothing", "zeros", "text"],
    )
    def test_a_file_that_holds_something_else_is_a_mistake_that_names_it(
        self, loader: ModelRuntime, folder: Path, manifest: Manifest, content: bytes
    ) -> None:
        (folder / manifest.file).write_bytes(content)
        with pytest.raises(MistakesFound) as found:
            loader.load(folder, manifest)
        assert manifest.file in str(found.value)

    def test_half_a_file_is_a_mistake_that_names_it(
        self, loader: ModelRuntime, folder: Path, manifest: Manifest
    ) -> None:
        whole = (folder / manifest.file).read_bytes()
        (folder / manifest.file).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(MistakesFound) as found:
            loader.load(folder, manifest)
        assert manifest.file in str(found.value)

    def test_a_manifest_with_more_features_than_the_model_has_is_a_mistake(
        self, loader: ModelRuntime, folder: Path, manifest: Manifest, inputs: Array, expected: Array
    ) -> None:
        extra = Feature(name="one_more", source="customer.one_more")
        wider = np.concatenate([inputs, inputs[:, :1]], axis=1)
        np.savez(folder / "probes.npz", inputs=wider, outputs=expected)
        wrong = msgspec.structs.replace(manifest, features=(*manifest.features, extra))
        with pytest.raises(MistakesFound):
            loader.load(folder, wrong)

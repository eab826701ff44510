"""What can be told of a model without a catalog, and with one that does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.errors import MistakesFound
from nba_engine.models import MANIFEST_FILE, check_model, open_scorer
from tests.models import world


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    world.trained(tmp_path / "m")
    return tmp_path / "m"


def test_a_good_model_passes_without_a_catalog(folder: Path) -> None:
    check_model(folder, world.RUNTIMES)


def test_a_junk_graph_is_found_without_a_catalog(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"junk")
    with pytest.raises(MistakesFound, match=r"model\.onnx"):
        check_model(folder, world.RUNTIMES)


def test_a_format_that_no_runtime_reads_is_found_without_a_catalog(folder: Path) -> None:
    with pytest.raises(MistakesFound, match="no runtime for 'onnx'"):
        check_model(folder, {})


def test_features_that_do_not_fit_do_not_hide_a_junk_graph(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"junk")
    with pytest.raises(MistakesFound) as found:
        open_scorer(folder, world.catalog(), world.RUNTIMES, {})
    files = {Path(mistake.file).name for mistake in found.value.mistakes}
    assert files == {MANIFEST_FILE, "model.onnx"}

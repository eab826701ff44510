from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest

from nba_engine.domain import Feature, Manifest
from nba_engine.errors import FailedPrecondition, MistakesFound, NotFound
from nba_engine.models import write_manifest
from nba_engine.models.registry import ModelRegistry

NAME = "propensity"


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    ticks: Iterator[int] = count(1_000)
    return ModelRegistry(tmp_path / "registry", clock=lambda: float(next(ticks)))


def model_folder(path: Path, weight: float = 1.0) -> Path:
    """A folder whose manifest loads; the registry does not look into the model file."""
    path.mkdir(parents=True)
    manifest = Manifest(
        name=NAME,
        version=f"weight {weight}",
        signature="row",
        features=(Feature(name="age", source="customer.age"),),
        metrics={"auc": weight},
    )
    write_manifest(path, manifest)
    (path / "model.onnx").write_bytes(np.float64(weight).tobytes())
    (path / "report").mkdir()
    (path / "report" / "index.html").write_text("<p>as trained</p>")
    return path


def test_an_added_version_is_named_by_its_content_and_read_back(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a", 0.7), note="spring", author="me")
    assert registry.versions(NAME) == [one]
    assert one.manifest is not None
    assert one.manifest.metrics == {"auc": 0.7}
    assert (one.note, one.author, one.added) == ("spring", "me", 1000.0)
    assert (one.folder / "report" / "index.html").read_text() == "<p>as trained</p>"
    assert registry.names() == [NAME]


def test_the_same_content_is_one_version_and_another_content_another(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    first = registry.add(NAME, model_folder(tmp_path / "a"), note="first")
    again = registry.add(NAME, model_folder(tmp_path / "b"), note="second")
    other = registry.add(NAME, model_folder(tmp_path / "c", 2.0))
    assert again == first
    assert [one.version for one in registry.versions(NAME)] == [other.version, first.version]


def test_what_changes_in_the_source_afterwards_does_not_reach_the_version(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    source = model_folder(tmp_path / "a")
    one = registry.add(NAME, source)
    (source / "model.onnx").write_bytes(b"trained again")
    assert registry.verified(NAME, one.version) == one.folder


def test_files_of_a_version_are_read_only_and_a_change_is_found(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    source = model_folder(tmp_path / "a")
    one = registry.add(NAME, source)
    file = one.folder / "model.onnx"
    assert file.stat().st_mode & 0o222 == 0
    file.chmod(0o644)
    file.write_bytes(b"another")
    with pytest.raises(MistakesFound, match="were changed since it was added"):
        registry.promote(NAME, one.version)
    registry.add(NAME, source)  # restores it
    assert registry.promote(NAME, one.version)[1]


def test_a_folder_without_a_manifest_is_not_added(registry: ModelRegistry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MistakesFound, match="cannot be read"):
        registry.add(NAME, tmp_path / "empty")
    assert registry.versions(NAME) == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_name_that_is_no_folder_is_refused(
    registry: ModelRegistry, tmp_path: Path, name: str
) -> None:
    with pytest.raises(MistakesFound, match="cannot be the name"):
        registry.add(name, model_folder(tmp_path / "a"))
    assert registry.versions(name) == []
    assert registry.history(name) == []


def test_promotions_are_a_history_and_rollback_goes_to_the_one_before(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    two = registry.add(NAME, model_folder(tmp_path / "b", 2.0))
    assert registry.current(NAME) is None
    with pytest.raises(NotFound, match="is promoted"):
        registry.version(NAME)
    registry.promote(NAME, one.version[:5], author="me", comment="the first")
    registry.promote(NAME, two.version)
    registry.rollback(NAME, comment="worse")
    history = registry.history(NAME)
    assert [entry.version for entry in history] == [one.version, two.version, one.version]
    assert [entry.origin for entry in history] == ["promote", "promote", "rollback"]
    assert (history[0].author, history[0].comment) == ("me", "the first")
    assert registry.version(NAME) == one
    assert registry.rollback(NAME)[0].version == two.version


def test_promoting_what_is_promoted_changes_nothing(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    first, new = registry.promote(NAME, one.version)
    assert new
    assert registry.promote(NAME, one.version) == (first, False)


def test_without_a_version_before_there_is_no_rollback(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    registry.promote(NAME, one.version)
    with pytest.raises(FailedPrecondition, match="before the one that is"):
        registry.rollback(NAME)


def test_a_version_is_found_by_its_beginning_if_that_is_of_one(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    told = one.folder.with_name(f"{one.version}.json")
    other = f"{one.version[:8]}{'0' * 8}"
    told.with_name(f"{other}.json").write_bytes(told.read_bytes())
    with pytest.raises(NotFound, match="several versions begin"):
        registry.promote(NAME, one.version[:8])
    with pytest.raises(NotFound, match="no version begins"):
        registry.promote(NAME, "zzz")
    with pytest.raises(NotFound, match="no version begins"):
        registry.promote(NAME, "")


def test_a_refused_promotion_leaves_the_one_before_and_can_be_tried_again(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    two = registry.add(NAME, model_folder(tmp_path / "b", 2.0))
    registry.promote(NAME, one.version)
    registry.took(NAME, one.version)
    registry.promote(NAME, two.version)
    registry.refuse(NAME, two.version, ["differs from the recorded probes"])
    current = registry.current(NAME)
    assert current is not None
    assert (current.version, current.status) == (one.version, "in_force")
    refused = registry.history(NAME)[-1]
    assert refused.refused is not None
    assert refused.refused.mistakes == ("differs from the recorded probes",)
    assert registry.promote(NAME, two.version)[1]
    assert registry.version(NAME) == two


def test_what_was_in_force_once_is_not_refused_any_more(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    registry.promote(NAME, one.version)
    registry.took(NAME, one.version)
    registry.refuse(NAME, one.version, ["the catalog lacks an attribute"])
    current = registry.current(NAME)
    assert current is not None
    assert current.refused is None


def test_a_version_whose_folder_is_gone_is_listed_and_says_so(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    for file in sorted(one.folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    one.folder.rmdir()
    assert [found.manifest for found in registry.versions(NAME)] == [None]
    with pytest.raises(NotFound, match="is gone"):
        registry.promote(NAME, one.version)


def test_the_stamp_changes_with_every_promotion(registry: ModelRegistry, tmp_path: Path) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    two = registry.add(NAME, model_folder(tmp_path / "b", 2.0))
    seen = [registry.stamp()]
    for version in (one, two, one):
        registry.promote(NAME, version.version)
        seen.append(registry.stamp())
    assert len(set(seen)) == 4


def test_a_damaged_history_is_told_and_not_overwritten(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    file = registry.path / NAME / "promotions.json"
    file.write_text("[{")
    with pytest.raises(FailedPrecondition, match=r"promotions\.json cannot be read"):
        registry.promote(NAME, one.version)
    assert file.read_text() == "[{"


def _write(path: Path, source: Path, start: object, number: int) -> None:
    registry = ModelRegistry(path)
    start.wait()  # type: ignore[attr-defined]
    added = [registry.add(NAME, folder).version for folder in sorted(source.iterdir())]
    for turn in range(10):
        registry.promote(NAME, added[(turn + number) % len(added)], author=str(number))


def test_writers_in_two_processes_lose_nothing_and_readers_see_whole_files(
    tmp_path: Path,
) -> None:
    for number in range(4):
        model_folder(tmp_path / "source" / str(number), number)
    context = multiprocessing.get_context("fork")
    start = context.Barrier(2)
    registry = ModelRegistry(tmp_path / "registry")
    writers = [
        context.Process(target=_write, args=(registry.path, tmp_path / "source", start, number))
        for number in range(2)
    ]
    for writer in writers:
        writer.start()
    lengths = [0]
    while any(writer.is_alive() for writer in writers):
        lengths.append(len(registry.history(NAME)))  # never half a file
        registry.versions(NAME)
    assert [writer.exitcode for writer in writers] == [0, 0]
    history = registry.history(NAME)
    assert lengths == sorted(lengths)
    assert {entry.author for entry in history} == {"0", "1"}
    # each was written unless it was promoted already: none equals the one before
    assert all(a.version != b.version for a, b in pairwise(history))
    assert len(registry.versions(NAME)) == 4
    for one in registry.versions(NAME):
        registry.verified(NAME, one.version)
    left = [entry.name for entry in (registry.path / NAME / "versions").iterdir()]
    assert not [name for name in left if name.startswith(".")]


def test_what_a_killed_writer_left_is_cleared_by_the_next(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    versions = registry.path / NAME / "versions"
    (versions / ".adding-99999").mkdir(parents=True)
    (versions / ".adding-99999" / "model.onnx").write_bytes(b"half")
    one = registry.add(NAME, model_folder(tmp_path / "a"))
    assert sorted(entry.name for entry in versions.iterdir()) == [
        one.version,
        f"{one.version}.json",
    ]


def test_a_version_whose_note_was_not_written_yet_is_completed_by_adding_it_again(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    source = model_folder(tmp_path / "a")
    one = registry.add(NAME, source)
    (registry.path / NAME / "versions" / f"{one.version}.json").unlink()  # killed in between
    assert registry.versions(NAME) == []
    assert registry.add(NAME, source).version == one.version
    assert len(registry.versions(NAME)) == 1

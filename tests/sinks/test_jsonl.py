from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nba_engine.domain import SinkFactory, SinkRecord
from nba_engine.sinks import JSONL, JsonLines, JsonLinesSettings
from nba_engine.testing import SinkSuite, sample_records
from nba_engine.testing.sink_suite import erased


def keys(*files: Path) -> list[str]:
    lines = [line for file in files for line in file.read_bytes().splitlines(keepends=True)]
    assert all(line.endswith(b"\n") for line in lines)
    return [msgspec.json.decode(line, type=SinkRecord).key for line in lines]


class TestJsonLines(SinkSuite):
    @pytest.fixture
    def factory(self) -> SinkFactory:
        return JSONL

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"path": "logs/records.jsonl"}

    @pytest.fixture
    def received(self, tmp_path: Path) -> Callable[[], Sequence[str]] | None:
        return lambda: keys(tmp_path / "logs/records.jsonl")


def sink(folder: Path, **settings: Any) -> JsonLines:
    return JsonLines(JsonLinesSettings(path="out.jsonl", **settings), folder)


def test_a_line_is_one_json_object_with_topic_key_time_and_data(tmp_path: Path) -> None:
    writer = sink(tmp_path)
    (record,) = sample_records(1)
    writer.write([record])
    writer.close()
    line = msgspec.json.decode((tmp_path / "out.jsonl").read_bytes())
    assert line == {"topic": "interactions", "key": "i0", "time": record.time, "data": record.data}


def test_a_customer_is_erased_from_rotated_files_too_and_others_keep_writing(
    tmp_path: Path,
) -> None:
    writer, other = (sink(tmp_path, rotate_bytes=2048, keep=9) for _ in range(2))
    for record in sample_records(60):
        writer.write([record])
    files = sorted(tmp_path.glob("out.jsonl*"))
    assert sum(b"crm:7" in file.read_bytes() for file in files) == 1
    whole = sum(len(file.read_bytes().splitlines()) for file in files)
    gone = erased(*(f"crm:{number}" for number in range(0, 60, 7)))
    assert other.erase(gone) == 9
    writer.write(sample_records(61)[60:])
    lines = [
        line for file in tmp_path.glob("out.jsonl*") for line in file.read_bytes().splitlines()
    ]
    assert len(lines) == whole - 9 + 1
    assert not any(b'"crm:7"' in line or b'"crm:49"' in line for line in lines)
    writer.close()
    other.close()


def test_a_rewriting_that_dies_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = sink(tmp_path)
    writer.write(sample_records(10))
    before = (tmp_path / "out.jsonl").read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="full"):
            writer.erase(erased("crm:4"))
    assert (tmp_path / "out.jsonl").read_bytes() == before
    assert writer.erase(erased("crm:4")) == 1
    assert len(keys(tmp_path / "out.jsonl")) == 9
    writer.close()


def test_a_file_that_is_full_is_numbered_and_the_oldest_go(tmp_path: Path) -> None:
    writer = sink(tmp_path, rotate_bytes=1024, keep=2)
    records = sample_records(40)
    for record in records:
        writer.write([record])
    writer.close()
    files = [tmp_path / name for name in ("out.jsonl.2", "out.jsonl.1", "out.jsonl")]
    assert sorted(tmp_path.iterdir()) == sorted([*files, tmp_path / "out.jsonl.lock"])
    assert all(file.stat().st_size <= 1024 for file in files)
    left = keys(*files)
    assert left == [record.key for record in records][-len(left) :]


def test_what_a_crash_left_of_a_line_is_cut_off(tmp_path: Path) -> None:
    writer = sink(tmp_path)
    writer.write(sample_records(3))
    writer.close()
    with (tmp_path / "out.jsonl").open("ab") as file:
        file.write(b'{"topic":"decisions","key":"torn' + b"x" * 200_000)
    writer = sink(tmp_path)
    writer.write(sample_records(5)[3:])
    writer.close()
    assert keys(tmp_path / "out.jsonl") == [record.key for record in sample_records(5)]


def test_a_batch_that_the_disk_refuses_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = sink(tmp_path)
    writer.write(sample_records(2))
    file = writer._file

    class FullDisk:
        def write(self, data: bytes) -> int:
            if len(data) < 100:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return file.write(data[:50])  # type: ignore[union-attr]

        def __getattr__(self, name: str) -> Any:
            return getattr(file, name)

    monkeypatch.setattr(writer, "_file", FullDisk())
    with pytest.raises(OSError, match="No space left"):
        writer.write(sample_records(4)[2:])
    monkeypatch.undo()
    writer.write(sample_records(5)[4:])
    writer.close()
    assert keys(tmp_path / "out.jsonl") == ["i0", "d1", "i4"]


def test_a_batch_that_json_cannot_say_leaves_nothing_of_it(tmp_path: Path) -> None:
    writer = sink(tmp_path)
    good, bad = sample_records(2)
    wrong = msgspec.structs.replace(bad, data={"value": object()})
    with pytest.raises(TypeError):
        writer.write([good, wrong])
    writer.close()
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_several_processes_share_the_file_and_its_turns(tmp_path: Path) -> None:
    first, second = (sink(tmp_path, rotate_bytes=1024, keep=99) for _ in range(2))
    records = sample_records(60)
    for number, record in enumerate(records):
        (first if number % 3 else second).write([record])
    first.close()
    second.close()
    rotated = sorted(
        tmp_path.glob("out.jsonl.*[0-9]"), key=lambda file: int(file.suffix[1:]), reverse=True
    )
    assert len(rotated) > 2
    assert keys(*rotated, tmp_path / "out.jsonl") == [record.key for record in records]


def test_what_another_process_left_of_a_line_as_it_died_is_cut_off(tmp_path: Path) -> None:
    writer = sink(tmp_path)
    first, second = sample_records(2)
    writer.write([first])
    with (tmp_path / "out.jsonl").open("ab") as other:
        other.write(b'{"topic": "deci')
    writer.write([second])
    writer.close()
    assert keys(tmp_path / "out.jsonl") == [first.key, second.key]

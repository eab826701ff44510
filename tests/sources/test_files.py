"""Files that grow, folders of them, rotation, truncation, bad lines: each record is read once."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from nba_engine.domain import SourceBatch, SourceRecord
from nba_engine.sources import CSV, JSONL, FileSettings, FileSource
from nba_engine.sources import growing as growing_module
from nba_engine.testing import make_catalog

CATALOG = make_catalog(attributes={"age": {"type": "int"}})


class Reader:
    """A source with the positions that were committed; `again` is a restart."""

    def __init__(self, folder: Path, kind: str = "jsonl", **settings: Any) -> None:
        self.folder = folder
        self.kind = kind
        self.settings = FileSettings(**{"path": "in", **settings})
        self.marks: dict[str, str] = {}
        self.again()

    def again(self) -> None:
        factory = JSONL if self.kind == "jsonl" else CSV
        self.source: FileSource = factory.build(self.settings, self.folder)  # type: ignore[assignment]

    def batch(self, most: int = 100) -> SourceBatch | None:
        return self.source.read(lambda part: self.marks.get(part, ""), most=most, catalog=CATALOG)

    def next(self, most: int = 100) -> list[SourceRecord]:
        """The records of the next batch, which is committed."""
        found = self.batch(most)
        if found is None:
            return []
        self.marks[found.part] = found.position
        return list(found.records)

    def all(self, most: int = 100) -> list[SourceRecord]:
        records: list[SourceRecord] = []
        while (batch := self.batch(most)) is not None:
            self.marks[batch.part] = batch.position
            records += batch.records
        return records

    def ids(self, most: int = 100) -> list[str]:
        return [ident(record) for record in self.all(most)]


def ident(record: SourceRecord) -> str:
    return record.interaction.interaction_id if record.interaction else record.problem


def line(number: int | str) -> str:
    values = {"interaction_id": f"i{number}", "identity": "crm:1", "type": "view", "time": 5}
    return json.dumps(values) + "\n"


def lines(*numbers: int) -> str:
    return "".join(map(line, numbers))


def ids(*numbers: int) -> list[str]:
    return [f"i{number}" for number in numbers]


def append(file: Path, text: str) -> None:
    with file.open("a") as open_file:
        open_file.write(text)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def test_a_file_is_read_as_it_grows(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    reader = Reader(tmp_path, path="in.jsonl")
    assert reader.all() == []
    file.write_text(lines(1, 2))
    first, second = reader.all()
    assert (first.place, second.place) == ("in.jsonl:1", "in.jsonl:2")
    assert ident(first) == "i1"
    append(file, lines(3))
    reader.again()
    (third,) = reader.all()
    assert (third.place, ident(third)) == ("in.jsonl:3", "i3")


def test_a_part_of_a_line_waits_for_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    text = line(1) + line(2)
    reader = Reader(tmp_path, path="in.jsonl")
    found = []
    for character in text:
        append(file, character)
        found += reader.ids()
    assert found == ids(1, 2)


def test_a_last_line_without_an_end_counts_when_nobody_writes_any_more(inbox: Path) -> None:
    file = inbox / "a.jsonl"
    file.write_text(line(1) + line(2).rstrip())
    reader = Reader(inbox.parent)
    assert reader.ids() == ids(1)
    old = file.stat().st_mtime - 61
    os.utime(file, (old, old))
    assert reader.ids() == ids(2)
    append(file, "\n" + line(3))
    assert reader.ids() == ids(3)


def test_files_of_a_folder_are_read_in_the_order_of_their_names(inbox: Path) -> None:
    for name, numbers in (("b.jsonl", (3, 4)), ("a.jsonl", (1, 2)), ("c.ndjson", (5,))):
        (inbox / name).write_text(lines(*numbers))
    (inbox / "d.csv").write_text("not,for,us\n")
    (inbox / ".hidden.jsonl").write_text(line(9))
    (inbox / "e.jsonl").mkdir()
    reader = Reader(inbox.parent)
    assert reader.ids(most=1) == ids(1, 2, 3, 4, 5)
    append(inbox / "a.jsonl", line(6))
    (inbox / "aa.jsonl").write_text(line(7))
    reader.again()
    assert reader.ids() == ids(6, 7)
    assert set(reader.marks) == {"a.jsonl", "aa.jsonl", "b.jsonl", "c.ndjson"}


def test_what_is_not_committed_is_read_again(inbox: Path) -> None:
    (inbox / "a.jsonl").write_text(lines(1, 2, 3))
    reader = Reader(inbox.parent)
    first = reader.batch(2)
    assert first == reader.batch(2)
    reader.again()
    assert first == reader.batch(2)


def test_what_waits_is_told_in_bytes(inbox: Path) -> None:
    (inbox / "a.jsonl").write_text(lines(1, 2, 3))
    (inbox / "b.jsonl").write_text(lines(4))
    reader = Reader(inbox.parent)
    batch = reader.batch(2)
    assert batch is not None
    assert batch.behind == len(lines(3, 4))


@pytest.mark.parametrize("restart", [True, False])
def test_a_file_that_was_renamed_is_read_to_its_end_before_the_new_one(
    tmp_path: Path, restart: bool
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(1, 2))
    reader = Reader(tmp_path, path="in.jsonl")
    assert reader.ids() == ids(1, 2)
    append(file, lines(3))
    file.rename(tmp_path / "in.jsonl.1")
    file.write_text(lines(4))
    if restart:
        reader.again()
    assert reader.ids() == ids(3, 4)
    append(file, line(5))
    assert reader.ids() == ids(5)


def test_a_line_written_to_the_old_file_after_its_renaming_is_read(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(1))
    reader = Reader(tmp_path, path="in.jsonl")
    assert reader.ids() == ids(1)
    file.rename(tmp_path / "in.jsonl.1")
    assert reader.ids() == []
    append(tmp_path / "in.jsonl.1", line(2))
    assert reader.ids() == ids(2)
    file.write_text(line(3))
    append(tmp_path / "in.jsonl.1", line(4))
    assert sorted(reader.ids()) == ids(3, 4)


def test_a_file_of_a_folder_that_got_another_name_is_not_read_twice(inbox: Path) -> None:
    (inbox / "app.jsonl").write_text(lines(1, 2))
    reader = Reader(inbox.parent)
    assert reader.ids() == ids(1, 2)
    (inbox / "app.jsonl").rename(inbox / "app-1.jsonl")
    append(inbox / "app-1.jsonl", line(3))
    assert reader.ids() == ids(3)
    (inbox / "app.jsonl").write_text(line(4))
    (inbox / "app-1.jsonl").rename(inbox / "app-2.jsonl.old")
    append(inbox / "app-2.jsonl.old", line(5))
    assert sorted(reader.ids()) == ids(4, 5)
    reader.again()
    assert reader.ids() == []


def test_a_file_that_was_cut_short_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(1, 2, 3))
    reader = Reader(tmp_path, path="in.jsonl")
    reader.all()
    file.write_text(lines(4))
    assert reader.ids() == ids(4)


def test_a_file_that_was_cut_short_and_grew_again_is_read_from_its_beginning(
    tmp_path: Path,
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(1, 2, 3))
    reader = Reader(tmp_path, path="in.jsonl")
    reader.all()
    inode = file.stat().st_ino
    file.write_text(lines(4, 5, 6, 7))
    assert file.stat().st_ino == inode
    assert reader.ids() == ids(4, 5, 6, 7)


def test_a_beginning_that_is_the_same_does_not_deceive(tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    heading = "interaction_id,identity,type,time," + "x" * 300 + "\n"
    rows = [f"i{number},crm:1,view,5,\n" for number in range(9)]
    file.write_text(heading + "".join(rows[:3]))
    reader = Reader(tmp_path, "csv", path="in.csv")
    assert reader.ids() == ids(0, 1, 2)
    file.write_text(heading + "".join(rows[4:9]))
    assert reader.ids() == ids(4, 5, 6, 7, 8)


def test_a_copy_from_a_backup_is_the_same_file(inbox: Path) -> None:
    (inbox / "a.jsonl").write_text(lines(1, 2))
    reader = Reader(inbox.parent)
    assert reader.ids() == ids(1, 2)
    shutil.copy(inbox / "a.jsonl", inbox / "copy")
    (inbox / "copy").replace(inbox / "a.jsonl")
    append(inbox / "a.jsonl", line(3))
    reader.again()
    assert reader.ids() == ids(3)


def test_bad_lines_have_a_place_and_a_reason_without_their_values(inbox: Path) -> None:
    text = line(1) + "{oops\n\n[7]\n" + '{"identity": "crm:secret"}\n' + line(2)
    (inbox / "a.jsonl").write_bytes(text.encode() + b'{"x": "\xff\xfe"}\n' + line(3).encode())
    found = {record.place: ident(record) for record in Reader(inbox.parent).all()}
    assert list(found) == [f"a.jsonl:{n}" for n in (1, 2, 4, 5, 6, 7, 8)]
    assert found["a.jsonl:2"].startswith("no JSON: ")
    assert found["a.jsonl:4"] == "a line must hold one JSON object"
    assert found["a.jsonl:5"] == "column 'interaction_id' is missing"
    assert found["a.jsonl:7"] == "not UTF-8"
    assert "secret" not in str(found.values())
    assert [found[f"a.jsonl:{n}"] for n in (1, 6, 8)] == ids(1, 2, 3)


def test_a_line_without_end_is_skipped_and_the_next_one_is_read(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing_module, "LONGEST", 1_000)
    file = inbox / "a.jsonl"
    file.write_text(line(1) + "x" * 950)
    reader = Reader(inbox.parent)
    assert reader.ids() == ids(1)
    append(file, "x" * 5_000)
    (record,) = reader.all()
    assert (record.place, record.problem) == ("a.jsonl:2", "longer than 1,000 bytes")
    append(file, "x" * 5_000)
    reader.again()
    assert reader.ids() == []
    append(file, "x\n" + line(2))
    (record,) = reader.all()
    assert (record.place, ident(record)) == ("a.jsonl:3", "i2")


def test_csv_has_a_heading_and_cells_that_span_lines(inbox: Path) -> None:
    file = inbox / "a.csv"
    file.write_bytes(b"\xef\xbb\xbfinteraction_id,identity,type,time,note,price\r\n")
    reader = Reader(inbox.parent, "csv")
    assert reader.all() == []
    append(file, 'i1,crm:1,view,5,"two\nlines, ""quoted""",1.5\ni2,crm:1,')
    (first,) = reader.all()
    assert first.interaction is not None
    assert first.interaction.properties == {"note": 'two\nlines, "quoted"', "price": 1.5}
    assert first.place == "a.csv:2"
    append(file, 'view,5,,\ni3,crm:1\ni4,crm:1,view,5,"open')
    reader.again()
    second, third = reader.all()
    assert (second.place, ident(second)) == ("a.csv:4", "i2")
    assert (third.place, third.problem) == ("a.csv:5", "2 cells under 6 headings")
    append(file, 'ed",\n')
    (fourth,) = reader.all()
    assert (fourth.place, ident(fourth)) == ("a.csv:6", "i4")


def test_profiles_have_the_types_of_the_catalog(inbox: Path) -> None:
    (inbox / "a.csv").write_text("identity,age,consent:marketing:email\ncrm:1,41,true\ncrm:2,x,\n")
    first, second = Reader(inbox.parent, "csv", holds="profiles").all()
    assert first.update is not None
    assert first.update.attributes == {"age": 41}
    assert first.update.consents["marketing:email"].granted
    assert second.problem == "attribute 'age' is no int"


def test_only_what_matches_is_read(inbox: Path) -> None:
    (inbox / "orders-1.log").write_text(line(1))
    (inbox / "other.jsonl").write_text(line(2))
    assert Reader(inbox.parent, match="orders-*.log").ids() == ids(1)


def test_a_folder_that_is_not_there_is_an_error_a_file_is_waited_for(tmp_path: Path) -> None:
    assert Reader(tmp_path, path="later.jsonl").all() == []
    with pytest.raises(FileNotFoundError, match="no such folder"):
        Reader(tmp_path, path="nowhere/later.jsonl").all()


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_done_to_a_log_each_line_is_read_once(tmp_path: Path, seed: int) -> None:
    """Writes, rotations and restarts at random; every line has to come, in order, once."""
    rng = random.Random(seed)
    file = tmp_path / "log.jsonl"
    reader = Reader(tmp_path, path="log.jsonl")
    written, found, rotated = 0, [], 0
    torn = ""
    for _ in range(60):
        step = rng.choice(["write", "write", "write", "read", "read", "rotate", "restart"])
        if step == "write":
            more = [line(written + n) for n in range(rng.randrange(4))]
            written += len(more)
            text = torn + "".join(more)
            cut = rng.randrange(len(text) + 1) if rng.random() < 0.3 else len(text)
            append(file, text[:cut])
            torn = text[cut:]
        elif step == "read":
            found += reader.ids(most=rng.choice([1, 2, 100]))
        elif step == "rotate" and file.exists() and not torn:
            found += reader.ids()  # between two rotations somebody looks
            rotated += 1
            file.rename(tmp_path / f"log.jsonl.{rotated}")
        elif step == "restart" and file.exists():
            reader.again()
    append(file, torn)
    found += reader.ids()
    assert found == [f"i{number}" for number in range(written)]


def test_a_file_that_cannot_be_read_stops_no_other_and_is_told(inbox: Path) -> None:
    (inbox / "a.jsonl").symlink_to(inbox / "a.jsonl")  # leads to itself
    (inbox / "b.jsonl").mkdir()
    (inbox / "c.jsonl").write_text(line(1))
    (inbox / "d.jsonl").symlink_to(inbox)
    reader = Reader(inbox.parent)
    assert [ident(one) for one in reader.next()] == ids(1)
    assert reader.all() == []


def test_a_folder_in_which_a_file_may_not_be_read(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("a.jsonl", 1), ("b.jsonl", 2)):
        (inbox / name).write_text(line(number))
    reader = Reader(inbox.parent)
    opened = reader.source._open

    def refusing(name: str) -> Any:
        if name == "a.jsonl":
            raise PermissionError(13, "Permission denied", name)
        return opened(name)

    monkeypatch.setattr(reader.source, "_open", refusing)
    assert [ident(one) for one in reader.next()] == ids(2)
    with pytest.raises(PermissionError, match=r"a\.jsonl"):
        reader.next()
    monkeypatch.undo()
    assert reader.ids() == ids(1)


def test_a_name_that_is_no_text_is_passed_over(inbox: Path) -> None:
    (Path(os.fsdecode(os.fsencode(inbox) + b"/\xff.jsonl"))).write_text(line(1))
    (inbox / "b.jsonl").write_text(line(2))
    assert Reader(inbox.parent).ids() == ids(2)


def test_nulls_are_left_out(inbox: Path) -> None:
    values = {"interaction_id": "i1", "identity": "crm:1", "type": "view", "time": 5}
    more = {"recommendation_id": None, "price": None, "shop": "a"}
    (inbox / "a.jsonl").write_text(json.dumps(values | more) + "\n")
    (record,) = Reader(inbox.parent).all()
    assert record.interaction is not None
    assert record.interaction.recommendation_id == ""
    assert record.interaction.properties == {"shop": "a"}
    (inbox / "a.jsonl").unlink()
    given = {"identity": "crm:1", "age": None, "consent:m:email": None}
    (inbox / "b.jsonl").write_text(json.dumps(given) + "\n")
    (record,) = Reader(inbox.parent, holds="profiles").all()
    assert record.update is not None
    assert (record.update.attributes, record.update.consents) == ({}, {})

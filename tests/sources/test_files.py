"""Files that grow, folders of them, rotation, truncation, bad lines: each record is read once."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.sources.reading import Reader, append, ident, ids, inbox, line, lines

__all__ = ["inbox"]


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

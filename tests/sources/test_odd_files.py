"""Files with what cannot be used, and folders with what cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nba_engine.sources import growing as growing_module
from tests.sources.reading import Reader, append, ident, ids, inbox, line

__all__ = ["inbox"]


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

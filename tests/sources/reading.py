"""A source of files as the engine reads it, and what is in the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nba_engine.domain import SourceBatch, SourceRecord
from nba_engine.sources import CSV, JSONL, FileSettings, FileSource
from nba_engine.testing import make_catalog

__all__ = ["Reader", "append", "ident", "ids", "inbox", "line", "lines"]

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

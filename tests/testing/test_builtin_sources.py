"""The built-in sources keep the contract of all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nba_engine.domain import SourceFactory
from nba_engine.sources import CSV, JSONL
from nba_engine.testing import SourceSuite


class TestJsonLines(SourceSuite):
    @pytest.fixture
    def factory(self) -> SourceFactory:
        return JSONL

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"path": "in.jsonl"}

    @pytest.fixture
    def feed(self, tmp_path: Path) -> Callable[[int], None]:
        numbers = itertools.count()

        def put(count: int) -> None:
            with (tmp_path / "in.jsonl").open("a") as file:
                for number in itertools.islice(numbers, count):
                    values = {"interaction_id": f"i{number}", "identity": "crm:1"}
                    file.write(json.dumps(values | {"type": "view", "time": number}) + "\n")

        return put


class TestCsvFolder(SourceSuite):
    @pytest.fixture
    def factory(self) -> SourceFactory:
        return CSV

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"path": "inbox", "holds": "profiles"}

    @pytest.fixture
    def feed(self, tmp_path: Path) -> Callable[[int], None]:
        (tmp_path / "inbox").mkdir()
        files = itertools.count()

        def put(count: int) -> None:
            rows = "".join(f"crm:{number}\n" for number in range(count))
            (tmp_path / "inbox" / f"{next(files)}.csv").write_text("identity\n" + rows)

        return put

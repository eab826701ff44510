"""`nba import` of folders, and `--follow`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nba_engine.app import open_app
from nba_engine.store import open_store

if TYPE_CHECKING:
    from tests.cli.conftest import Nba


def line(number: int) -> str:
    values = {"interaction_id": f"i{number}", "identity": "crm:1", "type": "purchase", "time": 5}
    return json.dumps(values) + "\n"


def purchases(settings: Path) -> int:
    with open_app(settings) as app:
        found = app.engine.store.customer("crm:1")
        return 0 if found is None else int(found[0].aggregates["purchases"])


def test_the_files_of_a_folder_are_imported_by_name(shop: Path, nba: Nba) -> None:
    inbox = shop.parent / "inbox"
    inbox.mkdir()
    (inbox / "b.jsonl").write_text(line(2))
    (inbox / "a.csv").write_text("interaction_id,identity,type,time\ni1,crm:1,purchase,5\n")
    (inbox / "notes.txt").write_text("not for us")
    (inbox / ".c.jsonl").write_text(line(3))
    assert nba("import", "interactions", inbox, "-s", shop) == 0
    assert nba.out.splitlines() == [f"{inbox}/a.csv: 1 imported", f"{inbox}/b.jsonl: 1 imported"]
    (inbox / "c.jsonl").write_text(line(3))
    assert nba("import", "interactions", inbox, "-s", shop) == 0
    assert f"{inbox}/c.jsonl: 1 imported" in nba.out
    assert nba.out.count("imported by an earlier run") == 2
    assert purchases(shop) == 3


def test_a_folder_without_files_and_what_cannot_be_followed_are_told(shop: Path, nba: Nba) -> None:
    (shop.parent / "inbox").mkdir()
    assert nba("import", "interactions", shop.parent / "inbox", "-s", shop) == 1
    assert "there is no file of .csv, .jsonl" in nba.err
    (shop.parent / "a.parquet").write_bytes(b"PAR1")
    arguments = ("import", "interactions", shop.parent / "a.parquet", "-s", shop, "--follow")
    assert nba(*arguments) == 1
    assert "only .csv and .jsonl files are followed" in nba.err
    assert nba(*arguments, "--again") == 2
    assert "leave --again out" in nba.err


class Following:
    """`nba import --follow` in a process of its own."""

    def __init__(self, settings: Path, *paths: Path) -> None:
        self._settings = settings
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nba_engine.cli", "import", "interactions"),
                *(*map(str, paths), "--follow", "-s", str(settings)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )

    def until(self, count: int) -> None:
        """Wait until so many purchases are durable."""
        path = self._settings.parent / "data" / "nba.db"
        until = time.monotonic() + 40
        while time.monotonic() < until:
            assert self.process.poll() is None, self.process.communicate()
            if path.exists() and _count(path) >= count:
                return
            time.sleep(0.02)
        raise AssertionError(f"there are no {count} purchases")

    def stop(self, number: int) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def _count(path: Path) -> int:
    try:
        store = open_store(path, create=False)
    except Exception:
        return 0
    try:
        found = store.customer("crm:1")
        return 0 if found is None else int(found[0].aggregates.get("purchases", 0))
    finally:
        store.close()


@pytest.fixture
def grow(shop: Path) -> Callable[[int, int], None]:
    """Append lines to a file that is followed."""

    def append(start: int, stop: int) -> None:
        with (shop.parent / "log.jsonl").open("a") as file:
            file.write("".join(map(line, range(start, stop))))

    return append


def test_a_file_is_followed_until_ctrl_c(shop: Path, grow: Callable[[int, int], None]) -> None:
    grow(0, 10)
    following = Following(shop, shop.parent / "log.jsonl")
    following.until(10)
    with (shop.parent / "log.jsonl").open("a") as file:
        file.write("{oops\n")
    grow(10, 20)
    following.until(20)
    code, out, err = following.stop(signal.SIGINT)
    assert (code, out) == (1, "20 imported, 1 rejected\n")
    assert "log.jsonl:11: no JSON" in err


def test_killed_in_the_middle_nothing_is_lost_or_doubled(
    shop: Path, grow: Callable[[int, int], None]
) -> None:
    total = 6_000
    for part in (0, 3_000):
        grow(part, part + 3_000)
        following = Following(shop, shop.parent / "log.jsonl")
        following.until(part + 1)
        following.stop(signal.SIGKILL)
    grow(total, total + 1)
    following = Following(shop, shop.parent / "log.jsonl")
    following.until(total + 1)
    code, out, _ = following.stop(signal.SIGINT)
    assert code == 0
    assert "known already" not in out  # nothing was read twice
    assert purchases(shop) == total + 1

"""Nothing of deleted rows stays in a database file, whoever works on it meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from nba_engine.errors import Unavailable
from nba_engine.store.erasing import scrubbing
from nba_engine.store.erasing.scrubbing import scrub
from nba_engine.store.files import connect, lock_path
from nba_engine.store.lock import FileLock

SCHEMA = """
CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB) STRICT;
CREATE TABLE pairs(a TEXT, b TEXT, PRIMARY KEY(a, b)) STRICT, WITHOUT ROWID;
"""


def churn(path: Path, draw: random.Random, rounds: int) -> None:
    """Insert, change and delete rows of all sizes, so that pages are split and joined."""
    with closing(connect(path, reading=False)) as connection, closing(Locked(path)) as lock:
        for number in range(rounds):
            name = f"{'CANARY' if draw.random() < 0.2 else 'plain'}{draw.randrange(600):04}"
            data = name.encode() * draw.randint(1, 700 if draw.random() < 0.1 else 30)
            with lock.file, connection:
                if draw.random() < 0.2:
                    connection.execute("DELETE FROM people WHERE name = ?", (name,))
                connection.execute(
                    "INSERT INTO people(name, data) VALUES (?, ?)"
                    " ON CONFLICT(name) DO UPDATE SET data = excluded.data",
                    (name, data),
                )
                connection.execute(
                    "INSERT INTO pairs VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (name, f"{name} {number % 50}"),
                )
                connection.execute("DELETE FROM pairs WHERE a = ?", (f"plain{number % 600:04}",))


class Locked:
    """A file lock that is closed like a connection."""

    def __init__(self, path: Path) -> None:
        self.file = FileLock(lock_path(path))

    def close(self) -> None:
        self.file.close()


def forget(path: Path) -> None:
    with (
        closing(connect(path, reading=False)) as connection,
        closing(Locked(path)) as lock,
        lock.file,
        connection,
    ):
        connection.execute("DELETE FROM people WHERE name LIKE 'CANARY%'")
        connection.execute("DELETE FROM pairs WHERE a LIKE 'CANARY%'")


def left(path: Path) -> int:
    """How often the canary is in the file and its write-ahead log."""
    log = path.with_name(f"{path.name}-wal")
    return path.read_bytes().count(b"CANARY") + (
        log.read_bytes().count(b"CANARY") if log.exists() else 0
    )


def look(connection: apsw.Connection) -> None:
    """Read every page."""
    connection.execute("SELECT sum(length(data)) FROM people").fetchall()
    connection.execute("SELECT count(*) FROM pairs").fetchall()


def sound(path: Path) -> bool:
    with closing(connect(path, reading=True)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").get == "ok")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "it.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.pragma("journal_mode", "wal")
        connection.execute(SCHEMA)
        yield path  # open meanwhile, so that the write-ahead log stays


@pytest.mark.parametrize("seed", range(5))
def test_nothing_of_deleted_rows_is_left_which_deleting_alone_does_not_achieve(
    path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "PAGES", 40)
    churn(path, random.Random(seed), 1500)
    rows = left(path)
    forget(path)
    with closing(connect(path, reading=False)) as connection:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    assert 0 < left(path) < rows, "the pages of this test have no gaps to be cleaned"
    scrub(path)
    assert left(path) == 0
    assert sound(path)


def test_what_others_have_in_memory_does_not_come_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "PAGES", 60)
    churn(path, random.Random(9), 1500)
    forget(path)
    gap = scrubbing._gap
    pieces = [0]
    with closing(connect(path, reading=False)) as warm:

        def read_first(page: bytes, header: int) -> tuple[int, int]:
            if header:  # the first page: none is overwritten yet
                look(warm)
            return gap(page, header)

        def write_between() -> bool:
            pieces[0] += 1
            if pieces[0] == 2:
                warm.execute("UPDATE people SET data = CAST(data || 'x' AS BLOB)")
                warm.execute("UPDATE OR IGNORE pairs SET b = b || '.'")
            return False

        monkeypatch.setattr(scrubbing, "_gap", read_first)
        scrub(path, stop=write_between)
    assert pieces[0] > 1
    assert left(path) == 0
    assert sound(path)


def test_writers_and_readers_go_on_meanwhile(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubbing, "PAGES", 20)
    churn(path, random.Random(3), 800)
    stop = threading.Event()
    rounds = [0]

    def work() -> None:
        draw = random.Random(4)
        while not stop.is_set():
            churn(path, draw, 20)
            rounds[0] += 20
            with closing(connect(path, reading=True)) as reading:
                assert reading.execute("SELECT count(*) FROM people").get > 0

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(5):
        scrub(path)
    stop.set()
    thread.join()
    forget(path)
    scrub(path)
    assert rounds[0] > 0
    assert left(path) == 0
    assert sound(path)


def test_somebody_who_reads_an_older_moment_is_waited_for_and_then_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "_TRIES", 2)
    churn(path, random.Random(5), 50)
    with closing(connect(path, reading=True)) as reading:
        reading.execute("BEGIN")
        look(reading)
        churn(path, random.Random(6), 50)
        with pytest.raises(Unavailable):
            scrub(path)
    scrub(path)


def test_it_can_be_stopped_between_pieces(path: Path) -> None:
    with pytest.raises(Unavailable, match="stopped"):
        scrub(path, stop=lambda: True)


KILLED = """
import sys
from pathlib import Path
from nba_engine.store.erasing import scrubbing
scrubbing.PAGES = 5
print("ready", flush=True)
while True:
    scrubbing.scrub(Path(sys.argv[1]))
"""


def test_a_process_that_is_killed_over_it_does_no_harm(path: Path) -> None:
    draw = random.Random(8)
    for _ in range(4):
        churn(path, draw, 300)
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        churn(path, draw, draw.randrange(40))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert sound(path)
    forget(path)
    scrub(path)
    assert left(path) == 0

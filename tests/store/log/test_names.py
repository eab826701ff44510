"""Whose decisions they are: found by hashes whatever comes and goes, and no hash is left of nobody."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nba_engine.domain import DecisionRecord, Erased, digest_of_name
from nba_engine.engine import table_of
from nba_engine.store import Mover, SqliteLog, open_log, open_log_reader
from nba_engine.store.log import names, pruning
from nba_engine.store.log.pruning import prune_log
from tests.store.log.test_log import record

SAME = [("c-gnyijstj", "c-etislvlf"), ("c-oyntrkpa", "c-pxjacgya")]  # crc32 of both
NAMES = [name for pair in SAME for name in pair] + ["crm:1", "crm:ü", "a\0b", "", "'\"\\", "😀"]
SALT = b"of this store"
DAY = 86_400.0


def of(number: int, customer_id: str, identity: str, time: float = 0.0) -> DecisionRecord:
    made = record(number, decision_id=id_of(number), time=time, customer_id=customer_id)
    request = msgspec.structs.replace(made.request, identity=identity)
    return msgspec.structs.replace(made, request=request)


def id_of(number: int) -> str:
    return f"{number:012x}"


def erased(*whom: str, before: str = "~", known: bool = True, number: int = 0) -> Erased:
    return Erased(
        erasure_id=f"e{number}",
        sequence=1 + number,
        time=0.0,
        before=before,
        salt=SALT,
        digests=frozenset(digest_of_name(name, SALT) for name in whom),
        names=whom if known else (),
    )


def write(log: SqliteLog, *records: DecisionRecord) -> None:
    """In one commit."""
    for one in records:
        log.append(one)
    log.flush()


def rows(path: Path, statement: str, *values: object) -> list[Any]:
    with closing(apsw.Connection(str(path))) as connection:
        return list(connection.execute(statement, values))


def hash_of(name: str) -> int:
    return crc32(name.encode())


def blocks(path: Path) -> list[tuple[int, int, set[int]]]:
    """First, last and hashes of each."""
    found = rows(path, "SELECT first, last, hashes FROM names ORDER BY last")
    return [
        (first, last, {one for (one,) in struct.iter_unpack("<I", hashes)})
        for first, last, hashes in found
    ]


def numbers(found: Iterator[DecisionRecord]) -> list[int]:
    return [int(one.decision_id, 16) for one in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    log = open_log(path)
    yield log
    log.close()


class Kept:
    """A log that two processes write to, and what must be true of it whatever is done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 1
        self._erasures = 0
        self._logs = [open_log(path), open_log(path)]
        self._reader = open_log_reader(path)

    def append(self, which: int, whose: Sequence[tuple[str, str, bool, int]]) -> None:
        """A commit of decisions: of whom, whether its id is the newest one's, hours too early."""
        batch = []
        newest = numbers(iter(self._reader.recent(1)))
        for customer_id, identity, again, early in whose:
            number = newest[0] if again and newest else self._next
            self._next += number == self._next
            batch.append(of(number, customer_id, identity, (self._next / 6 - early / 24) * DAY))
        write(self._logs[which], *batch)

    def erase(self, whom: Sequence[str], known: bool, kept: int) -> None:
        before = id_of(max(0, self._next - kept))
        remain = [
            one
            for one in self._reader.records()
            if one.decision_id >= before or not {one.customer_id, one.request.identity} & {*whom}
        ]
        self._erasures += 1
        which = erased(*whom, before=before, known=known, number=self._erasures)
        self._logs[0].erase(which)
        assert sorted(numbers(self._reader.records())) == sorted(numbers(iter(remain)))
        self._has_no_trace(whom)

    def erase_newest(self, known: bool) -> None:
        """Its number in the file, and those of others of the customer, are given again."""
        for newest in self._reader.recent(1):
            self.erase(sorted({newest.customer_id, newest.request.identity}), known, 0)

    def _has_no_trace(self, whom: Sequence[str]) -> None:
        for first, last, hashes in blocks(self._path):
            there = rows(
                self._path,
                "SELECT customer_id, identity FROM decisions WHERE id BETWEEN ? AND ?",
                *(first, last),
            )
            of_rows = {hash_of(name) for row in there for name in row}
            assert not {hash_of(name) for name in whom} & (hashes - of_rows)

    def prune(self, days: float) -> None:
        before = self._lowest()
        prune_log(self._path, days * DAY)
        self._begins_where_rows_do(before)

    def move(self, days: float) -> None:
        before = self._lowest()
        Mover(self._path, table_of).move(days * DAY)
        self._begins_where_rows_do(before)

    def _begins_where_rows_do(self, before: int) -> None:
        lowest = self._lowest()
        assert lowest == before or all(last >= lowest for _, last, _ in blocks(self._path))

    def _lowest(self) -> int:
        ((lowest,),) = rows(self._path, "SELECT coalesce(min(id), 1 << 62) FROM decisions")
        return int(lowest)

    def reopen(self) -> None:
        self.close()
        self._logs = [open_log(self._path), open_log(self._path)]
        self._reader = open_log_reader(self._path)

    def check(self, pair: Sequence[str]) -> None:
        """Everybody's decisions are found, and that is because of the blocks."""
        every = list(self._reader.records())
        for whom in [pair, *([name] for name in NAMES)]:
            assert list(self._reader.decisions_of(whom)) == [
                one for one in every if {one.customer_id, one.request.identity} & {*whom}
            ]
        known = blocks(self._path)
        for row, *whose in rows(self._path, "SELECT id, customer_id, identity FROM decisions"):
            covering = [hashes for first, last, hashes in known if first <= row <= last]
            assert any({hash_of(name) for name in whose} <= hashes for hashes in covering)

    def close(self) -> None:
        for log in self._logs:
            log.close()
        self._reader.close()


_name = st.sampled_from(NAMES)
_decision = st.tuples(_name, _name, st.integers(0, 5).map(lambda n: n == 0), st.integers(0, 30))
_which = st.integers(0, 1)
_append = st.tuples(st.just("append"), _which, st.lists(_decision, min_size=1, max_size=5))
_days = st.integers(0, 24).map(lambda number: number / 4)
_step = st.one_of(
    _append,
    _append,
    st.tuples(
        st.just("erase"),
        st.lists(_name, min_size=1, max_size=3, unique=True),
        st.booleans(),
        st.integers(0, 4),
    ),
    st.tuples(st.just("erase_newest"), st.booleans()),
    st.tuples(st.just("prune"), _days),
    st.tuples(st.just("move"), _days),
    st.tuples(st.just("reopen")),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(_step, min_size=4, max_size=14),
    pair=st.lists(_name, min_size=2, max_size=4),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_all_decisions_of_a_customer_are_found_whatever_came_and_went(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[Any, ...]],
    pair: list[str],
    sizes: tuple[int, int],
) -> None:
    kept = Kept(tmp_path_factory.mktemp("kept") / "log.db")
    with closing(kept), pytest.MonkeyPatch.context() as patched:
        patched.setattr(names, "BLOCKS", sizes[0])
        patched.setattr(names, "ROWS", sizes[1])
        patched.setattr(pruning, "BATCH", sizes[1])
        for name, *values in steps:
            getattr(kept, name)(*values)
            kept.check(pair)


def test_a_commit_is_one_block_of_hashes_each_once(log: SqliteLog, path: Path) -> None:
    write(log, of(1, "c1", "crm:1"), of(2, "c1", "crm:1"), of(3, "crm:2", "crm:2"))
    write(log, of(2, "c9", "c9"))  # is there
    write(log, of(3, "c9", "c9"), of(4, "c1", "crm:1"))
    ((_, _, first), (_, _, second)) = known = blocks(path)
    assert [block[:2] for block in known] == [(1, 3), (4, 4)]
    assert first == {hash_of(name) for name in ("c1", "crm:1", "crm:2")}
    assert second == {hash_of(name) for name in ("c1", "crm:1", "c9")}
    assert rows(path, "SELECT sum(length(hashes)) FROM names") == [(4 * 6,)]


def test_a_number_that_is_given_again_is_found_by_both_names(log: SqliteLog, path: Path) -> None:
    write(log, of(1, "a", "a"), of(2, "b", "b"), of(3, "c", "c"))
    log.erase(erased("c", before=id_of(4)))
    write(log, of(4, "d", "d"))
    assert [block[:2] for block in blocks(path)] == [(1, 3)]
    assert blocks(path)[0][2] == {hash_of(name) for name in ("a", "b", "d")}
    assert [numbers(log.decisions_of([name])) for name in "abcd"] == [[1], [2], [], [4]]


def test_a_commit_over_the_numbers_of_several_that_are_gone_is_found(
    log: SqliteLog, path: Path
) -> None:
    for number, name in enumerate("abbb"):
        write(log, of(number, name, name))
    log.erase(erased("b", before=id_of(4)))
    write(log, *[of(number, "d", "d") for number in (4, 5, 6)])
    assert [block[:2] for block in blocks(path)] == [(1, 1), (2, 2), (3, 3), (2, 4)]
    assert numbers(log.decisions_of(["d"])) == [4, 5, 6]


def test_a_number_given_to_somebody_else_while_it_is_read_gives_nothing_of_them(
    log: SqliteLog,
) -> None:
    write(log, of(1, "a", "a"), of(2, "a", "a"))
    reading = log.decisions_of(["a"])
    first = next(reading)
    log.erase(erased("a", before=id_of(3)))
    write(log, of(3, "b", "b"), of(4, "b", "b"))
    assert numbers(iter([first, *reading])) == [1]


def test_whose_hash_is_the_same_stays_when_the_other_is_erased(log: SqliteLog, path: Path) -> None:
    (one, other), _ = SAME
    assert hash_of(one) == hash_of(other)
    write(log, of(1, one, "crm:1"), of(2, other, "crm:2"))
    assert numbers(log.decisions_of([one])) == [1]
    log.erase(erased(one))
    assert numbers(log.decisions_of([other])) == [2]
    assert blocks(path)[0][2] == {hash_of(other), hash_of("crm:2")}


@pytest.mark.parametrize("known", [True, False])
def test_no_hash_of_who_was_erased_is_left_in_the_files(
    log: SqliteLog, path: Path, known: bool
) -> None:
    whom = ["c1", "cookie:1", "crm:1"]
    kept = [of(number, f"kept{number}", "crm:kept") for number in range(20, 60)]
    write(log, *kept[:20], of(1, "c1", "crm:1"), of(2, "cookie:1", "cookie:1"), *kept[20:])
    write(log, of(20, "c1", "crm:1"))  # a number that is there: nothing but …
    write(log, of(20, "c1", "crm:1"), of(3, "c1", "cookie:1"))
    write(log, of(20, "cookie:1", "crm:1"), of(61, "kept61", "crm:kept"))  # … its hashes come in
    assert has_hashes(path, whom) == whom
    log.erase(erased(*whom, known=known))
    assert has_hashes(path, whom) == []
    write(log, of(4, "c1", "crm:1"), of(62, "kept62", "crm:kept"))  # begun before
    assert has_hashes(path, whom) == []
    assert numbers(log.decisions_of(["crm:kept"])) == [*range(20, 60), 61, 62]


def has_hashes(path: Path, whom: Sequence[str]) -> list[str]:
    """Whose hashes are somewhere in the database, or in its write-ahead log."""
    data = path.read_bytes() + path.with_name(f"{path.name}-wal").read_bytes()
    return [name for name in whom if struct.pack("<I", hash_of(name)) in data]


def test_an_erasure_that_died_before_the_hashes_went_is_ended_by_the_next(
    log: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(Exception):
        pass

    def dying(*_: object) -> None:
        raise Died

    for number in range(3):
        write(log, of(number, "c1", "crm:1"), of(number + 10, "kept", "kept"))
    with monkeypatch.context() as patched:
        patched.setattr("nba_engine.store.log.erasing.renew", dying)
        with pytest.raises(Died):
            log.erase(erased("c1", "crm:1"))
    assert numbers(log.decisions_of(["c1"])) == []
    assert has_hashes(path, ["c1"]) == ["c1"]
    log.erase(erased("c1", "crm:1"))
    assert has_hashes(path, ["c1", "crm:1"]) == []


def by_move(path: Path, days: float) -> None:
    assert Mover(path, table_of).move(days * DAY)


def by_prune(path: Path, days: float) -> None:
    assert prune_log(path, days * DAY)


@pytest.mark.parametrize("remove", [by_move, by_prune])
def test_blocks_go_with_the_last_of_their_decisions(
    log: SqliteLog, path: Path, remove: Callable[[Path, float], None]
) -> None:
    for day in range(4):  # the second commit of a day has decisions of the next one
        write(log, *[of(10 * day + n, "c1", "crm:1", day * DAY + n) for n in range(3)])
        write(log, *[of(10 * day + n, "c1", "crm:1", (day + n - 3) * DAY) for n in (3, 4)])
    remove(path, 1.0)
    assert blocks(path)[0][:2] == (4, 5)
    remove(path, 3.0)
    assert [block[:2] for block in blocks(path)] == [(14, 15), (16, 18), (19, 20)]
    remove(path, 9.0)
    assert blocks(path) == []


def test_a_name_that_cannot_have_been_stored_is_nobodys(log: SqliteLog) -> None:
    write(log, of(1, "c1", "crm:1"))
    assert numbers(log.decisions_of(["\ud800", "c1"])) == [1]
    assert numbers(log.decisions_of(["\ud800"])) == []
    assert log.erase(erased("\ud800"))["decisions"] == 0
    assert log.erase(erased("c1", "x\udfff", number=1))["decisions"] == 1

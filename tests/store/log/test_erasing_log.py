"""A customer erased from the log and from Parquet files: whole, once, whenever the process dies."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import apsw
import msgspec
import pyarrow.parquet as pq
import pytest

from nba_engine.domain import DecisionRecord, Erased, digest_of_name, id_time
from nba_engine.engine import table_of
from nba_engine.errors import Unavailable
from nba_engine.store import LogReader, Mover, open_log, open_log_reader
from nba_engine.store.erasing import scrubbing
from nba_engine.store.lock import FileLock, turn
from nba_engine.store.log import erasing
from nba_engine.store.log.archive import moving_path, write_file
from tests.store.log.test_log import record

DAY = 86_400.0
DAYS, A_DAY = 4, 6
SALT = b"of this store"
CANARY = "canary-3f1c"
GONE = {"cust-gone", f"crm:{CANARY}", f"cookie:{CANARY}"}
HASHES = [crc32(name.encode()).to_bytes(4, "little") for name in GONE]  # as the log has them


def of(
    number: int, customer_id: str, identity: str, *, id_at: float | None = None
) -> DecisionRecord:
    """The decision of a number: six a day, with something of the customer in every part."""
    time = number // A_DAY * DAY + number % A_DAY
    made = record(number, time=time, customer_id=customer_id)
    request = msgspec.structs.replace(made.request, identity=identity, context={"said": identity})
    return msgspec.structs.replace(
        made,
        decision_id=f"{id_time(time if id_at is None else id_at)}-{number}",
        request=request,
        profile=identity.encode() * 400,
    )


def whose(number: int) -> tuple[str, str]:
    """Of every three decisions one is the erased customer's; all of the second day are."""
    if number % 3 == 0 or A_DAY <= number < 2 * A_DAY:
        return ("cust-gone", f"crm:{CANARY}") if number % 2 else (f"cookie:{CANARY}",) * 2
    return "cust-kept", "crm:kept"


ALL = [of(number, *whose(number)) for number in range(DAYS * A_DAY)]
KEPT = [one for one in ALL if one.customer_id == "cust-kept"]


def erased(*, names: bool = True) -> Erased:
    return Erased(
        erasure_id="e1",
        sequence=1,
        time=DAYS * DAY,
        before=id_time(DAYS * DAY),
        salt=SALT,
        digests=frozenset(digest_of_name(name, SALT) for name in GONE),
        names=tuple(GONE) if names else (),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of four days, the first three of which were moved to Parquet."""
    log = open_log(tmp_path / "log.db")
    for one in ALL:
        log.append(one)
    log.close()
    Mover(tmp_path / "log.db", table_of).move(3 * DAY)
    return tmp_path / "log.db"


@pytest.fixture
def reader(path: Path) -> Iterator[LogReader]:
    opened = open_log_reader(path)
    yield opened
    opened.close()


def hits(path: Path) -> list[str]:
    """Files that hold the canary, compressed or not, or the hash of a name."""
    found = []
    for file in sorted(path.parent.rglob("*")):
        if not file.is_file():
            continue
        data = file.read_bytes()
        if file.name.endswith((".parquet", ".unfinished")) and data:
            data += repr(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
        hashed = file.name.startswith(path.name) and any(one in data for one in HASHES)
        if hashed or CANARY.encode() in data:
            found.append(file.name)
    return found


def erase(path: Path, which: Erased | None = None) -> dict[str, int]:
    log = open_log(path)
    try:
        return dict(log.erase(which or erased()))
    finally:
        log.close()


@pytest.mark.parametrize("names", [True, False])
def test_what_was_decided_for_it_is_gone_from_log_and_files_and_the_rest_is_there(
    path: Path, reader: LogReader, names: bool
) -> None:
    assert len(hits(path)) > 3
    counts = erase(path, erased(names=names))
    assert hits(path) == []
    assert list(reader.records()) == KEPT
    assert reader.count() == len(KEPT)
    assert counts == {"decisions": 2, "archived_decisions": len(ALL) - len(KEPT) - 2}
    assert reader.was_erased("e1")
    assert [name for (name, *_) in reader._files(0.0)] == sorted(
        str(file.relative_to(path.with_suffix(""))) for file in path.parent.rglob("*.parquet")
    )
    assert erase(path) == counts


def test_what_was_begun_before_and_comes_later_stays_out_from_every_process(
    path: Path, reader: LogReader
) -> None:
    waiting, other = open_log(path), open_log(path)
    late = of(90, "cust-gone", "crm:other", id_at=DAYS * DAY - 1)
    anonymous = of(91, f"cookie:{CANARY}", f"cookie:{CANARY}", id_at=0.0)
    somebody = of(92, "cust-kept", "crm:kept", id_at=DAYS * DAY - 1)
    again = of(93, f"crm:{CANARY}", f"crm:{CANARY}", id_at=DAYS * DAY + 1)
    for one in (late, anonymous):
        waiting.append(one)
    other.erase(erased())
    for one in (somebody, again):
        waiting.append(one)
    waiting.flush()
    assert list(reader.records()) == [*KEPT, somebody, again]
    assert waiting.lost == 0
    waiting.close()
    other.close()


def test_digests_are_kept_for_a_day(path: Path) -> None:
    erase(path)
    later = msgspec.structs.replace(
        erased(), erasure_id="e2", time=(DAYS + 2) * DAY, before=id_time((DAYS + 2) * DAY)
    )
    erase(path, later)
    connection = apsw.Connection(str(path))
    assert {before for (before,) in connection.execute("SELECT before FROM erased")} == {
        later.before
    }
    connection.close()


def test_while_decisions_are_moved_it_has_to_be_tried_again_but_nothing_new_comes_in(
    path: Path, reader: LogReader
) -> None:
    with turn(moving_path(path)), pytest.raises(Unavailable, match="moved"):
        erase(path)
    log = open_log(path)
    log.append(of(90, "cust-gone", "crm:x", id_at=0.0))
    log.close()
    assert not reader.was_erased("e1")
    assert reader.count() == len(ALL)
    erase(path)
    assert list(reader.records()) == KEPT


def test_what_a_mover_left_when_it_died_is_removed_too(path: Path, reader: LogReader) -> None:
    class Died(Exception):
        pass

    def dying(records: object) -> object:
        raise Died

    with pytest.raises(Died):
        Mover(path, dying).move(DAYS * DAY)
    plan = apsw.Connection(str(path)).execute("SELECT file FROM moving").get
    left = path.with_suffix("") / str(plan)
    left.parent.mkdir(exist_ok=True)
    pq.write_table(table_of(ALL[-A_DAY:]), left)
    pq.write_table(table_of(ALL[-A_DAY:]), left.with_name(f".{left.name}.unfinished"))
    erase(path)
    assert hits(path) == []
    Mover(path, table_of).move(DAYS * DAY)
    assert list(reader.records()) == KEPT


@pytest.mark.parametrize("step", range(18))
def test_whatever_step_it_dies_at_nothing_is_lost_and_the_next_one_ends_it(
    path: Path, reader: LogReader, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(Exception):
        pass

    steps = [0]

    def counted() -> None:
        steps[0] += 1
        if steps[0] == step + 1:
            raise Died

    write, unlink, unlock, scrub = write_file, Path.unlink, FileLock.__exit__, scrubbing.scrub

    def dying_write(table: object, file: Path) -> None:
        counted()
        write(table, file)
        counted()

    def dying_unlink(file: Path, *, missing_ok: bool = False) -> None:
        counted()
        unlink(file, missing_ok=missing_ok)
        counted()

    def dying_exit(self: object, *error: object) -> None:
        unlock(self, *error)  # type: ignore[arg-type]
        if error == (None, None, None):
            counted()

    def dying_scrub(file: Path, **options: object) -> None:
        scrub(file)
        counted()

    with monkeypatch.context() as patched:
        patched.setattr(erasing, "write_file", dying_write)
        patched.setattr(Path, "unlink", dying_unlink)
        patched.setattr(FileLock, "__exit__", dying_exit)
        patched.setattr(erasing, "scrub", dying_scrub)
        with pytest.raises(Died):
            erase(path)
    assert set(KEPT_IDS) <= {one.decision_id for one in reader.records()}
    counts = erase(path)
    assert hits(path) == []
    assert list(reader.records()) == KEPT
    assert reader.count() == len(KEPT)
    assert sum(counts.values()) == len(ALL) - len(KEPT)


KEPT_IDS = [one.decision_id for one in KEPT]

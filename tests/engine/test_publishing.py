"""Catalogs published, rolled back and followed, over real stores."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from nba_engine.app.follower import Follower
from nba_engine.domain import Publication
from nba_engine.engine import Catalogs, Engine, Snapshot, publishing, status_of
from nba_engine.errors import FailedPrecondition, Mistake, MistakesFound, NotFound
from nba_engine.store import open_log, open_store
from nba_engine.testing import FakeStore
from tests.engine.world import CATALOG, ask, shop

FIRST = {"shop.toml": CATALOG}
DEARER = {"shop.toml": CATALOG.replace("prior = 0.30", "prior = 0.90")}
BREAD = {"shop.toml": CATALOG.replace("value = 1.0", "value = 99.0", 1)}
BROKEN = {"shop.toml": CATALOG.replace('treatments_from = "standard"', 'treatments_from = "no"')}


class Watching:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.switches: list[tuple[int, float]] = []
        self.fell_behind: list[int] = []
        self.reached: list[bool] = []

    def switched(self, publication: Publication, late: float) -> None:
        self.switches.append((publication.sequence, late))

    def behind(self, publication: Publication) -> None:
        self.fell_behind.append(publication.sequence)

    def store_reached(self, *, reached: bool) -> None:
        self.reached.append(reached)


@contextmanager
def beside(
    engine: Engine, folder: Path, *, able: Callable[[], bool] = lambda: True
) -> Iterator[Engine]:
    """Another process on the store of `shop`, which follows; or cannot load what it finds."""

    def assemble(files: Mapping[str, str], models: Mapping[str, str] = {}) -> Snapshot:
        if not able():
            raise MistakesFound([Mistake(file="nba.toml", place="models.x", message="is gone")])
        return engine.catalogs.assembled(files, models)

    store, log = open_store(folder / "shop.db"), open_log(folder / "decisions.db")
    other = Engine(engine._snapshot, store, log, assemble=assemble, clock=engine._clock)
    follower = Follower(other.catalogs)
    follower.start()
    try:
        yield other
    finally:
        follower.stop()
        log.close()
        store.close()


def until(condition: object) -> None:
    assert callable(condition)
    ended = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ended
        threading.Event().wait(0.005)


def test_what_is_published_decides_when_publish_returns(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        before = engine.decide(ask())
        done = engine.catalogs.publish(DEARER, author="ada", comment="milk first")
        after = engine.decide(ask())
    assert (done.new, done.in_force) == (True, True)
    assert after.catalog_version == done.publication.version != before.catalog_version
    assert (done.publication.author, done.publication.comment) == ("ada", "milk first")


def test_publishing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        first = engine.catalogs.publish(DEARER)
        again = engine.catalogs.publish(DEARER, follows="what it followed the first time")
        assert not again.new
        assert again.publication == first.publication
        assert len(engine.store.publications()) == 1


def test_a_broken_catalog_changes_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        version = engine.catalog.version
        with pytest.raises(MistakesFound):
            engine.catalogs.publish(BROKEN)
        assert list(engine.store.publications()) == []
        assert engine.decide(ask()).catalog_version == version


def test_a_publication_after_another_than_expected_changes_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        engine.catalogs.publish(DEARER)
        version = engine.catalog.version
        with pytest.raises(FailedPrecondition) as refused:
            engine.catalogs.publish(BREAD, follows="0123456789abcdef")
        assert refused.value.reason == "CATALOG_VERSION_MISMATCH"
        assert engine.catalog.version == version


def test_a_rollback_goes_back_to_what_was_in_force_before(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        versions = [engine.catalogs.publish(files).publication.version for files in (FIRST, DEARER)]
        done = engine.catalogs.rollback(author="ada")
        assert done.publication.version == engine.catalog.version == versions[0]
        assert done.publication.origin == "rollback"
        assert engine.catalogs.rollback(versions[1]).publication.version == versions[1]


def test_a_rollback_needs_something_to_go_back_to(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        with pytest.raises(FailedPrecondition, match="no catalog before"):
            engine.catalogs.rollback()
        with pytest.raises(NotFound) as caught:
            engine.catalogs.rollback("0123")
    assert caught.value.reason == "CATALOG_VERSION_NOT_FOUND"
    assert caught.value.metadata == {"catalog_version": "0123"}


def test_a_caller_whose_time_is_up_hears_of_a_switch_that_is_still_to_come(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        version = engine.catalog.version
        done = engine.catalogs.publish(DEARER, deadline=time.monotonic())
        assert (done.new, done.in_force) == (True, False)
        assert engine.decide(ask()).catalog_version == version
        until(lambda: engine.catalogs.step() == 0.0)
        assert engine.decide(ask()).catalog_version == done.publication.version


def test_decisions_of_past_catalogs_are_explained_and_supposed(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        engine.catalogs.publish(FIRST)
        decision = engine.decide(ask())
        engine.catalogs.publish(DEARER)
        engine.log.flush()
        explained = engine.explain(decision.decision_id)
        assert explained.decision.catalog_version == decision.catalog_version
        with beside(engine, tmp_path) as other:  # which never had the first one in memory
            assert other.explain(decision.decision_id).candidates == explained.candidates
            assert other.what_if(decision.decision_id, []).candidates == explained.candidates


def test_a_past_catalog_that_cannot_be_loaded_any_more_is_told(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        engine.catalogs.publish(FIRST)
        decision = engine.decide(ask())
        engine.catalogs.publish(DEARER)
        engine.log.flush()
        with (
            beside(engine, tmp_path, able=lambda: False) as other,
            pytest.raises(FailedPrecondition, match="can no longer be loaded") as caught,
        ):
            other.explain(decision.decision_id)
    assert caught.value.reason == "CATALOG_CHANGED"


def test_other_processes_switch_when_the_publisher_does(tmp_path: Path) -> None:
    with shop(tmp_path) as engine, beside(engine, tmp_path) as one, beside(engine, tmp_path) as two:
        watching = [Watching() for _ in range(3)]
        for process, watcher in zip((engine, one, two), watching, strict=True):
            process.catalogs.watch(watcher)
        for files in (FIRST, DEARER, BREAD):
            version = engine.catalogs.publish(files).publication.version
            until(lambda v=version: (one.catalog.version, two.catalog.version) == (v, v))
    for watcher in watching:
        assert [sequence for sequence, _ in watcher.switches] == [1, 2, 3]
        # all of them at the announced moment, as far as a busy machine lets threads run
        assert max(late for _, late in watcher.switches) < 5.0


def test_a_process_that_cannot_load_it_keeps_the_old_one_and_says_so(tmp_path: Path) -> None:
    with shop(tmp_path) as engine, beside(engine, tmp_path, able=lambda: False) as other:
        watcher = Watching()
        other.catalogs.watch(watcher)
        version = other.catalog.version
        engine.catalogs.publish(DEARER)
        until(lambda: watcher.fell_behind)
        assert other.decide(ask()).catalog_version == version
        late = Watching()
        other.catalogs.watch(late)
    assert watcher.fell_behind == late.fell_behind == [1]
    assert watcher.switches == []


def test_a_process_that_can_load_it_again_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "RETRY_SECONDS", 0.1)
    able = threading.Event()
    watcher = Watching()
    with shop(tmp_path) as engine, beside(engine, tmp_path, able=able.is_set) as other:
        other.catalogs.watch(watcher)
        version = engine.catalogs.publish(DEARER).publication.version
        until(lambda: watcher.fell_behind)
        able.set()
        until(lambda: watcher.switches)
        assert other.catalog.version == version
    assert [sequence for sequence, _ in watcher.switches] == [1]


def test_a_process_that_is_behind_follows_the_next_publication_in_time(tmp_path: Path) -> None:
    able = threading.Event()
    watcher = Watching()
    with shop(tmp_path) as engine, beside(engine, tmp_path, able=able.is_set) as other:
        other.catalogs.watch(watcher)
        engine.catalogs.publish(DEARER)
        until(lambda: watcher.fell_behind)
        able.set()
        engine.catalogs.publish(BREAD)
        until(lambda: other.catalog.version == engine.catalog.version)
    assert watcher.switches[-1][0] == 2
    assert watcher.switches[-1][1] < 0.4


def test_amounts_that_a_new_catalog_lowers_block_further_grants(tmp_path: Path) -> None:
    ample, less = (
        {"shop.toml": CATALOG.replace("amount = 1\n", f"amount = {amount}\n")} for amount in (4, 2)
    )

    def reserved() -> int:
        return sum(usage.reserved for usage in engine.store.usage_report())

    def granted() -> bool:
        before = reserved()
        engine.decide(ask("crm:1", "newsletter"))
        return reserved() > before

    with shop(tmp_path) as engine:
        engine.catalogs.publish(ample)
        assert [granted() for _ in range(3)] == [True] * 3
        engine.catalogs.publish(less)
        assert not granted()  # three are out, two are allowed: an overhang, which is not hidden
        assert reserved() == 3
        engine.catalogs.publish(ample)
        assert [granted(), granted()] == [True, False]


def test_status_tells_the_one_in_force_from_those_to_come_and_gone() -> None:
    known = [
        Publication(version=f"v{at}", time=float(at), switch_time=at + 1.0, sequence=at)
        for at in (1, 2, 3)
    ]
    assert [(one.version, word) for one, word in status_of(known, 3.5)] == [
        ("v3", "pending"),
        ("v2", "in_force"),
        ("v1", "past"),
    ]


def test_a_store_that_stops_answering_is_told_once_and_so_is_its_return(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        snapshot = engine.catalogs.snapshot
    store, heard = FakeStore(), Watching()
    catalogs = Catalogs(store, snapshot)
    follower = Follower(catalogs)
    catalogs.watch(heard)
    follower.start()
    store.down = True
    until(lambda: heard.reached)
    late = Watching()
    catalogs.watch(late)
    store.down = False
    until(lambda: heard.reached == [False, True])
    follower.stop()
    assert late.reached == [False, True]

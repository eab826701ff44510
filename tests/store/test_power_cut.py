"""The power is cut while the store works: `python -m tests.store.power_cut` cuts more often."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.store.power_cut.cutting import cut_power
from tests.store.power_cut.disk import (
    Create,
    Delete,
    Disk,
    Operation,
    Sync,
    SyncFolder,
    Truncate,
    Write,
)

SEED = "20171106"


@pytest.mark.timeout(240)  # five seconds of CPU, and many waits for the disk
def test_nothing_acknowledged_is_lost_at_200_power_cuts(tmp_path: Path) -> None:
    cuts = cut_power(tmp_path, SEED, 200)
    assert (cuts.points, cuts.lost, cuts.wrong) == (200, [], [])
    assert cuts.held > 10_000
    assert cuts.unlogged  # the log has a window, and cuts fell into it


def test_a_store_that_does_not_wait_for_the_disk_is_found_to_lose_some(tmp_path: Path) -> None:
    cuts = cut_power(tmp_path, SEED, 25, synchronous="NORMAL")
    assert cuts.lost
    assert cuts.wrong == []  # what is left is whole all the same


def test_a_disk_that_says_it_has_synced_and_has_not_is_found_to_damage_the_store(
    tmp_path: Path,
) -> None:
    assert cut_power(tmp_path, SEED, 25, lying=True).wrong


def left(*done: Operation, before: bytes = b"old") -> set[tuple[tuple[str, bytes], ...]]:
    """Everything that two thousand cuts after these operations leave."""
    disk = Disk({"a": before})
    for one in done:
        disk.follow(one)
    draw = random.Random(SEED)
    return {tuple(sorted(disk.cut(draw).items())) for _ in range(2_000)}


def test_what_was_synced_is_left() -> None:
    assert left(Write(0, 0, b"new"), Truncate(0, 2), Sync(0)) == {(("a", b"ne"),)}


def test_what_was_not_synced_may_be_left_or_not_or_torn() -> None:
    found = left(Write(0, 0, b"new"))
    whole = {(("a", content),) for content in (b"old", b"new", b"nld", b"oew")}
    assert whole < found
    assert len(found) > 20  # garbage


def test_a_later_write_may_arrive_without_an_earlier_one() -> None:
    found = left(Write(0, 0, b"n"), Write(0, 5_000, b"w"))
    assert (("a", b"old".ljust(5_000, b"\0") + b"w"),) in found


def test_a_write_arrives_sector_by_sector() -> None:
    found = left(Write(0, 0, b"n" * 1_024), before=b"o" * 1_024)
    assert (("a", b"n" * 512 + b"o" * 512),) in found
    assert (("a", b"o" * 512 + b"n" * 512),) in found


def test_a_file_that_was_synced_may_have_no_name_until_its_folder_is() -> None:
    new = (Create("b", 1), Write(1, 0, b"x"), Sync(1))
    assert left(*new) == {(("a", b"old"),), (("a", b"old"), ("b", b"x"))}
    assert left(*new, SyncFolder()) == {(("a", b"old"), ("b", b"x"))}


def test_a_deleted_file_may_come_back_until_its_folder_is_synced() -> None:
    assert left(Delete("a")) == {(), (("a", b"old"),)}
    assert left(Delete("a"), SyncFolder()) == {()}
    assert left(Delete("a"), Create("a", 1), SyncFolder()) == {(("a", b""),)}

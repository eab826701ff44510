"""Lives of a store: each goes on from what a power cut left of the one before."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tests.store.power_cut.disk import Disk, Sync
from tests.store.power_cut.judge import Verdict, judge
from tests.store.power_cut.vfs import Recorder
from tests.store.power_cut.workload import STORE, Call, work

__all__ = ["Cuts", "cut_power"]

POINTS = 25  # cuts of one life
CALLS = 40  # per client and life
LIVES = 8  # of one store; then a new one is made


class Cuts(msgspec.Struct):
    """What came of it; ``lost`` and ``wrong`` are told in words."""

    points: int = 0
    lives: int = 0
    calls: int = 0
    syncs: int = 0
    held: int = 0
    lost: list[str] = []
    wrong: list[str] = []
    unlogged: int = 0  # decisions that were appended, not flushed, and are not on record
    window: float = 0.0  # seconds since the oldest of them was appended


def cut_power(
    folder: Path, seed: str, points: int, *, synchronous: str = "FULL", lying: bool = False
) -> Cuts:
    """Cut the power at so many moments. ``synchronous`` is that of the store's writers.

    A ``lying`` disk says that it has synced database files, and has not.
    The seed fixes what clients ask for and what a cut leaves, not the order in which threads run.
    """
    draw = random.Random(seed)
    cuts = Cuts()
    while cuts.points < points:
        life = folder / f"life-{cuts.lives}"
        if cuts.lives % LIVES == 0:
            files: Mapping[str, bytes] = {}
            before: list[Call] = []
        cuts.lives += 1
        life.mkdir(parents=True)
        _put(files, life)
        with Recorder(life) as recorder:
            name = f"{seed}/{cuts.lives}"
            journal = work(life, recorder, name, calls=CALLS, synchronous=synchronous)
        shutil.rmtree(life)
        cuts.calls += len(journal)
        cuts.syncs += sum(isinstance(one, Sync) for one in recorder.done)
        moments = _moments(recorder, journal, min(POINTS, points - cuts.points), draw)
        chosen = draw.choice(moments)
        disk = Disk(recorder.before)
        said = {Sync(number) for name, number in recorder.numbers.items() if name == STORE}
        followed, logged = 0, set[str]()
        for cut in moments:
            for done in recorder.done[followed:cut]:
                if not (lying and done in said):
                    disk.follow(done)
            followed = cut
            left = disk.cut(draw)
            point = folder / "point"
            point.mkdir()
            _put(left, point)
            if draw.random() < 0.5:  # SQLite must not trust what it finds there
                (point / "nba.db-shm").write_bytes(draw.randbytes(32_768))
            verdict = judge(point, [*before, *journal], cut)
            shutil.rmtree(point)
            _count(cuts, verdict, journal, recorder, cut)
            if cut == chosen:
                files, logged = left, verdict.logged
        before = _remembered([*before, *journal], chosen, logged)
    return cuts


def _put(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _moments(
    recorder: Recorder, journal: Sequence[Call], points: int, draw: random.Random
) -> list[int]:
    """Any moments, and for one half those at which an answer had just arrived."""
    answered = [call.done for call in journal if call.done is not None]
    some = [draw.choice(answered) for _ in range(points // 2)]
    some += [draw.randint(0, len(recorder.done)) for _ in range(points - len(some))]
    return sorted(some)


def _count(
    cuts: Cuts, verdict: Verdict, journal: Sequence[Call], recorder: Recorder, cut: int
) -> None:
    cuts.points += 1
    cuts.held += len(verdict.acknowledged)
    cuts.lost += [f"cut {cuts.points}: {what}" for what in verdict.lost]
    cuts.wrong += [f"cut {cuts.points}: {what}" for what in verdict.wrong]
    if not cut:
        return
    at = recorder.moments[cut - 1]
    for call in journal:
        if call.kind == "log" and call.key not in verdict.logged and (call.value or at) < at:
            cuts.unlogged += 1
            cuts.window = max(cuts.window, at - call.value)


def _remembered(journal: Sequence[Call], cut: int, logged: set[str]) -> list[Call]:
    """What clients know after a cut: what was answered before it, and that others may have been.

    Decisions that are not on record are forgotten.
    """
    return [
        msgspec.structs.replace(
            call, began=0, done=0 if call.done is not None and call.done <= cut else None
        )
        for call in journal
        if call.began <= cut and (call.kind != "log" or call.key in logged)
    ]

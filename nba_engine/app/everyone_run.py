"""A run over everybody: cut into partitions, begun or gone on with, put together at the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from nba_engine.app.broken_off import differing, differs, parted, read_begun, write_begun
from nba_engine.app.everyone import Everyone, PartSums, Share, decide_share, schema
from nba_engine.domain import Batch, Store

__all__ = ["Run", "all_customers"]


class _Plan(msgspec.Struct, kw_only=True):
    """What is written down when all partitions are: only then there is something to go on with."""

    everyone: Everyone
    parts: int
    customers: int
    by_identity: bool


class Run:
    """The folder beside the output file in which parts are made: ``<output>.parts``.

    A run that was broken off is gone on with, with the moment and the prices it began with, if it
    asks for the same; otherwise it is refused.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f"{out.name}.parts")
        self._file = self.folder / "run.json"
        self._plan: _Plan | None = None

    @property
    def plan(self) -> _Plan:
        """What is to be done."""
        assert self._plan is not None
        return self._plan

    def resume(self, wanted: Everyone, *, timed: bool) -> bool:
        """Take up what is there. ``timed``: the moment was asked for, and has to be the same.

        Raises `FailedPrecondition` when it is another run.
        """
        plan = read_begun(self._file, _Plan)
        if plan is None:
            return False
        begun = plan.everyone
        same = msgspec.structs.replace(
            wanted, now=wanted.now if timed else begun.now, standing=begun.standing
        )
        if same != begun:
            raise differs(self.folder, differing(same, begun))
        self._plan = plan
        return True

    def begin(
        self, everyone: Everyone, customers: Iterable[str], *, size: int, by_identity: bool
    ) -> None:
        """Write down who is in which partition."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        parts = count = 0
        for some in parted(customers, size):
            self._write(everyone, parts, some)
            parts, count = parts + 1, count + len(some)
        self._plan = _Plan(everyone=everyone, parts=parts, customers=count, by_identity=by_identity)
        write_begun(self._file, self._plan)

    def shares(self) -> list[Share]:
        """The partitions, done or not."""
        return [self._share(self.plan.everyone, number) for number in range(self.plan.parts)]

    def decide(self, batch: Batch[Share]) -> Iterator[PartSums]:
        """Do what is not done yet; the sums of each partition, in their order."""
        return batch.each(decide_share, None)

    def finish(self) -> None:
        """Put the parts together in their order, and the whole in its place."""
        import pyarrow.parquet as pq

        draft = self.folder / "whole.parquet"
        with pq.ParquetWriter(draft, schema()) as writer:
            for share in self.shares():
                for group in pq.ParquetFile(share.path("part", "parquet")).iter_batches():
                    writer.write_batch(group)
        draft.replace(self.out)
        shutil.rmtree(self.folder)

    def _share(self, everyone: Everyone, number: int) -> Share:
        by_identity = self._plan is not None and self._plan.by_identity
        return Share(
            everyone=everyone, folder=str(self.folder), number=number, by_identity=by_identity
        )

    def _write(self, everyone: Everyone, number: int, names: list[str]) -> None:
        self._share(everyone, number).path("ids", "json").write_bytes(msgspec.json.encode(names))


def all_customers(store: Store) -> Iterator[str]:
    """The ids of all customers, page by page.."""
    page = store.customer_ids()
    yield from page.customer_ids
    while page.more:
        page = store.customer_ids(before=page.more)
        yield from page.customer_ids

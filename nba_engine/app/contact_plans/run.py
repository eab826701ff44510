"""A plan in the making for the customers of a store: begun, or gone on with after a break.

All of it lies in a folder beside what comes out, ``<out>/work``: who is in which partition, what could be
planned for them, how much of limits was used at the moment of planning, how far prices are, and, once
chains are found, the mark that will put the plan in force.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from nba_engine.app.broken_off import differing, differs, parted, read_begun, write_begun
from nba_engine.app.contact_plans.offers import Asked, Share, Who
from nba_engine.domain import PlanMark, Store

__all__ = ["FOLDER", "PlanRun", "customers_of"]

FOLDER = "work"
_GROUP = 10  # files of customers to a partition of the plan


class _Begun(msgspec.Struct, kw_only=True):
    """What is written down when all partitions are: only then there is something to go on with."""

    asked: Asked
    plan: str  # its id
    starts: float
    size: int
    parts: int
    customers: int
    trial: int  # only so many customers; 0: all
    usage: dict[str, int]


class PlanRun:
    """The folder of a run. One that was broken off is gone on with if it asks for the same."""

    def __init__(self, out: Path) -> None:
        self.folder = out / FOLDER
        self._file = self.folder / "run.json"
        self._mark = self.folder / "mark.json"
        self._begun: _Begun | None = None

    @property
    def begun(self) -> _Begun:
        """What is to be done."""
        assert self._begun is not None
        return self._begun

    def resume(self, wanted: Asked, *, timed: bool, trial: int) -> bool:
        """Take up what is there. ``timed``: the moment was asked for, and has to be the same.

        Raises `FailedPrecondition` when it is another run.
        """
        begun = read_begun(self._file, _Begun)
        if begun is None:
            return False
        before = begun.asked
        same = msgspec.structs.replace(
            wanted, now=wanted.now if timed else before.now, standing=before.standing
        )
        other = differing(same, before) + (["limit"] if begun.trial != trial else [])
        if other:
            raise differs(self.folder, other)
        self._begun = begun
        return True

    def begin(
        self,
        asked: Asked,
        customers: Iterable[tuple[str, str]],
        *,
        starts: float,
        size: int,
        trial: int,
        usage: Mapping[str, int],
    ) -> None:
        """Write down who is in which partition: ids, and an identity of each."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        parts = count = 0
        for some in parted(customers, size):
            self._write(asked, parts, some)
            parts, count = parts + 1, count + len(some)
        self._begun = _Begun(
            asked=asked,
            plan=_new_id(),
            starts=starts,
            size=size,
            parts=parts,
            customers=count,
            trial=trial,
            usage=dict(usage),
        )
        write_begun(self._file, self._begun)

    def shares(self) -> list[Share]:
        """The partitions in which offers are asked for, done or not."""
        return [self._share(self.begun.asked, number) for number in range(self.begun.parts)]

    def rows(self) -> Iterator[tuple[int, int]]:
        """The partitions in which chains are searched: from which customer to before which."""
        step = self.begun.size * _GROUP
        for first in range(0, self.begun.customers, step):
            yield first, min(first + step, self.begun.customers)

    def usage(self, accounts: Sequence[str]) -> Mapping[str, int]:
        """What was used of accounts at the moment of planning."""
        return {name: self.begun.usage[name] for name in accounts if name in self.begun.usage}

    def search(self) -> None:
        """Chains are searched again: what was found before is void, and what comes is another plan.

        The file of the plan is about to be replaced, so what is written of it must not go on.
        """
        if self._mark.exists():
            self._begun = msgspec.structs.replace(self.begun, plan=_new_id())
            write_begun(self._file, self._begun)
            self._mark.unlink()

    def found(self, mark: PlanMark) -> None:
        """Note that the plan is found, and only has to be put in force."""
        write_begun(self._mark, mark)

    def mark(self) -> PlanMark | None:
        """What `found` noted; None: chains are still to be found."""
        return read_begun(self._mark, PlanMark)

    def finish(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    def _share(self, asked: Asked, number: int) -> Share:
        return Share(asked=asked, folder=str(self.folder), number=number)

    def _write(self, asked: Asked, number: int, some: Sequence[tuple[str, str]]) -> None:
        ids, names = zip(*some, strict=True)
        path = self._share(asked, number).path("who", "json")
        path.write_bytes(msgspec.json.encode(Who(ids, names)))


def customers_of(store: Store, most: int = 0) -> Iterator[tuple[str, str]]:
    """The id of each customer with an identity of it; the first ``most`` (0: all)."""
    before, seen = 0, 0
    while True:
        page = store.customer_ids(before=before)
        for one in zip(page.customer_ids, page.identities, strict=True):
            yield one
            seen += 1
            if seen == most:
                return
        before = page.more
        if not before:
            return


def _new_id() -> str:
    return uuid.uuid4().hex[:12]

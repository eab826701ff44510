"""A plan back into the store: each customer's contacts first, what puts them in force last.

Customers are written in the order of their partitions, each commit with how far it came, so that a run
that was stopped goes on there. Until the mark is written the plan before stays in force for everybody: who
is written keeps the contacts of that one, too. Of two runs at once, wherever they are, the one that began to
write later goes on: every commit of the other one is refused from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from nba_engine.app.contact_plans.offers import read_customers
from nba_engine.app.contact_plans.run import PlanRun
from nba_engine.domain import (
    PLAN_ATTRIBUTE,
    PLAN_MARK,
    CustomerPlan,
    PlanMark,
    PlannedContact,
    ProfileUpdate,
    Store,
    decode_customer_plan,
    decode_plan_mark,
    encode_customer_plan,
    encode_plan_mark,
)
from nba_engine.errors import FailedPrecondition

__all__ = ["WRITTEN", "keep_plan"]

WRITTEN = "contact_plan.written"  # the progress mark: how far the customers of a plan are written
_COMMIT = 250  # customers in a commit
_NO_INTERACTIONS = 2**62  # a page of a history behind all of them: the customer alone

_Rows = Mapping[str, Any]


class _Written(msgspec.Struct, frozen=True):
    plan: str = ""
    parts: int = 0


def keep_plan(
    run: PlanRun,
    mark: PlanMark,
    plan: Path,
    store: Store,
    *,
    told: Callable[[int], object] = lambda _: None,
) -> None:
    """Write the contacts in the file ``plan`` to their customers, then the mark.

    ``told`` is handed how many customers each commit wrote. Who has gone since, or is somebody else, is
    left alone. Raises `FailedPrecondition` when another plan is being written by now, `Unavailable`,
    `Exhausted`.
    """
    chains = _chains(plan, mark)
    writing = _Writing(store, mark)
    begin = writing.parts
    in_force = decode_plan_mark(store.progress(PLAN_MARK) or "")
    if in_force is not None and (in_force.id == mark.id or in_force.ends <= mark.made):
        in_force = None
    name, contacts = next(chains, ("", ()))
    for share in run.shares():
        updates = []
        for customer_id, identity, newest, merges in read_customers(share):
            if identity != name:
                continue
            written = share.number < begin
            planned = CustomerPlan(
                plan=mark.id,
                made=mark.made,
                newest=newest,
                merges=merges,
                contacts=contacts,
                before=None if written else _before(customer_id, writing.other, in_force, store),
            )
            attributes = {PLAN_ATTRIBUTE: encode_customer_plan(planned)}
            updates.append(
                ProfileUpdate(
                    identity=identity,
                    attributes=attributes,
                    time=mark.made,
                    customer_id=customer_id,
                )
            )
            name, contacts = next(chains, ("", ()))
        if share.number < begin:
            continue
        for first in range(0, len(updates), _COMMIT):
            writing.commit(updates[first : first + _COMMIT])
            told(len(updates[first : first + _COMMIT]))
        writing.commit(parts=share.number + 1)
    writing.commit()
    store.bulk(now=mark.made, progress=(PLAN_MARK, encode_plan_mark(mark)))


class _Writing:
    """The plan that is being written into a store, as long as no other one is.

    ``parts``: how many partitions are written. ``other``: the plan that was being written before; its mark
    may be about to come. Raises `FailedPrecondition` when another one is being written by now.
    """

    def __init__(self, store: Store, mark: PlanMark) -> None:
        self._store = store
        self._mark = mark
        self._noted = store.progress(WRITTEN) or ""
        before = msgspec.json.decode(self._noted, type=_Written) if self._noted else _Written()
        self.parts = before.parts if before.plan == mark.id else 0
        self.other = "" if before.plan == mark.id else before.plan
        self.commit()  # this one from now on

    def commit(self, updates: Sequence[ProfileUpdate] = (), *, parts: int | None = None) -> None:
        """Write customers, or note how many partitions are written."""
        self.parts = self.parts if parts is None else parts
        after = msgspec.json.encode(_Written(self._mark.id, self.parts)).decode()
        try:
            self._store.bulk(
                updates=updates,
                now=self._mark.made,
                progress=(WRITTEN, after),
                follows=self._noted,
            )
        except FailedPrecondition:
            raise FailedPrecondition(
                "another plan is being written into this store by now. What was found is kept: when the "
                "other one is done, the same command goes on, and puts this plan in force instead"
            ) from None
        self._noted = after


def _before(
    customer_id: str, other: str, in_force: PlanMark | None, store: Store
) -> CustomerPlan | None:
    """What a customer keeps until the plan is in force: of the one that is, and of one that may be soon."""
    if in_force is None and not other:
        return None
    found = store.history(customer_id, after=_NO_INTERACTIONS)
    stored = (
        None if found is None else decode_customer_plan(found.state.attributes.get(PLAN_ATTRIBUTE))
    )
    if stored is None:
        return None
    kept: CustomerPlan | None = None
    for name in ("" if in_force is None else in_force.id, other):
        own = stored.of(name) if name else None
        if own is not None and (kept is None or kept.plan != own.plan):
            kept = msgspec.structs.replace(own, before=kept)
    return kept


def _chains(plan: Path, mark: PlanMark) -> Iterator[tuple[str, tuple[PlannedContact, ...]]]:
    """Customers with their contacts, in the order of the file."""
    for name, rows in groupby(_rows(plan), key=lambda row: str(row["customer"])):
        yield name, tuple(_contact(row, mark) for row in rows)


def _rows(plan: Path) -> Iterator[_Rows]:
    with pq.ParquetFile(plan) as file:
        for batch in file.iter_batches():
            yield from batch.to_pylist()


def _contact(row: _Rows, mark: PlanMark) -> PlannedContact:
    period = row["period"] - 1
    starts, ends = mark.times_of(period)
    return PlannedContact(
        period=period,
        starts=starts,
        ends=ends,
        action=row["action"],
        treatment=row["treatment"],
        channel=row["channel"],
        value=row["value"],
        cost=row["cost"],
        reason=row["reason"],
    )

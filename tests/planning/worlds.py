"""Drawn customers, planned by the engine that is built in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nba_engine.batch import LocalEngine
from nba_engine.domain import Batch
from nba_engine.planning import (
    Plan,
    PlanOptions,
    Resident,
    Shape,
    build_resident,
    drawn_partitions,
    drawn_problem,
    make_plan,
)
from nba_engine.planning.steps import Tell


@contextmanager
def opened(shape: Shape, rows: int = 20_000) -> Iterator[Batch[Resident]]:
    batch = LocalEngine().open(drawn_partitions(shape, rows), build_resident, releases_gil=True)
    try:
        yield batch
    finally:
        batch.close()


def planned(
    shape: Shape,
    rows: int = 20_000,
    options: PlanOptions | None = None,
    tell: Tell = lambda _: None,
) -> Plan:
    """The plan of a shape."""
    with opened(shape, rows) as batch:
        partitions = -(-shape.customers // rows)
        return make_plan(
            batch,
            drawn_problem(shape),
            shape.customers,
            options,
            partitions=partitions,
            tell=tell,
        )

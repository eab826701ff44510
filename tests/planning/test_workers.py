"""Plans do not depend on who computes them: threads, processes, and processes that are lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest

from nba_engine.batch import LocalEngine, LocalSettings
from nba_engine.planning import (
    Plan,
    PlanOptions,
    Shape,
    Step,
    build_resident,
    drawn_partitions,
    drawn_problem,
    make_plan,
)
from nba_engine.planning.drawn import noted_rows

SHAPE = Shape(customers=1_200, actions=5, most_contacts=2)
THREADS = LocalSettings(workers=2, workers_are="threads")
PROCESSES = LocalSettings(workers=2, workers_are="processes")


def planned(settings: LocalSettings, folder: Path, *, killing: bool = False) -> Plan:
    """A plan; ``killing``: the process of the first partition is ended after the second pass."""
    folder.mkdir()
    partitions = [
        msgspec.structs.replace(one, load=noted_rows, source=(SHAPE, str(folder)))
        for one in drawn_partitions(SHAPE, rows=300)
    ]

    def tell(step: Step) -> None:
        if killing and (step.phase, step.number) == ("prices", 2):
            os.kill(processes(folder, 0)[0], signal.SIGKILL)

    batch = LocalEngine(settings).open(partitions, build_resident, releases_gil=True)
    try:
        return make_plan(
            batch,
            drawn_problem(SHAPE),
            SHAPE.customers,
            PlanOptions(passes=12),
            partitions=len(partitions),
            tell=tell,
        )
    finally:
        batch.close()


def processes(folder: Path, first: int) -> list[int]:
    """In which process a partition was built, each time."""
    return [int(path.name.split("-")[1]) for path in folder.glob(f"{first}-*")]


@pytest.mark.timeout(120)  # Python is started three times
def test_a_plan_is_the_same_in_threads_and_in_processes_one_of_which_is_killed(
    tmp_path: Path,
) -> None:
    expected = planned(THREADS, tmp_path / "threads")
    plan = planned(PROCESSES, tmp_path / "killed", killing=True)
    assert (plan.value, plan.bound) == (expected.value, expected.bound)
    assert plan.at.prices.tolist() == expected.at.prices.tolist()
    assert (plan.counts == expected.counts).all()
    built = [len(processes(tmp_path / "killed", first)) for first in range(0, 1_200, 300)]
    assert built == [2, 1, 2, 1]  # partitions 0 and 2 lived in the process that was ended

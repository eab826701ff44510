"""Contact plans: how near to their bound, and what a pass over the customers costs.

Customers are drawn (`nba_engine.planning.drawn`): 20 actions, 4 periods, at most 3 contacts and 16
limits, and a larger shape of 30 actions and 8 periods. `python benchmarks/plan.py` takes minutes;
`--customers N` adds a whole plan of N drawn customers, with the memory it took.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable

import numpy as np

from nba_engine.batch import LocalEngine
from nba_engine.chains import best_chains
from nba_engine.planning import (
    Plan,
    Shape,
    Step,
    build_resident,
    drawn_partitions,
    drawn_problem,
    make_plan,
)
from nba_engine.planning.resident import Resident

GATES = {2_000: 0.997, 20_000: 0.999}
FASTER = 5.0


def main() -> int:
    """Print the figures; 1 when a gate is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=0)
    asked = parser.parse_args().customers
    kept = [_quality(n, gate) for n, gate in GATES.items()]
    kept.append(_speed(Shape(customers=20_000), numpy_customers=4_000))
    _speed(Shape(customers=20_000, actions=30, periods=8), numpy_customers=1_000)
    if asked:
        _whole(Shape(customers=asked))
    return 0 if all(kept) else 1


def _quality(customers: int, gate: float) -> bool:
    shape = Shape(customers=customers)
    plan, wall, cpu = _planned(shape)
    share = plan.value / plan.bound
    over = int(np.maximum(plan.used - drawn_problem(shape).amounts, 0).max())
    print(
        f"{customers:>9,} customers: {share:.5f} of the bound (gate {gate}), violation {over}, "
        f"{plan.passes} passes, {wall:.0f} s, {cpu:.0f} s of CPU",
        flush=True,
    )
    return share >= gate and over == 0


def _speed(shape: Shape, numpy_customers: int) -> bool:
    problem = drawn_problem(shape)
    resident: Resident = build_resident(drawn_partitions(shape)[0])
    prices = np.where(problem.amounts > 0, 1.0, 0.0) * shape.customers / problem.amounts / 16
    price = problem.prices_of_contacts(prices)
    values, budget = resident.values, resident.budget
    best_chains(resident.patterns, values[:10], budget[:10], price)  # compiled
    seconds = []
    for use_numba, n in ((True, len(values)), (False, numpy_customers)):
        started = time.process_time()
        best_chains(resident.patterns, values[:n], budget[:n], price, use_numba=use_numba)
        seconds.append((time.process_time() - started) / n)
    compiled, columns = seconds
    print(
        f"{shape.actions} actions, {shape.periods} periods ({len(resident.patterns.pattern):,} "
        f"patterns): {1e6 * compiled:.1f} µs of CPU per customer and pass, numpy "
        f"{1e6 * columns:.0f} µs, {columns / compiled:.1f} times as long (gate {FASTER:g})",
        flush=True,
    )
    return columns / compiled >= FASTER


def _whole(shape: Shape) -> None:
    def tell(step: Step) -> None:
        print(f"  {step.phase} {step.number}: gap {step.gap:.6f}", flush=True)

    plan, wall, cpu = _planned(shape, tell)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{shape.customers:>9,} customers: {plan.value / plan.bound:.6f} of the bound, "
        f"{wall:.0f} s, {cpu:.0f} s of CPU, {peak:.2f} GiB at most",
        flush=True,
    )


def _planned(
    shape: Shape, tell: Callable[[Step], object] = lambda _: None
) -> tuple[Plan, float, float]:
    partitions = drawn_partitions(shape)
    wall, cpu = time.monotonic(), time.process_time()
    batch = LocalEngine().open(partitions, build_resident, releases_gil=True)
    try:
        plan = make_plan(
            batch,
            drawn_problem(shape),
            shape.customers,
            partitions=len(partitions),
            tell=tell,
        )
    finally:
        batch.close()
    return plan, time.monotonic() - wall, time.process_time() - cpu


if __name__ == "__main__":
    sys.exit(main())

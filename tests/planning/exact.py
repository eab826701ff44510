"""The exact optimum of few customers, by branch and bound: an oracle that shares no code with plans."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from nba_engine.domain import MICROS
from nba_engine.planning import Problem, Rows

__all__ = ["exact"]


def exact(problem: Problem, rows: Rows) -> tuple[float, float]:
    """HiGHS chooses among all chains of all customers: its best plan, and what none can exceed.

    Minus infinity: no plan keeps every limit.
    """
    n = len(rows.budget)
    rules, cost = problem.rules, problem.contacts.cost
    values, uses, owners = [], [], []
    for length in range(1, rules.most_contacts + 1):
        for chain in permutations(range(len(problem.names)), length):
            if len({problem.names[c].action for c in chain}) < length:
                continue
            payable = cost[list(chain)].sum() <= rows.budget
            for when in product(range(rules.periods), repeat=length):
                if (np.diff(when) < rules.spacing).any():
                    continue
                spent = cost[list(chain)].sum() / MICROS if problem.after_costs else 0.0
                value = np.full(n, -spent)
                use = np.zeros(len(problem.limits))
                for j, (c, t) in enumerate(zip(chain, when, strict=True)):
                    factor = rules.diminishing**j * problem.contacts.factor[c, t]
                    value += factor * rows.values[:, c, 0].astype(np.float64)
                    use += [limit.use[c, t] for limit in problem.limits]
                for i in np.flatnonzero(payable & ~np.isnan(value)):
                    values.append(value[i])
                    uses.append(use)
                    owners.append(i)
    columns = len(values)
    once = csr_array((np.ones(columns), (owners, range(columns))), shape=(n, columns))
    amounts = np.array([limit.amount for limit in problem.limits])
    scale = np.maximum(amounts, 1)
    limits = csr_array((np.array(uses).reshape(columns, len(scale)) / scale).T)
    floor = np.array([limit.floor for limit in problem.limits])
    least = np.concatenate([np.zeros(n), np.where(floor, amounts / scale, -np.inf)])
    most = np.concatenate([np.ones(n), np.where(floor, np.inf, amounts / scale)])
    solved = milp(
        -np.array(values),
        constraints=LinearConstraint(vstack([once, limits]), least, most),
        integrality=np.ones(columns),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 2e-4},
    )
    if solved.status == 2:
        return -np.inf, -np.inf
    assert solved.status == 0, solved.message
    return float(-solved.fun), float(-solved.mip_dual_bound)

"""What is done without a plan: week by week each household its best contact, while there is room.

The rules are those of the plan: number and spacing of contacts, no action twice, diminishing value,
the household's own budget, and the limits that all share. What is missing is that one household's
contact has a price for all others: whoever comes first takes what there is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nba_engine.domain import MICROS
from nba_engine.planning import Problem, Rows

__all__ = ["Chain", "give_out"]


class Chain(NamedTuple):
    """One contact of a customer's chain: ``contact`` by its place in the problem, week from 0.

    ``value`` is what it is expected to earn before its cost, diminishing included.
    """

    customer: int
    contact: int
    week: int
    value: float


def give_out(rows: Rows, problem: Problem, *, after_costs: bool, seed: int) -> list[Chain]:
    """Contacts in the order they are given out; customers come in another order every week.

    ``after_costs``: ranked by value less cost instead of value. No contact is made at a loss.
    """
    random = np.random.default_rng(seed)
    rules, kinds = problem.rules, problem.contacts
    use, room = problem.use, problem.amounts
    cost, weights = kinds.cost / MICROS, rules.weights
    customers = len(rows.values)
    made = np.zeros(customers, np.intp)
    last = np.full(customers, -rules.spacing)
    budget = rows.budget.copy()
    had: list[list[int]] = [[] for _ in range(customers)]
    chains = []
    for week in range(rules.periods):
        for customer in random.permutation(customers).tolist():
            number = made[customer]
            if number == rules.most_contacts or week - last[customer] < rules.spacing:
                continue
            offered = rows.values[customer]
            earns = weights[number] * offered[:, min(week, offered.shape[1] - 1)]
            earns = earns.astype(np.float64) * kinds.factor[:, week]
            able = (earns > cost) & (kinds.cost <= budget[customer])  # no offer: NaN, not above
            able &= ~np.isin(kinds.action, had[customer])
            able &= (use[:, :, week] <= room[:, None]).all(axis=0)
            if not able.any():
                continue
            ranked = np.where(able, earns - cost if after_costs else earns, -np.inf)
            contact = int(ranked.argmax())
            room = room - use[:, contact, week]
            made[customer] += 1
            last[customer] = week
            budget[customer] -= kinds.cost[contact]
            had[customer].append(int(kinds.action[contact]))
            chains.append(Chain(customer, contact, week, float(earns[contact])))
    return chains

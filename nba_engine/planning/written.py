"""A plan as it is written: one row per contact, by partition, and what was found in figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nba_engine.domain import MICROS, Batch
from nba_engine.errors import FailedPrecondition
from nba_engine.planning.plan import Plan, exceeds
from nba_engine.planning.problem import Problem
from nba_engine.planning.resident import At, Resident

__all__ = ["Shown", "check_summary", "summary", "write_json", "write_plan"]

_REASONS = ("best_at_prices", "made_room", "used_room")
_UNLIMITED = np.iinfo(np.int64).max


class _Planned(msgspec.Struct, frozen=True, kw_only=True):
    """The customers and chains of a partition, and what their contacts earn (n, longest)."""

    customer: list[str]
    contact: NDArray[np.int16]
    period: NDArray[np.int8]
    value: NDArray[np.float64]
    why: NDArray[np.int8]
    budget: NDArray[np.int64]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a report shows of a plan beyond its sums.

    ``value`` (contacts, periods): money earned; ``lengths``: customers by number of contacts;
    ``budget``, ``spent`` (n,): micros per customer, budgets without end as the largest number.
    """

    value: NDArray[np.float64]
    lengths: NDArray[np.int64]
    budget: NDArray[np.int64]
    spent: NDArray[np.int64]


def _planned(resident: Resident, at: At) -> _Planned:
    contact, period, why = resident.planned(at)
    rows = np.arange(len(contact))
    return _Planned(
        customer=list(resident.names()),
        contact=contact,
        period=period,
        value=resident.values_of(rows, contact, period),
        why=why,
        budget=resident.budget,
    )


def write_plan(path: Path, batch: Batch[Resident], problem: Problem, plan: Plan) -> Shown:
    """Write ``plan.parquet``, partition by partition; one that is there stays until all is written."""
    draft = path.with_name(f"{path.name}.part")
    value = np.zeros((len(problem.names), problem.rules.periods))
    lengths = np.zeros(problem.rules.longest + 1, dtype=np.int64)
    budgets, spent = [], []
    try:
        with pq.ParquetWriter(draft, _SCHEMA) as writer:
            for part in batch.each(_planned, plan.at):
                cost = np.where(part.contact >= 0, problem.contacts.cost[part.contact], 0)
                writer.write_table(_rows(part, cost, problem))
                there = part.contact >= 0
                np.add.at(value, (part.contact[there], part.period[there]), part.value[there])
                lengths += np.bincount(there.sum(axis=1), minlength=len(lengths))
                budgets.append(part.budget)
                spent.append(cost.sum(axis=1))
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Shown(
        value=value, lengths=lengths, budget=np.concatenate(budgets), spent=np.concatenate(spent)
    )


_SCHEMA = pa.schema(
    [
        ("customer", pa.string()),
        ("period", pa.int32()),
        ("action", pa.string()),
        ("treatment", pa.string()),
        ("channel", pa.string()),
        ("value", pa.float64()),
        ("cost", pa.float64()),
        ("budget_left", pa.float64()),
        ("reason", pa.string()),
    ]
)


def _rows(part: _Planned, cost: NDArray[np.int64], problem: Problem) -> pa.Table:
    row, place = np.nonzero(part.contact >= 0)
    contact = pa.array(part.contact[row, place])
    left = (part.budget[:, None] - np.cumsum(cost, axis=1))[row, place]
    names = problem.names

    def of_contacts(texts: Sequence[str]) -> pa.Array:
        return pa.array(texts, pa.string()).take(contact)

    columns: Mapping[str, NDArray[Any] | pa.Array] = {
        "customer": pa.array(part.customer, pa.string()).take(pa.array(row)),
        "period": part.period[row, place].astype(np.int32) + 1,
        "action": of_contacts([one.action for one in names]),
        "treatment": of_contacts([one.treatment for one in names]),
        "channel": of_contacts([one.channel for one in names]),
        "value": part.value[row, place],
        "cost": cost[row, place] / MICROS,
        "budget_left": pa.array(left / MICROS, mask=part.budget[row] == _UNLIMITED),
        "reason": pa.array(_REASONS, pa.string()).take(pa.array(part.why[row])),
    }
    return pa.table(columns, schema=_SCHEMA)


def summary(problem: Problem, plan: Plan, shown: Shown, seconds: float) -> dict[str, Any]:
    """``summary.json``: what was found, and per limit what it has, what is used, and its price.

    Raises `FailedPrecondition` as `check_summary` does.
    """
    over = np.maximum(plan.used - problem.amounts, 0)
    limits = []
    for k, limit in enumerate(problem.limits):
        unit = MICROS if limit.measure == "money" else 1
        limits.append(
            {
                "limit": limit.name,
                "kind": "at_least" if limit.floor else "at_most",
                "measure": limit.measure,
                "amount": limit.amount / unit,
                "used": limit.sign * int(plan.used[k]) / unit,
                "price": float(plan.at.prices[k]) * unit,
            }
        )
    found = {
        "value": plan.value,
        "bound": plan.bound,
        "gap": plan.gap,
        "violation": int(over.max(initial=0)),
        "iterations": plan.passes,
        "seconds": seconds,
        "customers": len(shown.budget),
        "customers_contacted": int(shown.lengths[1:].sum()),
        "contacts": int(plan.counts.sum()),
        "spend": int(shown.spent.sum()) / MICROS,
        "limits": limits,
    }
    check_summary(found)
    return found


def check_summary(found: Mapping[str, Any]) -> None:
    """Raise `FailedPrecondition` for a plan that exceeds a limit or its own bound: it is none."""
    wrong = []
    if found["violation"] > 0:
        over = [
            f"{one['limit']!r} ({one['used']:,g} of {one['amount']:,g})"
            for one in found["limits"]
            if (
                one["used"] < one["amount"]
                if one["kind"] == "at_least"
                else one["used"] > one["amount"]
            )
        ]
        wrong.append(f"it does not keep {', '.join(over)}")
    if exceeds(found["value"], found["bound"]):
        wrong.append(f"its value {found['value']:,.6g} is above its bound {found['bound']:,.6g}")
    if wrong:
        raise FailedPrecondition(
            f"this plan must not be used: {'; '.join(wrong)}. Plan again (--fresh on a store); if that "
            "ends the same, it is a mistake in nba-engine, and worth a report"
        )


def write_json(path: Path, value: object) -> None:
    """Write a file of JSON; one that is there is replaced at once or stays."""
    draft = path.with_name(f"{path.name}.part")
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)

"""Plain tables in: customers, candidates and limits, checked and laid out for the workers.

The layout is one file of values that partitions map into memory, so that millions of customers are
held once, by whoever computes on them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.chains import ChainRules, patterns_of
from nba_engine.domain import MICROS
from nba_engine.errors import NbaError
from nba_engine.learning.tables import column_names, read_columns
from nba_engine.planning.problem import Contact, PlanLimit, Problem, contacts_of
from nba_engine.planning.resident import Partition, Rows

__all__ = ["Changed", "Tables", "partitions_of", "read_tables"]

_FILTERS = ("action", "treatment", "channel", "campaign")
_ROWS = 20_000


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``settings.toml``: the rules of chains."""

    periods: int = 4
    most_contacts: int = 3
    spacing: int = 1
    diminishing: float = 1.0


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked instead of what the tables say: amounts of limits, and settings."""

    amounts: Mapping[str, float] = {}
    settings: Mapping[str, float] = {}


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """What was read. ``values`` (customers, contacts, periods or 1): money, NaN for no candidate."""

    problem: Problem
    customers: NDArray[np.object_]
    budget: NDArray[np.int64]
    values: NDArray[np.float32]


def read_tables(folder: Path, changed: Changed | None = None) -> Tables:
    """Read a folder as docs/plan.md describes it. Raises `NbaError` for the first mistake."""
    changed = changed or Changed()
    rules = _rules(folder, changed)
    customers, budget = _customers(_file(folder, "customers"))
    names, values = _candidates(_file(folder, "candidates"), customers, rules)
    contacts = contacts_of(names, np.ones((len(names), rules.periods)))
    try:
        patterns_of(contacts, rules)
    except ValueError as error:
        raise NbaError(f"{folder}: {error}") from None
    limits = _limits(_file(folder, "limits"), names, rules, changed)
    problem = Problem(rules=rules, names=names, contacts=contacts, limits=limits)
    return Tables(problem=problem, customers=customers, budget=budget, values=values)


def partitions_of(tables: Tables, work: Path) -> list[Partition]:
    """Write values and budgets into the folder ``work``, and say who reads what of it."""
    np.save(work / "values.npy", tables.values)
    np.save(work / "budget.npy", tables.budget)
    return [
        Partition(
            number=number,
            problem=tables.problem,
            load=stored_rows,
            source=str(work),
            first=first,
            last=min(first + _ROWS, len(tables.budget)),
        )
        for number, first in enumerate(range(0, len(tables.budget), _ROWS))
    ]


def stored_rows(source: str, first: int, last: int) -> Rows:
    """Customers of a folder that `partitions_of` wrote."""
    values = np.load(Path(source) / "values.npy", mmap_mode="r")[first:last]
    budget = np.load(Path(source) / "budget.npy", mmap_mode="r")[first:last]
    return Rows(values=np.array(values), budget=np.array(budget))


def _file(folder: Path, name: str) -> Path:
    found = [path for path in (folder / f"{name}.parquet", folder / f"{name}.csv") if path.exists()]
    if len(found) != 1:
        what = "both" if found else "neither"
        remedy = "remove one" if found else "write one of them"
        raise NbaError(
            f"{folder}: there is {what} {name}.parquet {'and' if found else 'nor'} {name}.csv: {remedy}"
        )
    return found[0]


def _rules(folder: Path, changed: Changed) -> ChainRules:
    path = folder / "settings.toml"
    try:
        table = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        instead = {k: int(n) if n.is_integer() else n for k, n in changed.settings.items()}
        settings = msgspec.convert({**table, **instead}, Settings)
        return ChainRules(**msgspec.structs.asdict(settings))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise NbaError(f"{path}: {error}; see docs/plan.md for what it may say") from None


def _customers(path: Path) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    columns = read_columns(path, {"customer": "text", "budget": "number"}, blank=("budget",))
    names, budget = columns["customer"], columns["budget"]
    _, first = np.unique(names.astype(str), return_index=True)
    if len(first) < len(names):
        again = np.setdiff1d(np.arange(len(names)), first)[0]
        raise NbaError(
            f"{path}: row {again + 1:,}: customer {names[again]!r} was there before: one row each"
        )
    _not_negative(path, "budget", budget)
    unlimited = np.isnan(budget)
    micros = np.rint(np.where(unlimited, 0.0, budget) * MICROS)
    _not_too_large(path, "budget", micros)
    return names, np.where(unlimited, np.iinfo(np.int64).max, micros.astype(np.int64))


def _candidates(
    path: Path, customers: NDArray[np.object_], rules: ChainRules
) -> tuple[tuple[Contact, ...], NDArray[np.float32]]:
    optional: dict[str, Literal["text", "integer"]] = {
        "channel": "text",
        "campaign": "text",
        "period": "integer",
    }
    columns = read_columns(
        path,
        {
            "customer": "text",
            "action": "text",
            "treatment": "text",
            "value": "number",
            "cost": "number",
        },
        optional=optional,
        blank=("channel", "campaign"),
    )
    for name in ("value", "cost"):
        _not_negative(path, name, columns[name])
    order = np.argsort(customers.astype(str), kind="stable")
    row = _positions(path, columns["customer"], customers[order].astype(str), order)
    cost = np.rint(columns["cost"] * MICROS)
    _not_too_large(path, "cost", cost)
    names, contact = _contacts(columns, cost.astype(np.int64))
    by_period = "period" in columns
    period = columns["period"] - 1 if by_period else np.zeros(len(row), dtype=np.int64)
    _check_rows(
        path, (period < 0) | (period >= rules.periods), f"period is not 1 to {rules.periods}"
    )
    size = (len(customers), len(names), rules.periods if by_period else 1)
    values = np.full(size, np.nan, dtype=np.float32)
    values[row, contact, period] = columns["value"]
    if int((~np.isnan(values)).sum()) < len(row):
        cell = np.ravel_multi_index((row, contact, period), size)
        _, first = np.unique(cell, return_index=True)
        again = np.setdiff1d(np.arange(len(cell)), first)
        _check_rows(path, np.isin(np.arange(len(cell)), again), "this candidate was there before")
    return names, values


def _contacts(
    columns: Mapping[str, NDArray[Any]], cost: NDArray[np.int64]
) -> tuple[tuple[Contact, ...], NDArray[np.intp]]:
    """The different contacts, sorted, and which each row is."""
    codes = np.zeros(len(cost), dtype=np.int64)
    for name in _FILTERS:
        if name in columns:
            found, code = np.unique(columns[name].astype(str), return_inverse=True)
            codes = codes * len(found) + code.reshape(-1)
    found, code = np.unique(cost, return_inverse=True)
    codes = codes * len(found) + code.reshape(-1)
    _, first, contact = np.unique(codes, return_index=True, return_inverse=True)
    names = tuple(
        Contact(
            **{name: str(columns[name][row]) for name in _FILTERS if name in columns},
            cost=int(cost[row]),
        )
        for row in first
    )
    return names, contact.reshape(-1)


def _limits(
    path: Path, names: Sequence[Contact], rules: ChainRules, changed: Changed
) -> tuple[PlanLimit, ...]:
    optional = {name: "text" for name in _FILTERS if name in column_names(path)}
    columns = read_columns(
        path,
        {"limit": "text", "amount": "number", "measure": "text"},
        optional={**optional, "period": "number"},  # type: ignore[dict-item]
        blank=(*optional, "period"),
    )
    of: dict[str, list[int]] = {}
    for row, name in enumerate(columns["limit"]):
        of.setdefault(str(name), []).append(row)
    unknown = sorted(set(changed.amounts) - set(of))
    if unknown:
        raise NbaError(f"there is no limit {unknown[0]!r}: {path} has {', '.join(sorted(of))}")
    return tuple(
        _limit(path, name, rows, columns, names, rules, changed.amounts.get(name))
        for name, rows in of.items()
    )


def _limit(
    path: Path,
    name: str,
    rows: Sequence[int],
    columns: Mapping[str, NDArray[Any]],
    names: Sequence[Contact],
    rules: ChainRules,
    instead: float | None,
) -> PlanLimit:
    said = {(float(columns["amount"][row]), str(columns["measure"][row])) for row in rows}
    place = f"{path}: limit {name!r}"
    if len(said) > 1:
        raise NbaError(f"{place}: its rows differ in amount or measure; write the same in each")
    ((amount, measure),) = said
    amount = amount if instead is None else instead
    if measure not in ("contacts", "money"):
        raise NbaError(f"{place}: measure {measure!r}; write contacts or money")
    money = measure == "money"
    if not 0.0 <= amount < 2.0**62 / MICROS:
        raise NbaError(f"{place}: amount {amount:g}; it must be at least 0, and below 4.6e12")
    use = np.zeros((len(names), rules.periods), dtype=np.int64)
    for row in rows:
        mine = np.array(
            [
                all(
                    not columns[key][row] or getattr(one, key) == columns[key][row]
                    for key in _FILTERS
                    if key in columns
                )
                for one in names
            ]
        )
        when = columns["period"][row] if "period" in columns else np.nan
        if not np.isnan(when) and when not in range(1, rules.periods + 1):
            raise NbaError(f"{place}: period {when:g} is not 1 to {rules.periods}")
        if not mine.any():
            raise NbaError(
                f"{place}: no candidate is counted; check the names in its row {row + 1}"
            )
        periods = slice(None) if np.isnan(when) else slice(int(when) - 1, int(when))
        unit = np.array([one.cost if money else 1 for one in names], dtype=np.int64)
        use[mine, periods] = unit[mine, None]
    whole = round(amount * MICROS) if money else int(amount)
    return PlanLimit(name=name, amount=whole, measure="money" if money else "contacts", use=use)


def _positions(
    path: Path, wanted: NDArray[np.object_], known: NDArray[np.str_], order: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Where each name is among the known ones (sorted; ``order``: as they came)."""
    found, code = np.unique(wanted.astype(str), return_inverse=True)
    at = np.minimum(np.searchsorted(known, found), len(known) - 1)
    wrong = known[at] != found
    _check_rows(path, wrong[code.reshape(-1)], "customer is not in the table of customers")
    return order[at][code.reshape(-1)]


def _not_negative(path: Path, column: str, numbers: NDArray[np.float64]) -> None:
    _check_rows(path, numbers < 0.0, f"{column} is below 0: leave such rows out, or write 0")


def _not_too_large(path: Path, column: str, micros: NDArray[np.float64]) -> None:
    _check_rows(path, micros >= 2.0**60, f"{column} is too large: 1e12 is the most")


def _check_rows(path: Path, wrong: NDArray[np.bool_], words: str) -> None:
    if wrong.any():
        raise NbaError(f"{path}: row {int(np.argmax(wrong)) + 1:,}: {words}")

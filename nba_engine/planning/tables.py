"""Plain tables in: customers, candidates and limits, checked and laid out for the workers.

The layout is one file of values that partitions map into memory, so that millions of customers are
held once, by whoever computes on them.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nba_engine.chains import ChainRules, patterns_of
from nba_engine.domain import MICROS
from nba_engine.errors import NbaError
from nba_engine.learning.tables import column_names, read_columns
from nba_engine.planning.candidates import (
    FILTERS,
    VALUES,
    check_not_negative,
    check_not_too_large,
    read_candidates,
)
from nba_engine.planning.problem import Contact, PlanLimit, Problem, contacts_of
from nba_engine.planning.resident import Partition, Rows

__all__ = ["Changed", "Tables", "partitions_of", "read_tables"]

_ROWS = 20_000
_KINDS = ("amount", "at_least")
_NUMBERS = (*_KINDS, "period")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``settings.toml``: the rules of chains."""

    periods: int = 4
    most_contacts: int = 3
    spacing: int = 1
    diminishing: float = 1.0


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked instead: amounts of limits, minimums, and settings."""

    amounts: Mapping[str, float] = {}
    minimums: Mapping[str, float] = {}
    settings: Mapping[str, float] = {}


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """What was read. ``values`` (customers, contacts, periods or 1): money, NaN for no candidate.

    ``customers``: their names, an Arrow array of texts. ``work``: the folder that holds
    ``values`` as a file, mapped into memory; None: they are in memory.
    """

    problem: Problem
    customers: pa.StringArray
    budget: NDArray[np.int64]
    values: NDArray[np.float32]
    work: Path | None = None


def read_tables(folder: Path, changed: Changed | None = None, work: Path | None = None) -> Tables:
    """Read a folder as docs/plan.md describes it. Raises `NbaError` for the first mistake.

    With a folder ``work`` the values are a file in it, and however long the table of candidates
    is, only pieces of it are in memory.
    """
    changed = changed or Changed()
    rules = _rules(folder, changed)
    customers, budget = _customers(_file(folder, "customers"))
    names, values = read_candidates(_file(folder, "candidates"), customers, rules, work)
    contacts = contacts_of(names, np.ones((len(names), rules.periods)))
    try:
        patterns_of(contacts, rules)
    except ValueError as error:
        raise NbaError(f"{folder}: {error}") from None
    limits = _limits(_file(folder, "limits"), names, rules, changed)
    problem = Problem(rules=rules, names=names, contacts=contacts, limits=limits)
    return Tables(problem=problem, customers=customers, budget=budget, values=values, work=work)


def partitions_of(tables: Tables, work: Path) -> list[Partition]:
    """Write values, budgets and names into the folder ``work``, and say who reads what of it."""
    if tables.work != work:
        np.save(work / VALUES, tables.values)
    np.save(work / "budget.npy", tables.budget)
    table = pa.table({"customer": tables.customers})
    with (
        pa.OSFile(str(work / "names.arrow"), "wb") as file,
        pa.ipc.new_file(file, table.schema) as w,
    ):
        w.write_table(table)
    return [
        Partition(
            number=number,
            problem=tables.problem,
            load=stored_rows,
            source=str(work),
            first=first,
            last=min(first + _ROWS, len(tables.budget)),
            named=stored_names,
        )
        for number, first in enumerate(range(0, len(tables.budget), _ROWS))
    ]


def stored_rows(source: str, first: int, last: int) -> Rows:
    """Customers of a folder that `partitions_of` wrote: pages of the files, not copies of them."""
    # "c": pages are shared, and the arrays as writable as any, for which the kernel is compiled
    values = np.load(Path(source) / VALUES, mmap_mode="c")[first:last]
    budget = np.load(Path(source) / "budget.npy", mmap_mode="c")[first:last]
    return Rows(values=np.asarray(values), budget=np.asarray(budget))


def stored_names(source: str, first: int, last: int) -> list[str]:
    """What they are called."""
    with pa.memory_map(str(Path(source) / "names.arrow")) as file:
        column = pa.ipc.open_file(file).read_all()["customer"]
        names: list[str] = column.slice(first, last - first).to_pylist()
    return names


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


def _customers(path: Path) -> tuple[pa.StringArray, NDArray[np.int64]]:
    columns = read_columns(path, {"customer": "text", "budget": "number"}, blank=("budget",))
    names, budget = columns["customer"], columns["budget"]
    names = pa.array(names, pa.string())
    first = np.asarray(pc.index_in(names, value_set=pc.unique(names)))
    if len(pc.unique(names)) < len(names):
        _, there = np.unique(first, return_index=True)
        again = int(np.setdiff1d(np.arange(len(names)), there)[0])
        raise NbaError(
            f"{path}: row {again + 1:,}: customer {names[again].as_py()!r} was there before: one row each"
        )
    check_not_negative(path, "budget", budget)
    unlimited = np.isnan(budget)
    micros = np.rint(np.where(unlimited, 0.0, budget) * MICROS)
    check_not_too_large(path, "budget", micros)
    return names, np.where(unlimited, np.iinfo(np.int64).max, micros.astype(np.int64))


def _limits(
    path: Path, names: Sequence[Contact], rules: ChainRules, changed: Changed
) -> tuple[PlanLimit, ...]:
    optional = {name: "text" for name in FILTERS if name in column_names(path)}
    columns = read_columns(
        path,
        {"limit": "text", "measure": "text"},
        optional={**optional, **dict.fromkeys(_NUMBERS, "number")},  # type: ignore[dict-item]
        blank=(*optional, *_NUMBERS),
    )
    of: dict[str, list[int]] = {}
    for row, name in enumerate(columns["limit"]):
        of.setdefault(str(name), []).append(row)
    unknown = sorted({*changed.amounts, *changed.minimums} - set(of))
    if unknown:
        raise NbaError(f"there is no limit {unknown[0]!r}: {path} has {', '.join(sorted(of))}")
    return tuple(
        _limit(path, name, rows, columns, names, rules, changed) for name, rows in of.items()
    )


def _limit(
    path: Path,
    name: str,
    rows: Sequence[int],
    columns: Mapping[str, NDArray[Any]],
    names: Sequence[Contact],
    rules: ChainRules,
    changed: Changed,
) -> PlanLimit:
    place = f"{path}: limit {name!r}"
    said = {(_amount(place, columns, row), str(columns["measure"][row])) for row in rows}
    if len(said) > 1:
        raise NbaError(f"{place}: its rows differ in amount or measure; write the same in each")
    (((amount, floor), measure),) = said
    if name in (changed.amounts if floor else changed.minimums):
        raise NbaError(f"{place} is {'a floor' if floor else 'none'}: set its {_KINDS[floor]}")
    amount = (changed.minimums if floor else changed.amounts).get(name, amount)
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
                    for key in FILTERS
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
    whole = round(amount * MICROS) if money else math.ceil(amount) if floor else int(amount)
    return PlanLimit(
        name=name,
        amount=whole,
        measure="money" if money else "contacts",
        use=use,
        floor=floor,
    )


def _amount(place: str, columns: Mapping[str, NDArray[Any]], row: int) -> tuple[float, bool]:
    """How much, and whether at least so much."""
    most, least = (float(columns[name][row]) if name in columns else math.nan for name in _KINDS)
    if math.isnan(most) == math.isnan(least):
        what = "neither amount nor" if math.isnan(most) else "both amount and"
        raise NbaError(f"{place}: {what} at_least; write one of them, and two limits for both")
    return (least, True) if math.isnan(most) else (most, False)

"""``[value]`` and ``[value_model]``: what customers are worth, as aggregates like any other."""

from __future__ import annotations

import math
from collections.abc import Collection

from nba_engine.catalog.findings import Findings
from nba_engine.catalog.read import Tables
from nba_engine.catalog.value_schema import PurchaseEntry
from nba_engine.domain import (
    VALUE_NAMES,
    AggregateSpec,
    PurchaseModel,
    SpendModel,
    ValueModel,
    ValueSpec,
    ValueTerms,
)
from nba_engine.domain.customer_value import DROPOUT, PURCHASE_DAYS
from nba_engine.domain.purchase_days import DAY

__all__ = ["value_aggregates"]

_FIT = "fit it: nba value fit"


def value_aggregates(
    tables: Tables, taken: Collection[str], findings: Findings
) -> dict[str, AggregateSpec]:
    """The purchase days, and each value that is read from them; nothing without ``[value]``.

    ``taken``: names of attributes and aggregates, which no value may have.
    """
    entry = tables.value
    model = _model(tables, findings)
    if not entry.file:
        if tables.value_model.file:
            findings.missing(
                tables.value_model.file,
                tables.value_model.place,
                "was fitted, but there is no table `value`",
                "add [value], or remove it",
            )
        return {}
    table = entry.table
    for name in sorted(set(VALUE_NAMES) & set(taken)):
        message = f"customer.{name} is declared elsewhere in the catalog, too"
        findings.mistake(entry.file, entry.place, message, "rename the other one")
    if table.cost_of_goods + table.margin > 1.0:
        message = (
            "cost_of_goods and margin come to more than the revenue: all budgets are the floor"
        )
        findings.warning(entry.file, entry.place, message, "check the two shares")
    if table.cap is not None and table.cap < table.floor:
        message = f"the cap {table.cap:g} is below the floor {table.floor:g}"
        findings.mistake(entry.file, f"{entry.place}.cap", message, "raise it")
    terms = ValueTerms(
        horizon=table.horizon / DAY,
        cost_of_goods=table.cost_of_goods,
        margin=table.margin,
        floor=table.floor,
        cap=math.inf if table.cap is None else table.cap,
        new_customer=table.new_customer,
        win_back_below=table.win_back_below,
        win_back_purchases=table.win_back_purchases,
    )
    days = AggregateSpec(
        name=PURCHASE_DAYS,
        kind="days",
        types=table.types,
        property=table.amount,
        sensitive=table.sensitive,
    )
    values: dict[str, AggregateSpec] = {
        name: AggregateSpec(
            name=name,
            kind="value",
            types=(),
            reads=PURCHASE_DAYS,
            value=ValueSpec(name=name, terms=terms, model=model),
            sensitive=table.sensitive,
        )
        for name in VALUE_NAMES
        if name != PURCHASE_DAYS
    }
    return {PURCHASE_DAYS: days, **values}


def _model(tables: Tables, findings: Findings) -> ValueModel | None:
    """What was fitted, as long as it was fitted to the same; None: nothing was."""
    entry = tables.value_model
    table = entry.table
    if table.purchases is None:
        return None
    models = {"purchases": table.purchases, "alive": table.alive}
    for key, one in models.items():
        place = f"{entry.place}.{key}"
        if one is None:
            continue
        if one.kind in DROPOUT and not (one.a > 0 and one.b > 0):
            findings.mistake(entry.file, place, f"{one.kind} needs a and b above 0", _FIT)
        elif one.kind not in DROPOUT and key == "alive":
            findings.mistake(entry.file, place, f"nobody drops out in {one.kind}", _FIT)
        if one.kind == "recent_rate" and not one.window:
            findings.mistake(entry.file, place, "recent_rate needs a window", _FIT)
    if findings.is_wrong(entry.file, entry.place):
        return None
    value = tables.value
    same = ("types", "amount")
    differing = [key for key in same if getattr(table, key) != getattr(value.table, key)]
    if value.file and differing:
        message = (
            f"{' and '.join(differing)} changed since the model was fitted, so it says nothing"
        )
        findings.warning(value.file, value.place, message, _FIT)
        return None
    spend = table.spend
    return ValueModel(
        purchases=_purchases(table.purchases),
        alive=None if table.alive is None else _purchases(table.alive),
        spend=None if spend is None else SpendModel(p=spend.p, q=spend.q, gamma=spend.gamma),
    )


def _purchases(one: PurchaseEntry) -> PurchaseModel:
    return PurchaseModel(
        kind=one.kind, r=one.r, alpha=one.alpha, a=one.a, b=one.b, window=one.window
    )

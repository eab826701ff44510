"""A fitted value model as it is written: the catalog's file, figures, a line per customer."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from nba_engine.domain import PurchaseModel, ValueTerms
from nba_engine.domain.customer_value import DROPOUT
from nba_engine.learning.value.buyers import Buyers
from nba_engine.learning.value.choice import Model
from nba_engine.learning.value.fit import ValueFit
from nba_engine.learning.value.spend import spend_correlation

__all__ = ["MODEL_FILE", "figures", "model_toml", "write_customers", "write_text"]

MODEL_FILE = "value_model.toml"  # of the catalog's folder


def model_toml(fit: ValueFit, *, types: Sequence[str], amount: str, about: str) -> str:
    """The catalog's table ``[value_model]``; ``about`` is a comment on top."""
    model = fit.model()
    lines = [
        f"# Written by `nba value fit`: {about}. Fit again rather than edit.",
        "[value_model]",
        f"types = [{', '.join(map(_text, types))}]",
        f"amount = {_text(amount)}",
        f"purchases = {_table(_keys(model.purchases))}",
    ]
    if model.alive is not None:
        lines.append(f"alive = {_table(_keys(model.alive))}")
    if model.spend is not None:
        lines.append(f"spend = {_table(msgspec.to_builtins(model.spend))}")
    return "\n".join(lines) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: readers see the old one or the new one."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def figures(fit: ValueFit, *, days_per_unit: float, horizon: float) -> dict[str, Any]:
    """Everything that was found, for ``--json``; times in units, of the horizon in days.

    ``parameters`` are those fitted before the time held out, ``final`` those fitted to everything.
    """
    choice = fit.choice
    before, spend = choice.buyers, fit.spend_before
    held = fit.spend_held_out
    return {
        "model": choice.best,
        "unit_days": days_per_unit,
        "customers": len(before.customer),
        "held_out_days": choice.days,
        "held_out_purchases": float(choice.actual.sum()),
        "parameters": {
            name: _parameters(model, before, days_per_unit) for name, model in choice.models.items()
        },
        "held_out": {
            name: {**told._asdict(), "behind": list(told.behind)}
            for name, told in choice.held_out.items()
        },
        "refused": choice.refused,
        "slipping_away": {
            "model": choice.slipping.model or None,
            "gain": [_finite(one) for one in choice.slipping.gain],
        },
        "spend": {
            "parameters": None if spend is None else spend._asdict(),
            "correlation_with_number": _finite(spend_correlation(before)),
            "held_out": None if held is None else held._asdict(),
            "refused": fit.no_spend or None,
        },
        "final": {
            "customers": len(fit.buyers.customer),
            "purchases": _parameters(fit.purchases, fit.buyers, days_per_unit),
            "alive": None
            if fit.alive is None
            else _parameters(fit.alive, fit.buyers, days_per_unit),
            "spend": None if fit.spend is None else fit.spend._asdict(),
            "horizon_days": horizon,
            "expected_purchases": float(fit.purchases.expected(fit.buyers, horizon).sum()),
            "mean_p_alive": float(fit.p_alive().mean()),
        },
    }


def write_customers(
    path: Path, fit: ValueFit, names: Sequence[str], *, horizon: float, terms: ValueTerms | None
) -> None:
    """A CSV file with a line per customer who bought: the values at the end of the data."""
    buyers = fit.buyers
    expected = fit.purchases.expected(buyers, horizon)
    spend = np.full(len(expected), np.nan) if fit.spend is None else fit.spend.expected(buyers)
    headings = ["customer", "purchase_days", "expected_purchases", "p_alive", "expected_spend"]
    columns = [expected, fit.p_alive(), spend]
    if terms is not None:
        left = expected * spend * (1.0 - terms.cost_of_goods - terms.margin)
        budget = np.clip(left, terms.floor, terms.cap)
        columns.append(np.where(np.isnan(left), terms.new_customer, budget))
        headings.append("ad_budget")
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(headings)
            for row, customer in enumerate(buyers.customer.tolist()):
                numbers = ["" if np.isnan(one[row]) else f"{one[row]:.6g}" for one in columns]
                writer.writerow([names[customer], int(buyers.repeats[row]) + 1, *numbers])
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _parameters(model: Model, buyers: Buyers, days: float) -> dict[str, Any]:
    found = {"kind": model.name, **_keys(model.fitted())}
    found["alpha"] /= days
    if model.name != "recent_rate":  # its likelihood is of other data
        found["log_likelihood"] = model.log_likelihood(buyers) + float(
            buyers.repeats.sum()
        ) * math.log(days)
    return found


def _keys(model: PurchaseModel) -> dict[str, Any]:
    """The keys that mean something for this kind."""
    keys = {"kind": model.kind, "r": model.r, "alpha": model.alpha}
    if model.kind in DROPOUT:
        keys |= {"a": model.a, "b": model.b}
    if model.window:
        keys["window"] = model.window
    return keys


def _table(values: dict[str, Any]) -> str:
    inside = (
        f"{key} = {_text(value) if isinstance(value, str) else repr(value)}"
        for key, value in values.items()
    )
    return f"{{ {', '.join(inside)} }}"


def _text(word: str) -> str:
    return msgspec.json.encode(word).decode()  # a basic string of TOML is one of JSON


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None

"""Two plans of the same customers, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["compared", "write_changes"]


def compared(before: Mapping[str, Any], after: Mapping[str, Any], changed: int) -> dict[str, Any]:
    """What two summaries say, before and after, and how many customers get another chain.

    Other periods have other limits: what only one of the plans has is None in the other.
    """
    figures = ("value", "bound", "spend", "contacts", "customers_contacted")
    old, new = ({limit["limit"]: limit for limit in one["limits"]} for one in (before, after))
    return {
        "figures": {name: [before[name], after[name]] for name in figures},
        "limits": {
            name: {
                key: [one[name][key] if name in one else None for one in (old, new)]
                for key in ("amount", "used", "price")
            }
            for name in {**new, **old}
        },
        "customers_changed": changed,
    }


def write_changes(before: Path, after: Path, out: Path) -> int:
    """Write who gets another chain, with both chains and their values; how many they are."""
    old, new = _chains(before), _chains(after)
    nothing = ("", 0.0)
    who = sorted(
        customer
        for customer in old.keys() | new.keys()
        if old.get(customer, nothing)[0] != new.get(customer, nothing)[0]
    )
    table = pa.table(
        {
            "customer": pa.array(who, pa.string()),
            "before": pa.array([old.get(one, nothing)[0] for one in who], pa.string()),
            "after": pa.array([new.get(one, nothing)[0] for one in who], pa.string()),
            "value_before": pa.array([old.get(one, nothing)[1] for one in who], pa.float64()),
            "value_after": pa.array([new.get(one, nothing)[1] for one in who], pa.float64()),
        }
    )
    draft = out.with_name(f"{out.name}.part")
    pq.write_table(table, draft)
    draft.replace(out)
    return len(who)


def _chains(path: Path) -> dict[str, tuple[str, float]]:
    """Customer → chain in words (`1:milk.email 3:bread.letter`) and its value."""
    chains: dict[str, tuple[str, float]] = {}
    columns = ["customer", "period", "action", "treatment", "value"]
    for batch in pq.ParquetFile(path).iter_batches(columns=columns):
        for customer, period, action, treatment, value in zip(
            *(batch.column(name).to_pylist() for name in columns), strict=True
        ):
            words, total = chains.get(customer, ("", 0.0))
            contact = f"{period}:{action}/{treatment}"
            chains[customer] = (f"{words} {contact}".strip(), total + value)
    return chains

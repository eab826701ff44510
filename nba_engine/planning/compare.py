"""Two plans of the same customers, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

__all__ = ["compared", "write_changes"]


def compared(before: Mapping[str, Any], after: Mapping[str, Any], changed: int) -> dict[str, Any]:
    """What two summaries say, before and after, and how many customers get another chain.

    Other periods have other limits: what only one of the plans has is None in the other. What plans for a
    store do not see to is there for both.
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
        "not_planned_with": [one.get("not_planned_with", []) for one in (before, after)],
    }


def write_changes(before: Path, after: Path, out: Path) -> int:
    """Write who gets another chain, with both chains and their values; how many they are."""
    both = _chains(before, "before").join(
        _chains(after, "after"), "customer", join_type="full outer"
    )
    same = pc.equal(both["before"], both["after"])  # null: only one of them has any
    changed = both.filter(pc.invert(pc.fill_null(same, fill_value=False))).sort_by("customer")
    columns = {
        "customer": changed["customer"],
        "before": pc.fill_null(changed["before"], ""),
        "after": pc.fill_null(changed["after"], ""),
        "value_before": pc.fill_null(changed["value_before"], 0.0),
        "value_after": pc.fill_null(changed["value_after"], 0.0),
    }
    draft = out.with_name(f"{out.name}.part")
    pq.write_table(pa.table(columns), draft)
    draft.replace(out)
    return int(changed.num_rows)


def _chains(path: Path, name: str) -> pa.Table:
    """Per customer its chain in words (`1:milk/milk.email 3:bread/bread.letter`) and its value.

    A customer's contacts follow one another in the file.
    """
    rows = pq.read_table(path, columns=["customer", "period", "action", "treatment", "value"])
    rows = rows.combine_chunks()
    customer = rows["customer"].combine_chunks()
    period = pc.cast(rows["period"], pa.string())
    contact = pc.binary_join_element_wise(
        pc.binary_join_element_wise(period, rows["action"], ":"), rows["treatment"], "/"
    ).combine_chunks()
    changes = pc.not_equal(customer[1:], customer[:-1]).to_numpy(zero_copy_only=False)
    first = (
        np.concatenate([[0], np.flatnonzero(changes) + 1]) if len(customer) else np.zeros(0, int)
    )
    offsets = pa.array(np.append(first, len(customer)), pa.int32())
    value = np.add.reduceat(rows["value"].to_numpy(), first) if len(first) else np.zeros(0)
    return pa.table(
        {
            "customer": customer.take(pa.array(first, pa.int64())),
            name: pc.binary_join(pa.ListArray.from_arrays(offsets, contact), " "),
            f"value_{name}": pa.array(value, pa.float64()),
        }
    )

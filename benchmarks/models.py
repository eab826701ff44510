"""What scoring 1,000 candidates costs: linear split, ONNX by rows, wide; one thread.

The world is synthetic (seeded, made up); only the times mean something. CPU time per decision,
best of several rounds, customers shuffled so that nothing is answered from a warm cache line.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from nba_engine.catalog import Vocabulary, load
from nba_engine.domain import CatalogView, Feature, Scorer
from nba_engine.learning import (
    export_logistic,
    export_wide_logistic,
    top_complements,
    train_logistic,
    train_wide_logistic,
)
from nba_engine.models import OnnxRuntime, load_manifest, open_scorer, write_manifest

ACTIONS = 1_000
CATEGORIES = 150
CUSTOMERS = 500
ROUNDS = 5
NOW = 1_510_000_000.0
DAY = 86_400.0

_OF_CUSTOMER = tuple(Feature(name=f"n{i}", source=f"customer.n{i}") for i in range(12))
_OF_ACTION = tuple(Feature(name=f"a{i}", source=f"action.a{i}") for i in range(6))
_OF_REQUEST = (
    Feature(name="minutes", source="context.minutes"),
    Feature(name="cost", source="treatment.cost"),
)
PLAIN = (*_OF_CUSTOMER, *_OF_ACTION, *_OF_REQUEST)  # 20 features, none of them crossed
CROSS = (
    Feature(name="count", source="customer.count", key="action.category", transform="log1p"),
    Feature(
        name="recency",
        source="customer.last",
        key="action.category",
        transform="days_since",
        default=400.0,
        maximum=365.0,
    ),
    Feature(
        name="ease",
        source="customer.bought",
        key="action.category",
        transform="table",
        table="complements",
    ),
)


def main() -> None:
    """Print the table."""
    catalog = make_catalog()
    tables = {"complements": _table()}
    random = np.random.default_rng(7)
    customers = [_customer(random) for _ in range(CUSTOMERS)]
    print(f"µs of CPU per {ACTIONS:,} candidates (20 features; cross adds 3 over 150 categories)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, features in (("plain", PLAIN), ("cross", (*PLAIN, *CROSS))):
            export_row(folder / title, features)
            _print(f"linear split, {title}", _open(folder / title, catalog, tables), customers)
            manifest = load_manifest(folder / title)
            write_manifest(folder / title, msgspec.structs.replace(manifest, linear=""))
            _print(f"ONNX by rows, {title}", _open(folder / title, catalog, tables), customers)
        _export_wide(folder / "wide", catalog)
        _print("wide", _open(folder / "wide", catalog, tables), customers)


def make_catalog() -> CatalogView:
    """1,000 actions in 150 categories on one channel."""
    random = np.random.default_rng(7)
    numbers = "".join(f'[attributes.n{i}]\ntype = "double"\n' for i in range(12))
    actions = "".join(
        f'[actions.x{i}]\nname = "Action {i}"\n[actions.x{i}.attributes]\n'
        f'category = "c{i % CATEGORIES}"\n'
        + "".join(f"a{j} = {random.normal():.4f}\n" for j in range(6))
        + f'[actions.x{i}.treatments.web]\nchannel = "web"\ncost = {random.random():.4f}\n'
        for i in range(ACTIONS)
    )
    text = f"""
[catalog]
currency = "EUR"
time_zone = "UTC"
{numbers}
[attributes.count]
type = "map<string,double>"
[attributes.last]
type = "map<string,timestamp>"
[attributes.bought]
type = "list<string>"
[context.minutes]
type = "double"
[channels.web]
name = "Web"
[placements.home]
channel = "web"
[actions.nothing]
name = "Nothing"
kind = "nothing"
{actions}
"""
    vocabulary = Vocabulary(functions={}, channel_kinds=frozenset({"template"}))
    return load({"bench.toml": text}, vocabulary)


def export_row(folder: Path, features: tuple[Feature, ...]) -> None:
    """A logistic model over made-up rows."""
    rows, label = _data(len(features))
    half = len(rows) // 2
    model = train_logistic(rows[:half], label[:half], rows[half:], label[half:], strengths=(1.0,))
    export_logistic(
        folder, model, name="bench", version="1", features=features, held_out=rows[half:]
    )


def _export_wide(folder: Path, catalog: CatalogView) -> None:
    features = (*_OF_CUSTOMER, _OF_REQUEST[0])
    rows, label = _data(len(features))
    labels = np.stack([label, 1 - label], axis=1)
    two = train_wide_logistic(rows, labels, rows, labels, ("a", "b"), strengths=(1.0,))
    repeat = np.arange(ACTIONS) % 2  # the weights do not matter here, their number does
    model = msgspec.structs.replace(
        two,
        outputs=tuple(action.id for action in catalog.actions if action.kind != "nothing"),
        weights=two.weights[:, repeat],
        bias=two.bias[repeat],
        calibration=two.calibration[:, repeat],
    )
    export_wide_logistic(
        folder, model, name="bench", version="1", features=features, held_out=rows[:50]
    )


def _data(width: int) -> tuple[Any, Any]:
    random = np.random.default_rng(1)
    rows = random.normal(size=(4000, width)).astype(np.float32)
    return rows, (random.random(4000) < 1 / (1 + np.exp(-rows[:, 0]))).astype(np.intp)


def _table() -> Any:
    random = np.random.default_rng(2)
    weights = random.random((CATEGORIES, CATEGORIES))
    return top_complements(weights, [f"c{i}" for i in range(CATEGORIES)], m=20)


def _customer(random: np.random.Generator) -> dict[str, Any]:
    bought = [f"c{i}" for i in random.choice(CATEGORIES, size=30, replace=False)]
    return {
        **{f"n{i}": float(random.normal()) for i in range(12)},
        "count": {name: float(random.poisson(3)) for name in bought},
        "last": {name: NOW - float(random.exponential(60)) * DAY for name in bought},
        "bought": bought[:15],
    }


def _open(folder: Path, catalog: CatalogView, tables: Mapping[str, Any]) -> Scorer:
    return open_scorer(folder, catalog, {"onnx": OnnxRuntime()}, tables)


def _print(title: str, scorer: Scorer, customers: list[dict[str, Any]]) -> None:
    index = np.arange(ACTIONS)
    context = {"minutes": 3.0}
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for customer in customers:
            scorer.propensities(index, customer, context, NOW)
        best = min(best, (time.process_time() - start) / len(customers))
    print(f"  {title:22} {best * 1e6:8.1f}")


if __name__ == "__main__":
    main()

"""A small synthetic world (seeded, made up) in which models are trained, exported and served."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import (
    Action,
    AggregateSpec,
    Attribute,
    CatalogView,
    ComplementTable,
    Feature,
    IntArray,
    Manifest,
    Treatment,
)
from nba_engine.learning import LogisticModel, export_logistic, train_logistic
from nba_engine.models import CsrTable, OnnxRuntime
from nba_engine.models.assembly import Assembly

NOW = 1_500_000_000.0
DAY = 86_400.0
RUNTIMES = {"onnx": OnnxRuntime()}
CHANNELS = ("email", "app")


class SmallCatalog(msgspec.Struct, eq=False):
    """Only what models read of a catalog."""

    actions: list[Action]
    treatments: list[Treatment]
    attributes: dict[str, Attribute]
    context: dict[str, Attribute]
    aggregates: dict[str, AggregateSpec]
    time_zone: str = "America/New_York"

    @property
    def action_index(self) -> dict[str, int]:
        return {action.id: index for index, action in enumerate(self.actions)}

    @property
    def action_of(self) -> IntArray:
        index = self.action_index
        return np.array([index[treatment.action] for treatment in self.treatments], dtype=np.intp)


def catalog(actions: int = 12, **changes: Any) -> CatalogView:
    """Actions offer0…, one category for each pair of them, and *nothing* without attributes."""
    offers = [
        Action(
            id=f"offer{number}",
            name=f"Offer {number}",
            prior=0.02 + 0.01 * (number % 5),
            tags=("fresh",) if number % 2 else (),
            attributes={"category": f"c{number // 2}", "price": 1.0 + number % 7},
        )
        for number in range(actions)
    ]
    offers.append(Action(id="nothing", name="Nothing", kind="nothing", prior=1.0))
    treatments = [
        Treatment(
            id=f"{action.id}.{channel}",
            action=action.id,
            channel=channel,
            placements=(channel,),
            cost=0.0 if channel == "app" else 0.25,
            attributes={} if action.id == "nothing" else {"tone": 1.5},
        )
        for action in offers
        for channel in CHANNELS
    ]
    parts: dict[str, Any] = {
        "actions": offers,
        "treatments": treatments,
        "attributes": {
            name: Attribute(name=name, type=kind)
            for name, kind in {
                "age": "int",
                "income": "double",
                "loyal": "bool",
                "segment": "string",
                "joined": "timestamp",
                "shares": "map<string,double>",
                "seen": "map<string,timestamp>",
            }.items()
        },
        "context": {
            "cart": Attribute(name="cart", type="list<string>"),
            "minutes": Attribute(name="minutes", type="double"),
        },
        "aggregates": {
            "bought": AggregateSpec(name="bought", kind="set", types=("purchase",), by="category"),
            "count": AggregateSpec(name="count", kind="count", types=("purchase",), by="category"),
            "visits": AggregateSpec(name="visits", kind="count", types=("visit",)),
            "last": AggregateSpec(name="last", kind="last", types=("purchase",), by="category"),
        },
    }
    return cast("CatalogView", SmallCatalog(**(parts | changes)))


def tables(categories: int = 6) -> dict[str, ComplementTable]:
    """Every category goes with the next two."""
    names = [f"c{number}" for number in range(categories)]
    places = [(number + step) % categories for number in range(categories) for step in (1, 2)]
    strength = [0.5 + 0.1 * number for number in range(2 * categories)]
    return {"complements": CsrTable(names, list(range(0, 2 * categories + 1, 2)), places, strength)}


PLAIN = (
    Feature(name="age", source="customer.age", default=40.0, minimum=0.0, maximum=100.0),
    Feature(name="log_income", source="customer.income", transform="log1p"),
    Feature(name="loyal", source="customer.loyal"),
    Feature(name="is_a", source="customer.segment", transform="equals", value="a"),
    Feature(name="tenure", source="customer.joined", transform="days_since", default=-1.0),
    Feature(name="visits", source="customer.visits"),
    Feature(name="minutes", source="context.minutes", default=5.0),
    Feature(name="hour", source="now.hour"),
)
OF_ACTION = (
    Feature(name="price", source="action.price", default=2.0),
    Feature(name="prior", source="action.prior"),
    Feature(name="cost", source="treatment.cost"),
    Feature(name="is_email", source="treatment.channel", transform="equals", value="email"),
)
CROSS = (
    Feature(name="share", source="customer.shares", key="action.category", maximum=1.0),
    Feature(name="log_count", source="customer.count", key="action.category", transform="log1p"),
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
    Feature(
        name="ease_of_cart",
        source="context.cart",
        key="action.category",
        transform="table",
        table="complements",
        default=-0.5,
    ),
)
ALL = (*PLAIN, *CROSS[:2], *OF_ACTION, *CROSS[2:])


def customer(random: np.random.Generator, categories: int = 6) -> dict[str, Any]:
    """One made-up customer; about a fifth of everything is missing."""
    bought = [f"c{number}" for number in range(categories) if random.random() < 0.4]
    values: dict[str, Any] = {
        "age": int(random.integers(18, 90)),
        "income": float(random.lognormal(10, 1)),
        "loyal": bool(random.random() < 0.3),
        "segment": str(random.choice(["a", "b"])),
        "joined": NOW - float(random.integers(0, 1000)) * DAY,
        "visits": float(random.poisson(5)),
        "shares": {name: float(random.random()) for name in bought},
        "count": {name: float(random.poisson(3)) for name in bought},
        "last": {name: NOW - float(random.exponential(60)) * DAY for name in bought},
        "bought": bought,
    }
    return {name: value for name, value in values.items() if random.random() > 0.2}


def context(random: np.random.Generator) -> dict[str, Any]:
    values = {"cart": ["c1", "c3"], "minutes": float(random.exponential(10))}
    return {name: value for name, value in values.items() if random.random() > 0.2}


def sample(
    features: tuple[Feature, ...], view: CatalogView, count: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Rows of ``count`` customers over all treatments, and labels from a hidden logistic."""
    random = np.random.default_rng(seed)
    assembly = Assembly(features, view, tables())
    index = np.arange(len(view.treatments))
    rows = np.empty((count, len(index), len(features)), dtype=np.float32)
    for place in range(count):
        assembly.rows(index, customer(random), context(random), NOW, rows[place])
    flat = rows.reshape(-1, len(features))
    hidden = np.random.default_rng(99).normal(size=len(features))
    logit = (flat - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-9) @ hidden * 0.7 - 1.0
    return flat, (random.random(len(flat)) < 1 / (1 + np.exp(-logit))).astype(np.intp)


def trained(
    folder: Path, features: tuple[Feature, ...] = ALL, view: CatalogView | None = None
) -> tuple[Manifest, LogisticModel]:
    """Train on synthetic customers and export into ``folder``."""
    view = view or catalog()
    rows, label = sample(features, view, 120, seed=1)
    later, later_label = sample(features, view, 60, seed=2)
    held_out, _ = sample(features, view, 60, seed=3)
    model = train_logistic(rows, label, later, later_label, strengths=(1.0,))
    manifest = export_logistic(
        folder, model, name="synthetic", version="1", features=features, held_out=held_out
    )
    return manifest, model

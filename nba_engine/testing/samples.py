"""Made-up customers and contexts that fit a catalog, whatever it declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nba_engine.domain import CatalogView, Consent, CustomerState, Interaction, Value
from nba_engine.domain.algebra import fold_for
from nba_engine.testing.world import NOW

__all__ = ["make_customer", "sample_context", "sample_customers", "sample_interactions"]

_DAY = 86_400.0


def make_customer(
    *consents: str,
    customer_id: str = "crm:1",
    catalog: CatalogView | None = None,
    interactions: Sequence[Interaction] = (),
    **attributes: Value,
) -> CustomerState:
    """A customer with attributes, consents (``marketing:email``), and what interactions add up to.

    The aggregates are those of ``catalog``.
    """
    fold = fold_for(catalog.aggregates if catalog else {})
    return CustomerState(
        customer_id=customer_id,
        version=1,
        attributes=attributes,
        aggregates=fold({}, interactions),
        consents={word: Consent(granted=True, time=0.0) for word in consents},
    )


def sample_customers(
    catalog: CatalogView, count: int = 8, *, seed: int = 1, now: float = NOW
) -> list[CustomerState]:
    """Customers whose attributes have the declared types; a fifth of everything is missing.

    The first has everything and every consent, the last has nothing at all.
    """
    random = np.random.default_rng(seed)
    words = _words(catalog)
    fold = fold_for(catalog.aggregates)
    consents = [f"{c.consent}:{c.id}" for c in catalog.channels.values() if c.consent]
    customers = []
    for number in range(count):
        share = 1.0 if number == 0 else 0.0 if number == count - 1 else 0.8
        attributes = {
            name: _MAKE[attribute.type](random, words, now)
            for name, attribute in catalog.attributes.items()
            if random.random() < share
        }
        identity = f"crm:{number}"
        happened = sample_interactions(catalog, identity, seed=seed + number, now=now)
        customers.append(
            CustomerState(
                customer_id=f"crm:{number}",
                version=1,
                attributes=attributes,
                aggregates=fold({}, happened if share else []),
                consents={
                    word: Consent(granted=True, time=now - _DAY)
                    for word in consents
                    if random.random() < share
                },
            )
        )
    return customers


def sample_context(
    catalog: CatalogView, *, seed: int = 1, now: float = NOW, share: float = 0.8
) -> dict[str, Value]:
    """A context of declared types; ``share`` of it is there."""
    random = np.random.default_rng(seed)
    words = _words(catalog)
    return {
        name: _MAKE[attribute.type](random, words, now)
        for name, attribute in catalog.context.items()
        if random.random() < share
    }


def _words(catalog: CatalogView) -> list[str]:
    """What names things here: categories of actions, or their ids."""
    named = {str(action.attributes.get("category", action.id)) for action in catalog.actions}
    return sorted(named)


def sample_interactions(
    catalog: CatalogView, identity: str, *, seed: int = 1, now: float = NOW
) -> list[Interaction]:
    """About six of each type that an aggregate counts, with the properties it looks at."""
    random = np.random.default_rng(seed)
    words, actions = _words(catalog), list(catalog.action_index)
    happened: list[Interaction] = []
    kinds = sorted({kind for spec in catalog.aggregates.values() for kind in spec.types})
    for kind in kinds:
        specs = [spec for spec in catalog.aggregates.values() if kind in spec.types]
        for _ in range(int(random.poisson(6))):
            properties: dict[str, Value] = {}
            for spec in specs:
                if spec.by:
                    properties[spec.by] = _one(random, actions if spec.by == "action" else words)
                if spec.property:
                    make = _MAKE.get(spec.type or "double", _MAKE["double"])
                    properties[spec.property] = make(random, words, now)
                properties |= spec.where
            happened.append(
                Interaction(
                    interaction_id=f"{identity}-{len(happened)}",
                    identity=identity,
                    type=kind,
                    time=now - float(random.exponential(40.0)) * _DAY,
                    properties=properties,
                )
            )
    return happened


def _one(random: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(random.integers(len(words)))]


def _some(random: np.random.Generator, words: Sequence[str]) -> list[str]:
    return [word for word in words if random.random() < 0.4]


# type of an attribute → how to make one up
_MAKE: Mapping[str, Callable[[np.random.Generator, Sequence[str], float], Any]] = {
    "string": lambda random, words, now: _one(random, words),
    "int": lambda random, words, now: int(random.integers(0, 90)),
    "double": lambda random, words, now: round(float(random.lognormal(3.0, 1.0)), 3),
    "bool": lambda random, words, now: bool(random.random() < 0.5),
    "timestamp": lambda random, words, now: now - float(random.integers(0, 900)) * _DAY,
    "list<string>": lambda random, words, now: _some(random, words),
    "list<double>": lambda random, words, now: random.normal(size=4).round(3).tolist(),
    "map<string,double>": lambda random, words, now: {
        word: round(float(random.random()), 3) for word in _some(random, words)
    },
    "map<string,int>": lambda random, words, now: {
        word: int(random.integers(0, 9)) for word in _some(random, words)
    },
    "map<string,timestamp>": lambda random, words, now: {
        word: now - float(random.exponential(40.0)) * _DAY for word in _some(random, words)
    },
}

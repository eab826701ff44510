"""The kernel against every chain there is, and against its twin without numba."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from nba_engine.chains import (
    ChainLimit,
    ChainRules,
    Chains,
    Contacts,
    best_chains,
    is_compiled,
    patterns_of,
)
from nba_engine.chains.by_customer import FEW

_SHAPES = 200
_EACH = 50  # customers of a shape: 10,000 in all


class _World:
    """Contacts, rules, customers and prices, all small and drawn."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        periods, contacts = int(rng.integers(1, 5)), int(rng.integers(1, 6))
        self.rules = ChainRules(
            periods=periods,
            most_contacts=int(rng.integers(1, 4)),
            spacing=int(rng.integers(1, 3)),
            diminishing=float(rng.choice([1.0, 0.8, 0.5])),
        )
        self.contacts = Contacts(
            action=rng.integers(0, 3, contacts).astype(np.int32),
            cost=rng.choice([0, 500_000, 700_000], contacts).astype(np.int64),
            factor=rng.choice([1.0, 0.9, 0.5], (contacts, periods)),
        )
        by_period = periods if rng.random() < 0.5 else 1
        self.values = rng.exponential(1.0, (_EACH, contacts, by_period)).astype(np.float32)
        if rng.random() < 0.5:  # many ties
            self.values = np.round(self.values)
        self.values[rng.random(self.values.shape) < 0.15] = np.nan
        self.budget = rng.integers(0, 2_000_000, _EACH)
        self.price = np.round(rng.normal(0.2, 0.3, (contacts, periods)), 1)
        limits = [
            ChainLimit(
                counted=rng.random(contacts) < 0.6,
                first=(first := int(rng.integers(periods))),
                last=int(rng.integers(first, periods)),
                most=int(rng.integers(0, 3)),
            )
            for _ in range(int(rng.integers(0, 3)))
        ]
        self.contacts = msgspec.structs.replace(self.contacts, limits=tuple(limits))

    def best(self, *, use_numba: bool) -> Chains:
        patterns = patterns_of(self.contacts, self.rules)
        return best_chains(patterns, self.values, self.budget, self.price, use_numba=use_numba)


def _of_all_chains(world: _World) -> NDArray[np.float64]:
    """What the best chain of each customer is worth, from a list of all chains."""
    rules, contacts = world.rules, world.contacts
    best = np.zeros(_EACH)
    for length in range(1, rules.most_contacts + 1):
        for chain in permutations(range(len(contacts.action)), length):
            if len({int(contacts.action[c]) for c in chain}) < length:
                continue
            payable = sum(int(contacts.cost[c]) for c in chain) <= world.budget
            for when in product(range(rules.periods), repeat=length):
                gaps = np.diff(when)
                if (gaps < rules.spacing).any() or _exceeds(contacts, chain, when):
                    continue
                total = np.zeros(_EACH)
                for j, (c, t) in enumerate(zip(chain, when, strict=True)):
                    value = world.values[:, c, t if world.values.shape[2] > 1 else 0]
                    earned = value.astype(np.float64) * contacts.factor[c, t]
                    total += rules.diminishing**j * earned - world.price[c, t]
                best = np.fmax(best, np.where(payable, total, 0.0))
    return best


def _exceeds(contacts: Contacts, chain: Sequence[int], when: Sequence[int]) -> bool:
    pairs = list(zip(chain, when, strict=True))
    return any(
        sum(bool(one.counted[c]) and one.first <= t <= one.last for c, t in pairs) > one.most
        for one in contacts.limits
    )


def test_numba_is_there_in_the_tests() -> None:
    assert is_compiled()


@pytest.mark.parametrize("use_numba", [True, False])
def test_no_chain_of_10_000_small_customers_beats_the_kernels(use_numba: bool) -> None:
    for seed in range(_SHAPES):
        world = _World(seed)
        chains = world.best(use_numba=use_numba)
        np.testing.assert_allclose(chains.worth, _of_all_chains(world), atol=1e-12)


def test_numba_and_numpy_give_the_same_chains_to_the_last_bit_ties_included() -> None:
    for seed in range(80):
        world = _World(seed)
        one, other = world.best(use_numba=True), world.best(use_numba=False)
        for name in Chains.__struct_fields__:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_few_customers_get_the_same_chains_as_many() -> None:
    for seed in range(80):
        world = _World(seed)
        one = world.best(use_numba=True)
        world.values, world.budget = world.values[:FEW], world.budget[:FEW]
        other = world.best(use_numba=False)
        for name in Chains.__struct_fields__:
            np.testing.assert_array_equal(getattr(one, name)[:FEW], getattr(other, name))


def test_a_chain_keeps_every_rule_and_says_what_it_is_worth() -> None:
    for seed in range(40):
        world = _World(seed)
        chains = world.best(use_numba=True)
        for i in range(_EACH):
            contact = chains.contact[i][chains.contact[i] >= 0]
            when = chains.period[i][: len(contact)]
            assert len({int(world.contacts.action[c]) for c in contact}) == len(contact)
            assert (np.diff(when) >= world.rules.spacing).all()
            assert not _exceeds(world.contacts, contact.tolist(), when.tolist())
            assert world.contacts.cost[contact].sum() <= world.budget[i]
            priced = chains.value[i] - world.price[contact, when].sum()
            assert chains.worth[i] == pytest.approx(priced, abs=1e-9)


def test_leaving_out_what_may_not_be_repeated_would_count_it_twice() -> None:
    contacts = Contacts(
        action=np.array([0, 0, 1], dtype=np.int32),
        cost=np.zeros(3, dtype=np.int64),
        factor=np.ones((3, 2)),
    )
    patterns = patterns_of(contacts, ChainRules(periods=2, most_contacts=2))
    values = np.array([[[5.0], [4.0], [1.0]]], dtype=np.float32)
    best = best_chains(patterns, values, np.zeros(1, dtype=np.int64), np.zeros((3, 2)))
    assert best.value[0] == 6.0
    assert best.contact[0].tolist() in ([0, 2], [2, 0])


def test_an_infinite_price_forbids() -> None:
    contacts = Contacts(
        action=np.array([0], dtype=np.int32),
        cost=np.zeros(1, dtype=np.int64),
        factor=np.ones((1, 2)),
    )
    patterns = patterns_of(contacts, ChainRules(periods=2, most_contacts=1))
    price = np.array([[np.inf, 0.5]])
    values, budget = np.ones((1, 1, 1), dtype=np.float32), np.zeros(1, dtype=np.int64)
    for use_numba in (True, False):
        best = best_chains(patterns, values, budget, price, use_numba=use_numba)
        assert (best.period[0, 0], best.worth[0], best.value[0]) == (1, 0.5, 1.0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"periods": 0}, "periods"),
        ({"most_contacts": 0}, "most_contacts"),
        ({"spacing": 0}, "spacing"),
        ({"diminishing": 1.5}, "diminishing"),
    ],
)
def test_rules_that_nothing_can_keep_are_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ChainRules(**{"periods": 4, "most_contacts": 2, **wrong})  # type: ignore[arg-type]


def test_too_many_patterns_are_refused_before_they_are_listed() -> None:
    contacts = Contacts(
        action=np.arange(50, dtype=np.int32),
        cost=np.arange(50, dtype=np.int64),
        factor=np.ones((50, 12)),
    )
    with pytest.raises(ValueError, match="50 different costs, 12 periods"):
        patterns_of(contacts, ChainRules(periods=12, most_contacts=6))

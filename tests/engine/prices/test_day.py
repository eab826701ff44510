"""A small day of `benchmarks/prices_world.py` through the engine, its store and its ledger."""

from __future__ import annotations

import numpy as np

from benchmarks.prices import optimum, play, sample_of
from benchmarks.prices_world import DAY, MONDAY, catalog_of, make_traffic, make_world, worths
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.engine.prices import PriceHistory, price_rows
from nba_engine.learning.prices import solve
from nba_engine.settings import StageSettings
from nba_engine.testing import FakeStore, make_engine

REQUESTS = 250
STEP = 300.0


def test_the_engine_steers_a_day_from_what_it_learned_and_overspends_nothing() -> None:
    world = make_world(3, REQUESTS)
    traffic = make_traffic(world, 3, REQUESTS, day=1)
    engine = make_engine(
        {"catalog.toml": catalog_of(world)},
        pipeline=(
            "profile",
            "eligibility",
            "contact_policy",
            StageSettings(stage="propensity", settings={"model": ""}),
            "value",
            "arbitration",
            "slate",
        ),
        store=FakeStore(),
    )
    before = make_traffic(world, 3, 8 * REQUESTS, day=0)
    prices = solve(sample_of(world, before), 8 * world.amount).prices
    busy = np.bincount((before.time // 3600.0).astype(np.intp), minlength=24).tolist()
    engine.prices.replace(
        engine.catalog,
        {f"limit{k}": price for k, price in enumerate(prices.tolist())},
        PriceHistory(profiles={f"limit{k}": tuple(busy) * 7 for k in range(len(prices))}),
    )
    gain = traffic.propensity * (world.lever * world.value)
    worth = worths(world, traffic)
    value, stepped = 0.0, -DAY
    for at, moment in enumerate(traffic.time.tolist()):
        fits = np.flatnonzero(~np.isnan(gain[at])).tolist()
        decision = engine.decide(
            DecisionRequest(
                identity=f"crm:{at}",
                placements=(PlacementRequest("place"),),
                context={"gain": {f"a{action}": float(gain[at, action]) for action in fits}},
                time=MONDAY + moment,
                seed=at,
            )
        )
        action = decision.recommendations[0].action
        value += 0.0 if action == "nothing" else float(worth[at, int(action[1:])])
        if moment - stepped >= STEP:
            engine.prices.step(engine.catalog, MONDAY + moment)
            stepped = moment
    rows = list(price_rows(engine.prices, engine.catalog, engine.store, MONDAY + DAY - 1.0))
    assert all(row.used <= row.amount for row in rows)
    assert engine.prices.current  # something is scarce
    best = optimum(world, traffic)
    greedy = play(world, traffic, lambda at: np.where(np.isnan(worth[at]), -np.inf, worth[at]))
    assert value > 1.5 * greedy.value
    assert 0.8 * best < value <= best

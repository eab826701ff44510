"""What an offer costs per decision: two engines decide in turns, one without it, one with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from nba_engine.app import App, open_app
from nba_engine.domain import DecisionRequest, PlacementRequest, ProfileUpdate
from nba_engine.errors import NbaError
from nba_engine.plugin import Plugins
from nba_engine.testing.conformance.examples import examples_of
from nba_engine.testing.conformance.report import Cost, Promise
from nba_engine.testing.conformance.worlds import World, world_of
from nba_engine.testing.samples import sample_context, sample_customers, sample_interactions

__all__ = ["measure"]

_CUSTOMERS = 20
_ROUNDS, _PER_ROUND = 40, 10  # in turns, so that a busy moment of the machine hits both
_WARM_UP = 30


def measure(plugins: Plugins, plugin: str, promise: Promise, folder: Path) -> Cost:
    """Microseconds per decision without and with an offer; ``folder`` is for files."""
    try:
        folder.mkdir(parents=True)
        examples = examples_of(plugins, plugin, promise, folder)
        worlds = world_of(plugins.register, promise, examples, folder / "it")
        with ExitStack() as opened:
            sides = [
                (opened.enter_context(_opened(world, folder / name)), _requests(world))
                for world, name in zip(worlds, ("without", "with"), strict=True)
            ]
            nanoseconds = _in_turns(sides)
    # a plugin's code is run here: whatever it raises is what there is to tell
    except (Exception, SystemExit) as error:
        text = str(error) if isinstance(error, NbaError) else f"{type(error).__name__}: {error}"
        return Cost(kind=promise.kind, name=promise.name, problem=text)
    without, using = (np.array(side) / 1000.0 for side in nanoseconds)
    return Cost(
        kind=promise.kind,
        name=promise.name,
        decisions=len(without),
        without_median=round(float(np.median(without)), 1),
        without_p99=round(float(np.percentile(without, 99)), 1),
        with_median=round(float(np.median(using)), 1),
        with_p99=round(float(np.percentile(using, 99)), 1),
    )


def _opened(world: World, folder: Path) -> App:
    """An engine over the world, with customers who have a history."""
    app = open_app(world.write(folder), environ={})
    catalog = world.catalog
    now = time.time()
    for number, state in enumerate(sample_customers(catalog, _CUSTOMERS, now=now)):
        update = ProfileUpdate(
            identity=state.customer_id, attributes=state.attributes, consents=state.consents
        )
        app.engine.update_profile(update)
        app.engine.record(sample_interactions(catalog, state.customer_id, seed=number, now=now))
    return app


def _requests(world: World) -> list[DecisionRequest]:
    placements = tuple(PlacementRequest(name) for name in world.placements)
    return [
        DecisionRequest(
            identity=f"crm:{number}",
            placements=placements,
            context=sample_context(world.catalog, seed=number),
        )
        for number in range(_CUSTOMERS)
    ]


def _in_turns(sides: Sequence[tuple[App, Sequence[DecisionRequest]]]) -> list[list[int]]:
    nanoseconds: list[list[int]] = [[] for _ in sides]
    clock = time.perf_counter_ns
    for app, requests in sides:
        for number in range(_WARM_UP):
            app.engine.decide(requests[number % len(requests)])
    for turn in range(_ROUNDS):
        for (app, requests), spent in zip(sides, nanoseconds, strict=True):
            for number in range(turn * _PER_ROUND, (turn + 1) * _PER_ROUND):
                request = requests[number % len(requests)]
                start = clock()
                app.engine.decide(request)
                spent.append(clock() - start)
    return nanoseconds

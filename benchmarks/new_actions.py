"""Does an action that is new find its place by its own outcomes, without training?

Twenty actions whose true rates differ by 15 % from one to the next. A model knows nineteen of them
exactly; the other one is new. Everything is the real thing: decisions through the pipeline, their
outcomes recorded, counted, and known to the next decisions.

- *Place*: the new action is shown until 200 customers have accepted it. Then all twenty are ranked,
  and its place is held against its true one: within one place in at least 90 % of the runs.
- *Waste*: the new action is worth a tenth of the best, and the catalog promises that it is as good. So
  a placement that explores (temperature: a tenth of the best score) shows it a lot; after 500
  contacts with it, in fewer than 5 % of its decisions.

    .venv/bin/python benchmarks/new_actions.py --runs 100

The outcomes are made up by a seeded generator.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nba_engine.domain import (
    CatalogView,
    DecisionRequest,
    Interaction,
    ModelFactory,
    PlacementRequest,
)
from nba_engine.engine import Engine
from nba_engine.settings import StageSettings
from nba_engine.testing import FixedScorer, make_engine
from nba_engine.testing.world import NOW

ACTIONS = 20
BEST, STEP = 0.5, 1.15  # the highest rate, and what it is of the next one
POSITIVES, CONTACTS = 200, 500
DECISIONS = 2_000  # of one run, where waste is looked for
BATCH = 100  # contacts that are recorded at once
TEMPERATURE = BEST / 10
PLACE_GATE, WASTE_GATE = 0.9, 0.05

_STAGES = ("profile", "eligibility", "contact_policy")


class KnowsTheOthers(FixedScorer):
    """A model that answers with the true rates, and was never trained on the new action."""

    def __init__(self, catalog: CatalogView, rates: Mapping[str, float]) -> None:
        super().__init__(catalog, rates, otherwise=0.2)  # what it says of the new one is a guess
        self.trained_on = dict.fromkeys(rates, 10_000)


class World(NamedTuple):
    """An engine with one action that is new, and what is true of it."""

    engine: Engine
    rate: float
    random: np.random.Generator


def make_world(rates: Mapping[str, float], rate: float, seed: int, prior: float = 0.1) -> World:
    """Actions worth 1, with these rates known to the model; one more is new and has ``rate``."""
    lines = [
        "[evidence]\n[channels]\napp = {}\ntrial = {}",
        f'[placements.all]\nchannel = "app"\nslots = {ACTIONS}',
        '[placements.banner]\nchannel = "app"',
        f'exploration = {{ method = "plackett_luce", temperature = {TEMPERATURE} }}',
        '[placements.trial]\nchannel = "trial"',
        '[actions.nothing]\nkind = "nothing"',
        '[actions.new]\ngroup = "all"\nvalue = 1.0\ntreatments.app = { channel = "app" }',
        f"prior = {prior}",
        'treatments.trial = { channel = "trial" }',
    ]
    lines += [
        f'[actions.{name}]\ngroup = "all"\nvalue = 1.0\ntreatments.app = {{ channel = "app" }}'
        for name in rates
    ]
    model = ModelFactory(build=lambda catalog: KnowsTheOthers(catalog, rates))
    engine = make_engine(
        {"catalog.toml": "\n".join(lines)},
        pipeline=[StageSettings(stage=s) for s in (*_STAGES, "propensity", "value", "arbitration")]
        + [StageSettings(stage="slate")],
        models={"propensity": model},
    )
    return World(engine, rate, np.random.default_rng(seed))


def show(world: World, most: int, positives: int) -> tuple[int, int]:
    """Show the new action so often, or until it was accepted so often; contacts and acceptances."""
    contacts = accepted = 0
    while contacts < most and accepted < positives:
        happened: list[Interaction] = []
        for _ in range(min(BATCH, most - contacts)):
            contacts += 1
            who = f"crm:{contacts}"
            (shown,) = decide(world, who, "trial", contacts)
            yes = bool(world.random.random() < world.rate)
            accepted += yes
            happened += [
                Interaction(
                    interaction_id=f"{shown[1]}/{kind}",
                    identity=who,
                    type=kind,
                    time=NOW,
                    recommendation_id=shown[1],
                )
                for kind in (["impression", "accept"] if yes else ["impression"])
            ]
            if accepted == positives:
                break
        world.engine.record(happened)
    while world.engine.evidence.step(world.engine.catalog):
        pass
    return contacts, accepted


def decide(world: World, who: str, place: str, seed: int) -> list[tuple[str, str]]:
    """Action and recommendation id of everything that a decision shows."""
    decision = world.engine.decide(
        DecisionRequest(identity=who, placements=(PlacementRequest(place),), time=NOW, seed=seed)
    )
    return [(one.action, one.recommendation_id) for one in decision.recommendations]


def places_off(seed: int, *, ranks: int = ACTIONS) -> int:
    """How many places from its true one the new action is ranked after `POSITIVES` acceptances.

    Its true place is drawn among the first ``ranks``.
    """
    truth = [BEST / STEP**place for place in range(ACTIONS)]
    place = int(np.random.default_rng([seed, 1]).integers(ranks))
    rates = {f"a{n}": rate for n, rate in enumerate(truth) if n != place}
    world = make_world(rates, truth[place], seed)
    show(world, most=10**9, positives=POSITIVES)
    ranking = [action for action, _ in decide(world, "crm:0", "all", 0)]
    return abs(ranking.index("new") - place)


def waste(seed: int, decisions: int = DECISIONS) -> tuple[float, float]:
    """How often an action worth a tenth of the best is shown: at first, and after `CONTACTS`."""
    rates = {f"a{n}": BEST / STEP**n for n in range(ACTIONS - 1)}
    world = make_world(rates, BEST / 10, seed, prior=BEST)

    def share() -> float:
        shown = [decide(world, f"crm:x{n}", "banner", n)[0][0] for n in range(decisions)]
        return shown.count("new") / decisions

    before = share()
    show(world, most=CONTACTS, positives=10**9)
    return before, share()


def main() -> int:
    """Print both; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="that of the first run")
    options = parser.parse_args()
    started = time.monotonic()
    seeds = range(options.seed, options.seed + options.runs)
    off = [places_off(seed) for seed in seeds]
    near = sum(one <= 1 for one in off) / len(off)
    print(
        f"place after {POSITIVES} positives: {near:.0%} of {len(off)} runs within one place of the "
        f"true one ({sum(one == 0 for one in off)} on it, the worst {max(off)} off)"
    )
    shown = [waste(seed) for seed in seeds[: max(1, options.runs // 10)]]
    before, after = zip(*shown, strict=True)
    print(
        f"waste after {CONTACTS} contacts: an action worth a tenth of the best is shown in "
        f"{np.mean(after):.2%} of decisions (the worst of {len(shown)} runs: {max(after):.2%}), "
        f"before them in {np.mean(before):.1%}"
    )
    kept = near >= PLACE_GATE and max(after) < WASTE_GATE
    print(f"{'kept' if kept else 'NOT KEPT'} ({time.monotonic() - started:.0f} s)")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

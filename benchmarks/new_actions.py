"""Does an action that is new find its place by its own outcomes, without training?

Twenty actions whose true rates differ by 15 % from one to the next. A model knows nineteen of them
exactly; the other one is new. Everything is the real thing: decisions through the pipeline, their
outcomes recorded, counted, and known to the next decisions.

- *Place*: the new action is shown until 200 customers have accepted it. Then all twenty are ranked,
  and its place is held against its true one: within one place in at least 90 % of the runs.
- *Waste*: the new action is worth a tenth of the best, and the catalog promises that it is as good. So
  a placement that explores (temperature: a tenth of the best score) shows it a lot; after 500
  contacts with it, in fewer than 5 % of its decisions.
- *Delay*: acceptances come days later (four on the average, at most fourteen). What the new action's
  propensity is while most of its contacts are open, as part of its true rate; and what it would be if
  contacts counted at once.

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
    EvidenceSpec,
    Interaction,
    ModelFactory,
    PlacementRequest,
    Tally,
)
from nba_engine.engine import Engine
from nba_engine.settings import StageSettings
from nba_engine.stages.smoothing import smoothed
from nba_engine.testing import FixedScorer, make_engine
from nba_engine.testing.world import NOW

ACTIONS = 20
BEST, STEP = 0.5, 1.15  # the highest rate, and what it is of the next one
POSITIVES, CONTACTS = 200, 500
DECISIONS = 2_000  # of one run, where waste is looked for
BATCH = 100  # contacts that are recorded at once
TEMPERATURE = BEST / 10
PLACE_GATE, WASTE_GATE = 0.9, 0.05
SPEC = EvidenceSpec()
DAY = 86_400.0
WITHIN, MEAN_DELAY = 14.0, 4.0  # days in which acceptances count, and that they take
KNOWN_DAYS, DAILY = 50, 12  # days and contacts of each before the new action is there
NEW_DAILY = 30  # contacts with the new action each day
ASKED = (1, 2, 4, 7, 10, 14, 28)  # days after its first contact
DELAY_GATE = 0.15  # how far from the true rate the mean may be, on any of these days

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
                interaction(shown[1], who, kind, NOW)
                for kind in (["impression", "accept"] if yes else ["impression"])
            ]
            if accepted == positives:
                break
        world.engine.record(happened)
    while world.engine.evidence.step(world.engine.catalog):
        pass
    return contacts, accepted


def interaction(about: str, who: str, kind: str, time: float) -> Interaction:
    """What became of a recommendation."""
    return Interaction(
        interaction_id=f"{about}/{kind}",
        identity=who,
        type=kind,
        time=time,
        recommendation_id=about,
    )


def decide(
    world: World, who: str, place: str, seed: int, now: float = NOW
) -> list[tuple[str, str]]:
    """Action and recommendation id of everything that a decision shows."""
    decision = world.engine.decide(
        DecisionRequest(identity=who, placements=(PlacementRequest(place),), time=now, seed=seed)
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


class Delayed(NamedTuple):
    """Propensities of the new action by day, as parts of its true rate."""

    served: list[float]
    at_once: list[float]


def delayed(seed: int) -> Delayed:
    """The new action's propensity on the days `ASKED`, in a world where acceptances take days.

    Its group has its true rate; so what differs from it comes of its own contacts.
    """
    truth = [BEST / STEP**place for place in range(ACTIONS)]
    place = int(np.random.default_rng([seed, 2]).integers(8))
    rates = {f"a{n}": rate for n, rate in enumerate(truth) if n != place}
    world = make_world(rates, truth[place], seed, prior=truth[place])
    coming: list[tuple[float, Interaction]] = []
    found = Delayed([], [])
    shown = 0
    for day in range(KNOWN_DAYS + max(ASKED) + 1):
        days = day - KNOWN_DAYS
        _tell(world, coming, NOW + day * DAY)
        if days in ASKED:
            while world.engine.evidence.step(world.engine.catalog):
                pass
            known = world.engine.evidence.current.actions.get("new", Tally())
            at_once = Tally(known.contacts, known.positives)
            found.served.append(smoothed(SPEC, known, world.rate) / world.rate)
            found.at_once.append(smoothed(SPEC, at_once, world.rate) / world.rate)
        for number in range(DAILY + NEW_DAILY * (0 <= days < WITHIN)):
            shown += 1
            moment = NOW + (day + number / 100) * DAY
            new = number >= DAILY
            options = decide(world, f"crm:{shown}", "trial" if new else "all", shown, moment)
            action, name = next(one for one in options if new or one[0] != "new")
            told = [("impression", moment)]
            if world.random.random() < (world.rate if new else rates[action]):
                told.append(("accept", moment + _delay(world.random)))
            coming += [(at, interaction(name, f"crm:{shown}", kind, at)) for kind, at in told]
    return found


def _delay(random: np.random.Generator) -> float:
    while True:
        days = float(random.exponential(MEAN_DELAY))
        if days < WITHIN:
            return days * DAY


def _tell(world: World, coming: list[tuple[float, Interaction]], now: float) -> None:
    """Record what has happened by now, as it happened."""
    due = sorted([one for one in coming if one[0] <= now], key=lambda one: one[0])
    coming[:] = [one for one in coming if one[0] > now]
    for start in range(0, len(due), BATCH):
        world.engine.record([happened for _, happened in due[start : start + BATCH]])


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
    late = [delayed(seed) for seed in seeds[: max(1, options.runs // 5)]]
    served = np.mean([one.served for one in late], axis=0)
    at_once = np.mean([one.at_once for one in late], axis=0)
    print(f"delay: propensity as part of the true rate, mean of {len(late)} runs")
    for at, day in enumerate(ASKED):
        print(
            f"  after {day:>2} days {served[at]:.2f}, were contacts counted at once {at_once[at]:.2f}"
        )
    near_truth = float(np.abs(served - 1.0).max()) <= DELAY_GATE
    kept = near >= PLACE_GATE and max(after) < WASTE_GATE and near_truth
    print(f"{'kept' if kept else 'NOT KEPT'} ({time.monotonic() - started:.0f} s)")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

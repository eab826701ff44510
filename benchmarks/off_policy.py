"""What off-policy evaluation makes of a log in which the ledger refused much, by a known truth.

    python -m benchmarks.off_policy [--runs 300] [--decisions 2000]

Slates of two are drawn by Plackett-Luce (the policy that logs, and one under test with other values).
The actions that both like best draw on one limit, which is full for a share of the decisions: the ledger
refuses what was drawn then, and another is drawn over the rest, as `nba_engine.stages.slate` does it;
*nothing* ends a slate. What the policy under test is worth is summed over all that can happen, exactly.
The draws go through `nba_engine.learning.evaluation` as a log's do. Per share of full decisions, summed
over all that can be logged: the share of draws that was refused, what IPS gives on average, and what it
would give if refused draws were left out of the weights. Then the same on seeded logs, with every
estimator: mean error in parts of the truth, and how often the 95% interval holds the truth, of the logs
that have support for both places.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np

from nba_engine.domain import (
    CatalogView,
    DecisionRecord,
    DecisionRequest,
    Draw,
    PlacementRequest,
    Recommendation,
)
from nba_engine.engine import Ranked
from nba_engine.learning.evaluation import Options, Picks, evaluate
from nba_engine.learning.evaluation.replaying import Pick, picks_of
from nba_engine.testing import make_engine

TEMPERATURE, SLOTS = 0.4, 2
NOTHING = "nothing"
LOGGED = {"a": 1.0, "b": 0.7, "c": 0.5, "d": 0.4, NOTHING: 0.0}
TESTED = {"a": 0.3, "b": 1.0, "c": 0.4, "d": 0.8, NOTHING: 0.0}
RATE = {"a": 0.15, "b": 0.4, "c": 0.1, "d": 0.3, NOTHING: 0.0}
SCARCE = frozenset({"a", "b"})  # they draw on the limit
ESTIMATORS = ("ips", "snips", "dr")
FULL_SHARES = (0.0, 0.3, 0.6, 0.9)


class State(NamedTuple):
    """How far a slate has come: what stands (and was asked for in this turn), what fell out."""

    standing: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    removed: frozenset[str] = frozenset()
    open: int = SLOTS
    ended: bool = False
    refused: bool = False  # the limit is known to be full


def left(state: State, scores: Mapping[str, float]) -> dict[str, float]:
    """What may be drawn next, with its probability."""
    free = [name for name in scores if name not in state.removed and name not in state.standing]
    weights = {name: math.exp(scores[name] / TEMPERATURE) for name in free}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def after(state: State, name: str) -> tuple[State, str]:
    """What a draw leads to, and why it was removed at once ("" if it was not)."""
    if name == NOTHING:
        return state._replace(open=0, ended=True), ""
    if state.refused and name in SCARCE:
        return state._replace(removed=state.removed | {name}), "limit_full"
    standing, asked = (*state.standing, name), (*state.asked, name)
    return state._replace(standing=standing, asked=asked, open=state.open - 1), ""


def answered(state: State, *, full: bool) -> tuple[State, frozenset[str]]:
    """The end of a turn: what the ledger refuses opens its slot again."""
    refused = frozenset(state.asked) & SCARCE if full else frozenset()
    standing = tuple(name for name in state.standing if name not in refused)
    more = 0 if state.ended else len(refused)
    removed = state.removed | refused
    known = state.refused or bool(refused)
    return State(standing, (), removed, state.open + more, state.ended, known), refused


def truth(scores: Mapping[str, float], full_share: float) -> float:
    """Positive outcomes per decision of a policy, over everything that can happen."""

    @cache
    def worth(state: State, full: bool) -> float:  # noqa: FBT001
        if not state.open or not left(state, scores):
            following, refused = answered(state, full=full)
            if not refused or not following.open:
                return sum(RATE[name] for name in following.standing)
            return worth(following, full)
        return sum(
            chance * worth(after(state, name)[0], full)
            for name, chance in left(state, scores).items()
        )

    return full_share * worth(State(), True) + (1 - full_share) * worth(State(), False)


def drawn(random: np.random.Generator, *, full: bool) -> tuple[list[Draw], tuple[str, ...]]:
    """The draws of one logged decision, and what stands in the end."""
    draws: list[Draw] = []
    state, turn = State(), 0
    while True:
        while state.open and (chances := left(state, LOGGED)):
            name = str(random.choice(list(chances), p=list(chances.values())))
            state, removed = after(state, name)
            draws.append(
                Draw(
                    placement="banner",
                    treatment=f"{name}.app",
                    probability=chances[name],
                    turn=turn,
                    removed=removed,
                )
            )
        state, refused = answered(state, full=full)
        for at, one in enumerate(draws):
            if one.turn == turn and one.treatment.removesuffix(".app") in refused:
                draws[at] = Draw(
                    placement=one.placement,
                    treatment=one.treatment,
                    probability=one.probability,
                    turn=turn,
                    removed=one.removed or "limit_refused",
                )
        if not refused or not state.open:
            return draws, state.standing
        turn += 1


@cache
def histories(
    full: bool,  # noqa: FBT001
    state: State = State(),  # noqa: B008 (immutable)
    draws: tuple[Draw, ...] = (),
    turn: int = 0,
) -> tuple[tuple[float, tuple[Draw, ...], tuple[str, ...]], ...]:
    """Everything that the logged policy may draw: its probability, the draws, what stands in the end."""
    chances = left(state, LOGGED) if state.open else {}
    found: list[tuple[float, tuple[Draw, ...], tuple[str, ...]]] = []
    for name, chance in chances.items():
        following, removed = after(state, name)
        draw = Draw(
            placement="banner",
            treatment=f"{name}.app",
            probability=chance,
            turn=turn,
            removed=removed,
        )
        for rest, told, standing in histories(full, following, (*draws, draw), turn):
            found.append((chance * rest, told, standing))
    if chances:
        return tuple(found)
    following, refused = answered(state, full=full)
    told = tuple(
        msgspec.structs.replace(one, removed="limit_refused")
        if one.turn == turn and one.treatment.removesuffix(".app") in refused
        else one
        for one in draws
    )
    if not refused or not following.open:
        return ((1.0, told, following.standing),)
    return histories(full, following, told, turn + 1)


class World:
    """Logs of this world, and the picks of the policy under test in them."""

    def __init__(self) -> None:
        lines = [
            "[channels]\napp = {}",
            f'[placements.banner]\nchannel = "app"\nslots = {SLOTS}',
            f'exploration = {{ method = "plackett_luce", temperature = {TEMPERATURE} }}',
            '[actions.nothing]\nkind = "nothing"',
        ]
        lines += [
            f'[actions.{name}]\nvalue = 1.0\ntreatments.app = {{ channel = "app" }}'
            for name in sorted(set(RATE) - {NOTHING})
        ]
        self.catalog: CatalogView = make_engine({"world.toml": "\n".join(lines)}).catalog

    def records(self, decisions: int, seed: int, full_share: float) -> Iterator[DecisionRecord]:
        """Logged decisions: only what an evaluation reads of them."""
        random = np.random.default_rng(seed)
        request = DecisionRequest(identity="crm:1", placements=(PlacementRequest("banner"),))
        for number in range(decisions):
            draws, standing = drawn(random, full=bool(random.random() < full_share))
            yield DecisionRecord(
                decision_id=f"{number}",
                request=request,
                customer_id=f"{number}",
                known=False,
                profile=b"",
                time=0.0,
                seed=number,
                catalog_version=self.catalog.version,
                model_versions={},
                treatments=len(self.catalog.treatments),
                candidates=b"",
                scored=b"",
                propensities=b"",
                total=len(RATE),
                dropped={},
                usage={},
                answers=(),
                recommendations=tuple(self.shown(name, at) for at, name in enumerate(standing)),
                draws=tuple(draws),
            )

    def everything(self, full_share: float) -> Iterator[tuple[float, DecisionRecord, list[Pick]]]:
        """Each decision that can be logged with its probability, and its picks."""
        (record,) = self.records(1, 1, 0.0)
        for full, share in ((True, full_share), (False, 1.0 - full_share)):
            for chance, draws, standing in histories(full) if share else ():
                shown = tuple(self.shown(name, at) for at, name in enumerate(standing))
                one = msgspec.structs.replace(record, draws=draws, recommendations=shown)
                yield share * chance, one, list(picks_of(one, self.tested()))

    @staticmethod
    def shown(name: str, position: int) -> Recommendation:
        """A recommendation of an action."""
        return Recommendation(
            recommendation_id=f"{name}{position}",
            placement="banner",
            position=position,
            action=name,
            treatment=f"{name}.app",
            channel="app",
            content={},
            score=1.0,
            propensity=1.0,
            value=1.0,
            cost=0.0,
            lever=1.0,
            weight=1.0,
            reason_codes=(),
        )

    def tested(self) -> Ranked:
        """Candidates as the policy under test has them; its predictions are wrong by a third."""
        names = sorted(TESTED)
        index = [self.catalog.treatment_index[f"{name}.app"] for name in names]
        return Ranked(
            catalog=self.catalog,
            treatment=np.array(index, dtype=np.intp),
            slot=np.zeros(len(names), dtype=np.intp),
            score=np.array([TESTED[name] for name in names]),
            propensity=np.array([0.7 * RATE[name] + 0.05 for name in names]),
            value=None,
            cost=None,
            refused=frozenset(),
            recommendations=(),
        )

    def picks(self, decisions: int, seed: int, full_share: float) -> Picks:
        """A log's picks, with what came of them at the known rates."""
        random = np.random.default_rng([seed, 1])
        other = self.tested()
        found: list[tuple[int, Pick]] = [
            (number, pick)
            for number, record in enumerate(self.records(decisions, seed, full_share))
            for pick in picks_of(record, other)
        ]
        picks = [pick for _, pick in found]
        rates = np.array([RATE[one.shown.action] if one.shown else 0.0 for one in picks])
        return Picks(
            decision=np.array([number for number, _ in found], dtype=np.intp),
            placement=np.array([one.placement for one in picks], dtype=object),
            position=np.array([one.position for one in picks], dtype=np.intp),
            reward=(random.random(len(picks)) < rates).astype(np.float64),
            propensity=np.array([one.propensity for one in picks]),
            target=np.array([one.target for one in picks]),
            action=np.array([one.treatment for one in picks], dtype=object),
            expected=np.array([one.expected[0] for one in picks]),
            expected_target=np.array([one.expected_target[0] for one in picks]),
        )


def expected_values(world: World, full_share: float) -> tuple[float, float, float]:
    """Over everything that can be logged: the share of draws that was refused, the mean of IPS, and
    what it would be if the draws that were refused were left out of the weights.
    """
    refused = draws = whole = without = 0.0
    for chance, record, picks in world.everything(full_share):
        draws += chance * len(record.draws)
        refused += chance * sum(bool(one.removed) for one in record.draws)
        weight = 1.0
        for pick in picks:
            weight *= pick.target / pick.propensity
            whole += chance * weight * (RATE[pick.shown.action] if pick.shown else 0.0)
        weight, state, turn = 1.0, State(), 0
        for one in record.draws:
            name = one.treatment.removesuffix(".app")
            if one.turn != turn:  # the ledger refused something in the one before
                state, turn = answered(state, full=True)[0], one.turn
            if not one.removed:
                weight *= left(state, TESTED)[name] / one.probability
                without += chance * weight * RATE[name]
            state, _ = after(state, name)
    return refused / draws, whole, without


def main(runs: int, decisions: int) -> bool:
    """Print both tables; whether nothing is biased."""
    world, good = World(), True
    print("over everything that can happen")
    print(f"{'full':>5} {'refused':>8} {'truth':>7} {'IPS':>7} {'without refused draws':>24}")
    for share in FULL_SHARES:
        expected = truth(TESTED, share)
        refused, whole, without = expected_values(world, share)
        good &= abs(whole - expected) < 1e-9
        print(
            f"{share:5.0%} {refused:8.1%} {expected:7.4f} {whole:7.4f} "
            f"{without:14.4f} ({without / expected - 1:+.1%})"
        )
    return simulated(world, runs, decisions) and good


def simulated(world: World, runs: int, decisions: int) -> bool:
    """The errors and intervals of seeded logs; whether no error is beyond chance."""
    good = True
    print(
        f"{runs} seeded logs of {decisions:,} decisions: mean error, intervals that hold the truth"
    )
    print(f"{'full':>5} {'judged':>7} " + "".join(f"{name:>18}" for name in ESTIMATORS))
    for share in FULL_SHARES if runs else ():
        expected = truth(TESTED, share)
        errors = {name: np.full(runs, np.nan) for name in ESTIMATORS}
        covered = dict.fromkeys(ESTIMATORS, 0)
        for run in range(runs):
            found = evaluate(
                world.picks(decisions, run, share), options=Options(resamples=400, seed=run)
            )
            if any(place.refused for place in found.places):
                continue  # too few decisions for the second place: its part is left out, and told
            for name, one in found.estimates.items():
                errors[name][run] = one.value / expected - 1.0
                covered[name] += one.low <= expected <= one.high
        judged = int(np.isfinite(errors["ips"]).sum())
        cells = []
        for name in ESTIMATORS if judged else ():
            mean = float(np.nanmean(errors[name]))
            sure = 3.0 * float(np.nanstd(errors[name])) / math.sqrt(judged)
            good &= abs(mean) <= max(sure, 0.005)
            cells.append(f"{mean:+9.1%} {covered[name] / judged:8.1%}")
        print(f"{share:5.0%} {judged:7,} " + "".join(cells), flush=True)
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--decisions", type=int, default=2_000)
    options = parser.parse_args()
    sys.exit(0 if main(options.runs, options.decisions) else 1)

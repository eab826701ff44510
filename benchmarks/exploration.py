"""Do candidates come up as often as the logged selection probabilities say? (chi-square)

Decisions with seeds 0, 1, 2 … go through the whole pipeline of a small world in which everything
gets into the way of an exact probability: slates of several slots, two placements that explore and
one that does not, two treatments of one action, an action that fits two placements, a limit that
the ledger refuses half of the time, a template that fails, and *nothing*. Then the log alone is
looked at. Draws with the same history (what stood above, what had been removed) form a group; in
each group every candidate must have come up as often as its logged probability says. And every
logged probability must be the one that an independent computation gives, in plain Python.

    .venv/bin/python benchmarks/exploration.py --decisions 100000 [--sqlite]

As a control the same numbers are tested after they were made wrong on purpose: each test of wrong
ones must fail.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scipy.stats import chi2

from nba_engine.domain import (
    DecisionRecord,
    DecisionRequest,
    Draw,
    ModelFactory,
    PlacementRequest,
    Store,
)
from nba_engine.engine import Engine
from nba_engine.store import open_store
from nba_engine.testing import FakeStore, FixedClock, FixedScorer, MemoryLog, make_engine
from nba_engine.testing.world import NOW

LEAST = 5.0  # expected count of a cell of its own
GATE = 0.001  # probability of a worse fit
CHUNK = 100  # decisions of one store
TEMPERATURE, SHARE = 0.5, 0.3
# action → its score: the propensity is 0.5 and the value twice that
SCORES = {"a": 1.6, "b": 1.4, "c": 1.2, "d": 1.0, "e": 0.8, "f": 0.5, "g": 0.2}
BANNER = ("a.app", "a.small", "b.app", "c.app", "d.app", "e.app", "f.app")
TEASER = ("b.feed", "d.feed", "e.feed", "g.feed")
SCARCE = ("c", "d", "e")  # one contact of these per customer: the ledger refuses the second
BROKEN = "f"  # its template needs what no customer has
PLACEMENTS = {"banner": BANNER, "teaser": TEASER}

_SCARCE = """
[limits.scarce]
scope = ["customer"]
measure = "contacts"
amount = 1
window = "lifetime"
applies_to = { tags = ["scarce"] }
"""


def catalog() -> str:
    """The world as a catalog file."""
    lines = [
        '[attributes]\nfirst_name = { type = "string" }\n[channels]\napp = {}\nfeed = {}\nside = {}',
        '[placements.banner]\nchannel = "app"\nslots = 3',
        f'exploration = {{ method = "plackett_luce", temperature = {TEMPERATURE} }}',
        '[placements.teaser]\nchannel = "feed"\nslots = 2',
        f'exploration = {{ method = "epsilon", share = {SHARE} }}',
        '[placements.side]\nchannel = "side"',
        '[actions.nothing]\nkind = "nothing"',
        '[actions.plain]\nvalue = 1.0\ntreatments.side = { channel = "side" }',
        _SCARCE,
    ]
    for action, score in SCORES.items():
        lines.append(f"[actions.{action}]\nvalue = {2 * score}")
        lines += ['tags = ["scarce"]'] if action in SCARCE else []
        content = "{ text = '{{ customer.first_name }}' }" if action == BROKEN else "{}"
        for place, channel in (("banner", "app"), ("teaser", "feed")):
            for treatment in PLACEMENTS[place]:
                key = treatment.partition(".")[2]
                if treatment.startswith(f"{action}."):
                    lines.append(
                        f'treatments.{key} = {{ channel = "{channel}", content = {content} }}'
                    )
    return "\n".join(lines)


def make_world(files: Mapping[str, str] | None = None) -> Engine:
    """An engine in that world, or in one of other catalog files."""
    stages = ("profile", "eligibility", "contact_policy", "propensity", "cross_sell")
    return make_engine(
        files or {"world.toml": catalog()},
        pipeline=(*stages, "value", "arbitration", "slate"),
        models={"propensity": ModelFactory(build=lambda c: FixedScorer(c, otherwise=0.5))},
    )


def request_of(seed: int) -> DecisionRequest:
    """All placements, for a customer whom nobody has seen before."""
    places = tuple(PlacementRequest(place) for place in ("banner", "side", "teaser"))
    return DecisionRequest(identity=f"crm:{seed}", placements=places, time=NOW, seed=seed)


def decide(
    seeds: Iterable[int], store: Callable[[], Store] = FakeStore
) -> Iterator[DecisionRecord]:
    """The records of decisions with these seeds."""
    engine = first = make_world()
    log = MemoryLog()
    for number, seed in enumerate(seeds):
        if number % CHUNK == 0:
            engine.store.close()
            log = MemoryLog()
            engine = Engine(first.catalogs.snapshot, store(), log, clock=FixedClock())
        yield log.records[engine.decide(request_of(seed)).decision_id]


class Moment(NamedTuple):
    """What was known when something was drawn."""

    placement: str
    above: tuple[str, ...]  # what stood in the placement, from the top
    elsewhere: frozenset[str]  # actions that stood in others
    removed: frozenset[str]


class Case(NamedTuple):
    """A draw, and when."""

    moment: Moment
    treatment: str
    probability: float


def cases(record: DecisionRecord) -> Iterator[Case]:
    """The draws of a decision, from its record alone."""
    plain = {r.action for r in record.recommendations if r.placement not in PLACEMENTS}
    for number, draw in enumerate(record.draws):
        before = record.draws[:number]
        gone = frozenset(one.treatment for one in before if _is_gone(one, draw.turn))
        standing = [one for one in before if one.treatment not in gone]
        above = tuple(one.treatment for one in standing if one.placement == draw.placement)
        others = [_action(o.treatment) for o in standing if o.placement != draw.placement]
        moment = Moment(draw.placement, above, frozenset([*others, *plain]), gone)
        yield Case(moment, draw.treatment, draw.probability)


def _is_gone(draw: Draw, turn: int) -> bool:
    return draw.removed not in ("", "limit_refused") or (
        draw.removed == "limit_refused" and draw.turn < turn
    )


def _action(treatment: str) -> str:
    return treatment.partition(".")[0]


def by_hand(moment: Moment, *, temperature: float = TEMPERATURE) -> dict[str, float]:
    """The probability of everything that may be drawn then: Luce's choice axiom, or the mixture."""
    standing = {_action(treatment) for treatment in moment.above} | moment.elsewhere
    channel = {"banner": "app", "teaser": "feed"}[moment.placement]
    score = {f"nothing.{channel}": 0.0}
    for treatment in PLACEMENTS[moment.placement]:
        if _action(treatment) not in standing and treatment not in moment.removed:
            score[treatment] = SCORES[_action(treatment)]
    if moment.placement == "banner":
        weight = {name: math.exp(worth / temperature) for name, worth in score.items()}
        return {name: each / sum(weight.values()) for name, each in weight.items()}
    best = max(score.values())
    top = [name for name, worth in score.items() if worth == best]
    return {name: SHARE / len(score) + (1 - SHARE) / len(top) * (name in top) for name in score}


class Fit(NamedTuple):
    """How well the frequencies fit to the probabilities."""

    statistic: float
    degrees: int
    groups: int
    draws: int

    @property
    def p(self) -> float:
        """How often a fit is worse by chance."""
        return float(chi2.sf(self.statistic, self.degrees))


def fit(found: Sequence[Case], wrong: Callable[[Case], float] | None = None) -> Fit:
    """The frequencies of all groups against their logged probabilities.

    ``wrong`` gives other probabilities than those that were logged: the control.
    """
    groups: dict[Moment, list[Case]] = defaultdict(list)
    for case in found:
        groups[case.moment].append(case)
    statistic, degrees, used = 0.0, 0, 0
    for group in groups.values():
        counts = Counter(case.treatment for case in group)
        chance = {c.treatment: c.probability if wrong is None else wrong(c) for c in group}
        cells = [(counts[name], len(group) * chance[name]) for name in chance]
        cells.append((0, len(group) * max(0.0, 1.0 - sum(chance.values()))))  # what never came up
        cells = _pooled(cells)
        if len(cells) > 1:
            statistic += sum((count - wanted) ** 2 / wanted for count, wanted in cells)
            degrees += len(cells) - 1
            used += 1
    return Fit(statistic, degrees, used, len(found))


def _pooled(cells: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Cells with an expected count of at least `LEAST`; the small ones are one."""
    cells = sorted(cells, key=lambda cell: cell[1])
    count, wanted = 0, 0.0
    while cells and (wanted < LEAST or cells[0][1] < LEAST) and (wanted or cells[0][1] < LEAST):
        count, wanted = count + cells[0][0], wanted + cells[0][1]
        cells.pop(0)
    return [(count, wanted), *cells] if wanted else cells


def without_history(case: Case) -> float:
    """Wrong on purpose: the probability over all, as if nothing stood above or were removed."""
    return by_hand(Moment(case.moment.placement, (), frozenset(), frozenset()))[case.treatment]


def removed_counts(case: Case) -> float:
    """Wrong on purpose: what was removed still counts."""
    return by_hand(case.moment._replace(removed=frozenset()))[case.treatment]


def too_warm(case: Case) -> float:
    """Wrong on purpose: a temperature that is half too high."""
    return by_hand(case.moment, temperature=1.5 * TEMPERATURE)[case.treatment]


CONTROLS: Mapping[str, Callable[[Case], float]] = {
    "over all candidates, whatever stands above": without_history,
    "over what was removed, too": removed_counts,
    "of a temperature that is 50 % too high": too_warm,
}


def check_record(record: DecisionRecord) -> None:
    """Every logged probability is the one by hand, and the answer has those of the log."""
    for case in cases(record):
        assert math.isclose(case.probability, by_hand(case.moment)[case.treatment], abs_tol=1e-12)
    drawn = {(o.placement, o.treatment): o.probability for o in record.draws if not o.removed}
    for shown in record.recommendations:
        wanted = drawn.get((shown.placement, shown.treatment), 1.0)
        assert shown.selection_probability == wanted, shown


def main() -> int:
    """Print the fit and the controls; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="that of the first decision")
    parser.add_argument("--sqlite", action="store_true", help="with the real store, on disk")
    options = parser.parse_args()
    started = time.monotonic()
    found: list[Case] = []
    removed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        number = iter(range(options.decisions))

        def stored() -> Store:
            return open_store(Path(folder) / f"{next(number)}.db", simulated=True)

        seeds = range(options.seed, options.seed + options.decisions)
        for record in decide(seeds, stored if options.sqlite else FakeStore):
            check_record(record)
            found += cases(record)
            removed.update(draw.removed for draw in record.draws)
    told = fit(found)
    print(
        f"{options.decisions:,} decisions with seeds from {options.seed}, {told.draws:,} draws in "
        f"{told.groups} groups; removed after they were drawn: "
        f"{removed['limit_refused']:,} by the ledger, {removed['limit_full']:,} as their account "
        f"was full, {removed['render_failed']:,} not rendered ({time.monotonic() - started:.0f} s)"
    )
    print(f"chi-square {told.statistic:.1f}, {told.degrees} degrees of freedom, p = {told.p:.3f}")
    good = told.p >= GATE
    for words, wrong in CONTROLS.items():
        control = fit(found, wrong)
        good = good and control.p < GATE
        print(f"control, probabilities {words}: p = {control.p:.1g}")
    print("kept" if good else "NOT KEPT")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""Two policies held against the logged one, on what was drawn in the placement that explores.

What was shown there had a known probability, so the log tells what another policy would have
found: each pick counts as often as that policy would have made it. A hit is a purchase in the
category within 14 days, with or without the offer; the data cannot tell more.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from nba_demo.catalog_files import EXPLORED
from nba_demo.hits import LAST_LABEL
from nba_demo.replay import Replayed
from nba_engine.app import open_logged
from nba_engine.domain import DecisionRecord
from nba_engine.learning.evaluation import (
    ENOUGH,
    Estimate,
    Evaluation,
    Options,
    best_estimate,
    evaluate,
    logged_picks,
    verdict,
)

__all__ = ["DECISIONS", "Policies", "Policy", "compare_policies"]

DECISIONS = 4_000  # spread over the replay
_AT_ONCE = 20  # decisions per tick
_LOOK_SECONDS = 0.2  # how often the ticks of the processes are looked at

Ticks: TypeAlias = "SimpleQueue[int]"  # decisions done


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would have found per decision; without ``value`` the log cannot tell."""

    name: str
    value: Estimate | None
    effective_sample_size: float
    verdict: str
    notes: tuple[str, ...]


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Hits per decision in the placement that explores, as logged and under other policies."""

    decisions: int
    logged: Estimate
    others: tuple[Policy, ...]


def compare_policies(
    settings: Path,
    replayed: Sequence[Replayed],
    *,
    seed: int,
    tick: Callable[[int], None] = lambda _: None,
) -> Policies:
    """Decide part of the replay again under both policies, each in a process of its own.

    ``tick`` gets the decisions done.
    """
    folder = settings.parent
    best = _changed(folder, "catalog_best", {"channels.toml": ("exploration = ", "")})
    likeliest = _changed(
        folder,
        "catalog_likeliest",
        {"channels.toml": ("exploration = ", ""), "offers.toml": ("value = ", "value = 1.0")},
    )
    labeled = [one.decision_id for one in replayed if one.time < LAST_LABEL]
    chosen = labeled[:: max(1, len(labeled) // DECISIONS)]
    policies = {"always the best": best, "always the likeliest, money aside": likeliest}
    context = get_context("spawn")
    ticks: Ticks = context.SimpleQueue()
    with ProcessPoolExecutor(
        len(policies), mp_context=context, initializer=_tick_to, initargs=(ticks,)
    ) as pool:
        running = {
            name: pool.submit(_evaluated, name, catalog, settings, chosen, seed)
            for name, catalog in policies.items()
        }
        waiting = set(running.values())
        while waiting:
            ended, waiting = wait(waiting, _LOOK_SECONDS, FIRST_EXCEPTION)
            while not ticks.empty():
                tick(ticks.get())
            for future in ended:
                future.result()  # what went wrong is told at once
        found = {name: future.result() for name, future in running.items()}
    for catalog in policies.values():
        shutil.rmtree(catalog)
    one = next(iter(found.values()))
    return Policies(
        decisions=one.decisions,
        logged=one.logged,
        others=tuple(_policy(name, other) for name, other in found.items()),
    )


_ticks: list[Ticks] = []  # of this process: where it tells how far it is


def _tick_to(ticks: Ticks) -> None:
    _ticks.append(ticks)


def _evaluated(
    name: str, catalog: Path, settings: Path, decisions: Sequence[str], seed: int
) -> Evaluation:
    """What the policy of another catalog would have found in the placement that explores."""
    with open_logged(settings) as logged:

        def records() -> Iterator[DecisionRecord]:
            for done, decision_id in enumerate(decisions, 1):
                record = logged.log.read(decision_id)
                if record is not None:
                    yield record
                if done % _AT_ONCE == 0:
                    _ticks[0].put(_AT_ONCE)

        picks = logged_picks(
            records(),
            logged.store,
            logged.snapshot.catalog,
            logged.catalog_of,
            under_test=logged.another(catalog),
        ).picks
        drawn = picks.where(np.asarray(picks.placement == EXPLORED, np.bool_))
        return evaluate(drawn, source=name, options=Options(seed=seed))


def _policy(name: str, found: Evaluation) -> Policy:
    return Policy(
        name=name,
        value=found.estimates[best_estimate(found)] if found.supported else None,
        effective_sample_size=found.effective_sample_size,
        verdict=verdict(found),
        notes=_notes(found),
    )


def _notes(found: Evaluation) -> tuple[str, ...]:
    """The warnings; of places that cannot be judged one line."""
    if not found.supported:
        return ()
    refused = {
        f"{one.place} is left out: {one.refused}": one for one in found.places if one.refused
    }
    notes = [note for note in found.notes if note not in refused]
    if refused:
        where = "; ".join(
            f"{one.place} ({one.effective_sample_size:,.0f})" for one in refused.values()
        )
        notes.insert(
            0,
            "Left out, since what this policy would show there was hardly ever drawn (effective sample "
            f"size below {ENOUGH}): {where}.",
        )
    return tuple(notes)


def _changed(folder: Path, name: str, changes: Mapping[str, tuple[str, str]]) -> Path:
    """A copy of the catalog: in each file, lines that begin so are replaced, or left out."""
    copy = folder / name
    shutil.copytree(folder / "catalog", copy)
    for file, (beginning, instead) in changes.items():
        lines = (copy / file).read_text("utf-8").splitlines()
        changed = [instead if one.startswith(beginning) else one for one in lines]
        (copy / file).write_text("\n".join(changed) + "\n", "utf-8")
    return copy

"""Whether the decisions can be trusted: candidates add up, limits hold, explanations are true."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from nba_demo.actions import Offer
from nba_demo.assumptions import LIMITS
from nba_demo.catalog_files import ASKED
from nba_demo.data import TIME_ZONE, Year
from nba_demo.replay import Replayed
from nba_engine.app import App, open_app
from nba_engine.domain import MICROS, CandidateTrace, Change
from nba_engine.engine import Engine

__all__ = [
    "PER_CODE",
    "Explained",
    "LimitsHeld",
    "Sums",
    "check_explanations",
    "check_limits",
    "check_sums",
    "count_candidates",
    "expected_tries",
]

PER_CODE = 20
_ROUNDS = 3  # named changes applied one after the other
_PROCESSES = 2


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Candidates counted from the catalog's files, against recommended + dropped.

    ``weighed``: in all decisions that were ``checked``.
    """

    per_placement: Mapping[str, int]
    weighed: int
    checked: int
    violations: int


class LimitsHeld(msgspec.Struct, frozen=True, kw_only=True):
    """Accounts recounted from what was shown, and how many were above their amount."""

    accounts: dict[str, int]
    violations: int


class Explained(msgspec.Struct, kw_only=True):
    """Of one reason code: explanations whose named change was applied, and how it went.

    ``first``: passed with the change named first; ``later``: after applying what was named then.
    """

    tried: int = 0
    first: int = 0
    later: int = 0
    failed: list[str] = []

    @property
    def passed(self) -> int:
        """Candidates that were seen to pass the stage."""
        return self.first + self.later


def count_candidates(folder: Path) -> dict[str, int]:
    """Placement → (treatment, placement) pairs, counted from ``catalog/*.toml`` alone."""
    tables: dict[str, dict[str, Any]] = {}
    for file in sorted((folder / "catalog").glob("*.toml")):
        for name, table in tomllib.loads(file.read_text("utf-8")).items():
            tables.setdefault(name, {}).update(table)
    sets = tables["treatment_sets"]
    counts = dict.fromkeys(tables["placements"], 1)  # one of *nothing* each
    for action in tables["actions"].values():
        for treatment in sets.get(action.get("treatments_from", ""), {}).values():
            for placement in treatment["placements"]:
                counts[placement] += 1
    return counts


def check_sums(folder: Path, replayed: Sequence[Replayed]) -> Sums:
    """For every decision: counted = said to be weighed = recommended + sum of dropped."""
    counts = count_candidates(folder)
    expected = [sum(counts[placement] for placement in one.asked) for one in replayed]
    wrong = sum(
        not number == one.candidates == len(one.shown) + sum(one.dropped.values())
        for number, one in zip(expected, replayed, strict=True)
    )
    return Sums(
        per_placement={placement: counts[placement] for placement in ASKED},
        weighed=sum(expected),
        checked=len(replayed),
        violations=wrong,
    )


def check_limits(year: Year, offers: Sequence[Offer], replayed: Sequence[Replayed]) -> LimitsHeld:
    """Recount the limits with constant amounts from what the client was shown."""
    zone = ZoneInfo(TIME_ZONE)
    pets = {offer.id for offer in offers if "pet" in offer.tags}
    used: dict[str, Counter[tuple[Any, ...]]] = {name: Counter() for name in _AMOUNTS}
    for one in replayed:
        day = datetime.fromtimestamp(one.time, zone).date()
        week = day - timedelta(days=day.weekday())
        month = (day.year, day.month)
        household = int(year.basket_household[one.basket])
        for shown in one.shown:
            if shown.action == "nothing":
                continue
            if shown.channel == "email":
                used["email_week"][household, week] += 1
            if shown.channel == "letter":
                used["letter_month"][household, month] += 1
            if shown.channel == "call":
                used["call_center"][(day,)] += 1
            if shown.channel == "app" and shown.action in pets:
                used["pet_day"][household, day] += 1
            if shown.action in {"win_back", "loyalty"}:
                used["relations_month"][household, shown.action, month] += 1
            else:
                used["autumn_budget"][()] += shown.cost
    violations = sum(
        amount > _AMOUNTS[name] for name, accounts in used.items() for amount in accounts.values()
    )
    return LimitsHeld(
        accounts={name: len(accounts) for name, accounts in used.items()}, violations=violations
    )


_AMOUNTS: Mapping[str, float] = {
    "email_week": LIMITS["email_week"],
    "letter_month": LIMITS["letter_month"],
    "call_center": LIMITS["calls_day"],
    "relations_month": LIMITS["relations_month"],
    "pet_day": LIMITS["pet_day"],
    "autumn_budget": LIMITS["campaign_money"] * MICROS,
}


def check_explanations(
    settings: Path,
    replayed: Sequence[Replayed],
    *,
    seed: int,
    per_code: int = PER_CODE,
    tick: Callable[[int], None] = lambda _: None,
) -> dict[str, Explained]:
    """Apply the named change of explanations, decide again, and see the candidate pass.

    Per reason code, explanations of decisions spread over the replay by ``seed``. A change of the
    time may lead into a week whose limits later decisions of the replay have used, and a shared
    limit may have been used up by others between reading and reserving: what is named then is
    applied too, and the count says so. Runs in processes of its own.
    """
    assigned = _assign(replayed, seed, per_code)
    seeds = [[seed, at] for at in range(len(assigned))]
    found: dict[str, Explained] = {}
    with ProcessPoolExecutor(
        _PROCESSES,
        mp_context=get_context("spawn"),
        initializer=_open,
        initargs=(settings,),
    ) as pool:
        for result in pool.map(_check_decision, assigned, seeds):
            for code, one in msgspec.msgpack.decode(result, type=dict[str, Explained]).items():
                total = found.setdefault(code, Explained())
                total.tried += one.tried
                total.first += one.first
                total.later += one.later
                total.failed.extend(one.failed)
                tick(one.tried)
    return dict(sorted(found.items()))


def expected_tries(replayed: Sequence[Replayed], *, per_code: int = PER_CODE) -> int:
    """How many explanations `check_explanations` will try, at most."""
    holding: Counter[str] = Counter()
    for one in replayed:
        holding.update(one.dropped)
    return sum(min(count, per_code) for count in holding.values())


def _assign(
    replayed: Sequence[Replayed], seed: int, per_code: int
) -> list[tuple[str, tuple[str, ...]]]:
    """Decisions with the reason codes that each of them is asked about."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(replayed)).tolist()
    holding: Counter[str] = Counter(code for one in replayed for code in one.dropped)
    wanted = dict.fromkeys(holding, per_code)
    assigned: dict[int, list[str]] = {}
    # rare codes first: decisions that have them can answer for the frequent ones too
    for code in sorted(holding, key=lambda code: holding[code]):
        candidates = [*assigned, *(at for at in order if at not in assigned)]
        having = [at for at in candidates if code in replayed[at].dropped][:per_code]
        # where few decisions have a code, each answers for several of its candidates
        for turn in range(per_code):
            for at in having:
                if wanted[code] and replayed[at].dropped[code] > turn:
                    assigned.setdefault(at, []).append(code)
                    wanted[code] -= 1
    return [(replayed[at].decision_id, tuple(codes)) for at, codes in assigned.items()]


_apps: list[App] = []  # of this process: opened once by the pool


def _open(settings: Path) -> None:
    _apps.append(open_app(settings))


def _check_decision(assigned: tuple[str, tuple[str, ...]], seed: Sequence[int]) -> bytes:
    decision_id, codes = assigned
    app = _apps[0]
    found: dict[str, Explained] = {}
    order = {stage.stage: at for at, stage in enumerate(app.settings.pipeline)}
    random = np.random.default_rng(seed)
    traces = app.engine.explain(decision_id).candidates
    for code, times in Counter(codes).items():
        stage, _, reason = code.partition("/")
        able = [
            trace
            for trace in traces
            if trace.stage == stage and trace.reason == reason and _applicable(trace)
        ]
        for at in random.permutation(len(able))[:times].tolist():
            one = found.setdefault(code, Explained())
            _try(app.engine, decision_id, able[at], order, one)
    return msgspec.msgpack.encode(found)


def _try(
    engine: Engine,
    decision_id: str,
    trace: CandidateTrace,
    order: Mapping[str, int],
    one: Explained,
) -> None:
    changes: list[Change] = list(trace.changes)
    one.tried += 1
    for attempt in range(_ROUNDS):
        after = next(
            other
            for other in engine.what_if(
                decision_id, changes, treatments=[trace.treatment]
            ).candidates
            if other.placement == trace.placement
        )
        if not after.stage or order[after.stage] > order[trace.stage]:
            if attempt:
                one.later += 1
            else:
                one.first += 1
            return
        if after.reason != "limit_exhausted" or not _applicable(after):
            break
        changes += after.changes
    one.failed.append(f"{decision_id} {trace.placement} {trace.treatment}: {after.text}")


def _applicable(trace: CandidateTrace) -> bool:
    return bool(trace.changes) and all(change.kind != "none" for change in trace.changes)

"""Where candidates went, what was spent, how long it took: counted over all decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from nba_demo.data import DAY, TIME_ZONE
from nba_demo.replay import Replayed
from nba_engine.domain import MICROS, CatalogView, Limit, Usage, Window

__all__ = ["FunnelLine", "LimitUse", "Speed", "contacts", "funnel", "limit_use", "speed", "spend"]


class FunnelLine(msgspec.Struct, frozen=True, kw_only=True):
    """How many candidates a stage dropped for a reason, over all decisions."""

    stage: str
    reason: str
    candidates: int


class LimitUse(msgspec.Struct, frozen=True, kw_only=True):
    """What was used of a limit, over all its accounts; money in the catalog's currency."""

    limit: str
    name: str
    measure: str
    amount: str
    window: str
    accounts: int
    used: float
    full: int | None  # accounts without room for one more; None: the amount differs by customer
    assumption: str


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds per decision, as the client saw them and inside the engine's stages."""

    client_p50: float
    client_p99: float
    engine_p50: float
    engine_p99: float
    per_second: float
    in_flight: int


def funnel(replayed: Sequence[Replayed], stages: Sequence[str]) -> list[FunnelLine]:
    """In the order of the pipeline, the largest reason of a stage first."""
    total: Counter[str] = Counter()
    for one in replayed:
        total.update(one.dropped)
    lines = [
        FunnelLine(stage=stage, reason=reason, candidates=count)
        for (stage, _, reason), count in ((key.partition("/"), n) for key, n in total.items())
    ]
    order = {stage: at for at, stage in enumerate(stages)}
    return sorted(lines, key=lambda one: (order.get(one.stage, len(order)), -one.candidates))


def contacts(replayed: Sequence[Replayed]) -> dict[str, dict[str, int]]:
    """Channel → kind of action (offer, win_back, loyalty, nothing) → recommendations."""
    found: dict[str, Counter[str]] = {}
    for one in replayed:
        for shown in one.shown:
            kind = shown.action if shown.action in _OTHERS else "offer"
            found.setdefault(shown.channel, Counter())[kind] += 1
    return {channel: dict(kinds) for channel, kinds in found.items()}


_OTHERS = frozenset({"win_back", "loyalty", "nothing"})


def limit_use(catalog: CatalogView, usage: Sequence[Usage]) -> list[LimitUse]:
    """Every limit with what its accounts hold in the ledger."""
    by_limit: dict[str, list[Usage]] = {}
    for one in usage:
        by_limit.setdefault(one.limit, []).append(one)
    return [
        _used(limit, by_limit.get(limit.id, []), _smallest(catalog, at))
        for at, limit in enumerate(catalog.limits)
    ]


def _used(limit: Limit, accounts: Sequence[Usage], one_more: float) -> LimitUse:
    unit = MICROS if limit.measure == "money" else 1
    held = [(one.spent + one.reserved) / unit for one in accounts]
    constant = isinstance(limit.amount, int | float)
    amount = float(limit.amount) if isinstance(limit.amount, int | float) else 0.0
    return LimitUse(
        limit=limit.id,
        name=limit.name,
        measure=limit.measure,
        amount=f"{amount:g}" if isinstance(limit.amount, int | float) else limit.amount.text,
        window=_window(limit.window),
        accounts=len(accounts),
        used=round(sum(held), 2),
        full=sum(one + one_more > amount + 1e-9 for one in held) if constant else None,
        assumption=limit.assumption,
    )


def _window(window: Window) -> str:
    return f"{window.seconds / DAY:g} days" if window.unit == "rolling" else window.unit


def _smallest(catalog: CatalogView, limit: int) -> float:
    """What one more contact takes at least."""
    if catalog.limits[limit].measure == "contacts":
        return 1.0
    drawing = [at for at, limits in enumerate(catalog.limits_of) if limit in limits]
    return float(catalog.cost[drawing].min()) if drawing else 0.0


def speed(replayed: Sequence[Replayed], seconds: float, in_flight: int) -> Speed:
    """Percentiles over all decisions; ``seconds`` is the wall time of the whole replay."""
    client = np.array([one.seconds for one in replayed]) * 1e3
    engine = np.array([sum(one.stage_micros.values()) for one in replayed]) / 1e3
    return Speed(
        client_p50=round(float(np.percentile(client, 50)), 2),
        client_p99=round(float(np.percentile(client, 99)), 2),
        engine_p50=round(float(np.percentile(engine, 50)), 2),
        engine_p99=round(float(np.percentile(engine, 99)), 2),
        per_second=round(len(replayed) / seconds, 1),
        in_flight=in_flight,
    )


def spend(replayed: Sequence[Replayed], start: float) -> Mapping[str, list[float]]:
    """``campaign/channel`` → money spent per local day from ``start`` on.

    Category offers belong to the campaign ``autumn``, win-back and thanks to ``relations``.
    """
    days = int(max((one.time for one in replayed), default=start) - start) // int(DAY) + 1
    zone = ZoneInfo(TIME_ZONE)
    perday: dict[str, list[float]] = {}
    for one in replayed:
        day = (datetime.fromtimestamp(one.time, zone).date() - _day(start)).days
        for shown in one.shown:
            if shown.cost:
                campaign = "relations" if shown.action in _OTHERS else "autumn"
                line = perday.setdefault(f"{campaign}/{shown.channel}", [0.0] * days)
                line[min(day, days - 1)] += shown.cost / MICROS
    return {name: [round(one, 2) for one in line] for name, line in sorted(perday.items())}


def _day(time: float) -> date:
    return datetime.fromtimestamp(time, ZoneInfo(TIME_ZONE)).date()

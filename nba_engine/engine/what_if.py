"""The same decision under changed circumstances: nothing is reserved, nothing logged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from nba_engine.domain import (
    CatalogView,
    Change,
    Consent,
    CustomerState,
    CustomerView,
    Deciding,
    DecisionRecord,
    DecisionRequest,
    Explanation,
    PlanRead,
    Reads,
    Stage,
)
from nba_engine.engine.decide import prepare, settle
from nba_engine.engine.replay import (
    RecordedReads,
    Replayed,
    Told,
    Watch,
    check_same,
    check_versions,
    decided_again,
    explained,
    replay,
    supposed_decision,
)
from nba_engine.engine.requests import time_problem
from nba_engine.engine.snapshot import Snapshot
from nba_engine.engine.supposed import SupposedReads
from nba_engine.engine.types import reader_of
from nba_engine.errors import InvalidRequest, Violation
from nba_engine.settings import suggest
from nba_engine.stages.limits import FLOOR, LimitCells

__all__ = ["what_if"]

_CONSENTS = reader_of("list<string>")


def what_if(
    snapshot: Snapshot,
    record: DecisionRecord,
    changes: Sequence[Change],
    live: Reads,
    plan_at: Callable[[PlanRead, float], PlanRead | None] = lambda plan, _: plan,
    told: Told = None,
) -> Explanation:
    """Replay a logged decision with changes applied. Raises `InvalidRequest` for a bad change.

    ``plan_at``: the plan on record as it is at another time; None: it is not in force then.
    ``told``: the treatments whose candidates are told of.
    """
    check_versions(snapshot, record)
    _check(changes, snapshot)
    recorded = RecordedReads(record, live)
    as_it_was = replay(snapshot, record, recorded, None)
    check_same(record, as_it_was.recommendations, settle(as_it_was))
    catalog, pipeline = snapshot.catalog, snapshot.pipeline
    if any(change.kind in {"limit", "lever", "control_group"} for change in changes):
        catalog = _changed_catalog(catalog, changes)
        pipeline = snapshot.rebuild(catalog)
    request, plan = snapshot.requests.read(
        _changed_request(record.request, changes), simulated=True
    )
    times = [float(change.value) for change in changes if change.kind == "time"]
    prices = _supposed_prices(catalog, changes)
    read = record.contact_plan
    if times and read is not None:
        read = plan_at(read, max(times))

    used: dict[str, int] = {}

    def unread(accounts: tuple[str, ...]) -> Mapping[str, int]:
        """What is used now; the same every time the decision is made again."""
        new = tuple(account for account in accounts if account not in used)
        if new:
            used.update(dict.fromkeys(new, 0) | dict(live.usage(new)))
        return {account: used[account] for account in accounts}

    def again(asked: Told) -> Replayed:
        deciding = prepare(
            catalog,
            request,
            plan,
            decision_id=record.decision_id,
            reads=SupposedReads(record, recorded, unread),
            now=max(times) if times else record.time,
            seed=record.seed,
        )
        deciding.decided_by = record.decided_by
        deciding.prices = {**record.prices, **prices}
        deciding.plan_of = _changed_plan(read, prices)
        watch = Watch(catalog, asked)
        overlay = _Overlay(changes)

        def after(name: str, stage: Stage, deciding: Deciding, before: int) -> None:
            overlay.apply(deciding)
            watch(name, stage, deciding, before)

        pipeline.replay(deciding, failed=record.failed, after=after)
        return Replayed(deciding, settle(deciding), watch.finished(deciding))

    replayed = decided_again(catalog, again, told)
    return explained(catalog, supposed_decision(snapshot, replayed), replayed, told)


class _Overlay:
    """Attributes and consents laid over the customer as soon as the profile is there."""

    def __init__(self, changes: Sequence[Change]) -> None:
        attributes = {c.target: c.value for c in changes if c.kind == "attribute"}
        self._values = {name: value for name, value in attributes.items() if value is not None}
        self._removed = [name for name, value in attributes.items() if value is None]
        self._consents = [change.target for change in changes if change.kind == "consent"]
        self._pending = bool(attributes or self._consents)

    def apply(self, deciding: Deciding) -> None:
        view = deciding.customer
        if not self._pending or not isinstance(view, CustomerView):
            return
        self._pending = False
        values: dict[str, Any] = dict(self._values)
        consents = list(values["consents"] if "consents" in values else view["consents"])
        values["consents"] = [*consents, *(c for c in self._consents if c not in consents)]
        deciding.customer = view.changed(values, removed=self._removed)
        state = deciding.state
        if state is None:
            return
        granted = {word: Consent(granted=True, time=deciding.now) for word in values["consents"]}
        declined = {
            word: consent
            for word, consent in state.consents.items()
            if not consent.granted and word not in granted
        }
        attributes = {
            name: value for name, value in state.attributes.items() if name not in self._removed
        }
        deciding.state = msgspec.structs.replace(
            state,
            attributes={**attributes, **self._values},
            consents={**declined, **granted},
        )


def _changed_plan(
    plan: PlanRead | None, prices: Mapping[str, float]
) -> Callable[[CustomerState], PlanRead | None]:
    """The customer's plan at the prices that are supposed."""
    if plan is not None:
        changed = {name: prices.get(name, price) for name, price in plan.prices.items()}
        plan = msgspec.structs.replace(plan, prices=changed)
    return lambda _: plan


def _supposed_prices(catalog: CatalogView, changes: Sequence[Change]) -> dict[str, float]:
    """The prices that are supposed; one of a limit, or of its minimum, is that of all of its accounts."""
    prices: dict[str, float] = {}
    wanted = {c.target: float(c.value) for c in changes if c.kind == "price"}
    for position, limit in enumerate(catalog.limits if wanted else ()):
        cells = LimitCells(catalog, position)
        for names, whole in ((cells.names, limit.id), (cells.floors, f"{limit.id}{FLOOR}")):
            for name in names:
                price = wanted.get(name, wanted.get(whole))
                if price is not None:
                    prices[name] = price
    return prices


def _changed_request(request: DecisionRequest, changes: Sequence[Change]) -> DecisionRequest:
    context = dict(request.context)
    for change in changes:
        if change.kind != "context":
            continue
        if change.value is None:
            context.pop(change.target, None)
        else:
            context[change.target] = change.value
    return msgspec.structs.replace(request, context=context)


def _changed_catalog(catalog: CatalogView, changes: Sequence[Change]) -> CatalogView:
    levers: dict[str, float] = {}
    for change in changes:
        if change.kind == "lever":
            levers[change.target] = levers.get(change.target, 1.0) * float(change.value)
    return catalog.changed(
        limit_amounts={c.target: float(c.value) for c in changes if c.kind == "limit"},
        levers=levers,
        control_share=0.0
        if any(c.kind == "control_group" and not c.target for c in changes)
        else None,
        without_control={c.target for c in changes if c.kind == "control_group" and c.target},
    )


def _check(changes: Sequence[Change], snapshot: Snapshot) -> None:
    """Raises `InvalidRequest` with every change that cannot be applied."""
    violations: list[Violation] = []
    catalog = snapshot.catalog
    limits = {limit.id for limit in catalog.limits}
    priced = _priced(catalog) if any(change.kind == "price" for change in changes) else limits
    groups = {group.id for group in catalog.control_groups}
    for position, change in enumerate(changes):
        field = f"changes[{position}]"
        if change.kind == "none":
            description = "this change tells what it would take; it cannot be applied"
            violations.append(Violation(field=f"{field}.kind", description=description))
        elif change.kind in {"time", "limit", "price", "lever"} and not _is_number(change.value):
            description = f"a change of {change.kind} needs a finite number"
            violations.append(Violation(field=f"{field}.value", description=description))
        elif change.kind == "time" and (problem := time_problem(float(change.value))):
            violations.append(Violation(field=f"{field}.value", description=problem))
        elif change.kind == "price" and float(change.value) < 0:
            violations.append(
                Violation(field=f"{field}.value", description="a price is at least 0")
            )
        elif (change.kind == "limit" and change.target not in limits) or (
            change.kind == "price" and change.target not in priced
        ):
            remedy = suggest(change.target, priced if change.kind == "price" else limits, "limits")
            description = f"no limit {change.target!r} ({remedy})"
            violations.append(Violation(field=f"{field}.target", description=description))
        elif change.kind == "control_group" and change.target not in {"", *groups}:
            description = f"no control group {change.target!r}"
            violations.append(Violation(field=f"{field}.target", description=description))
        elif change.kind == "lever" and change.target not in catalog.treatment_index:
            description = f"there is no treatment {change.target!r}"
            violations.append(Violation(field=f"{field}.target", description=description))
        elif change.kind in {"attribute", "consent", "context"} and not change.target:
            description = f"a change of {change.kind} needs a target"
            violations.append(Violation(field=f"{field}.target", description=description))
        elif change.kind == "attribute" and (problem := _misfit(change, snapshot)):
            violations.append(Violation(field=f"{field}.value", description=problem))
    if violations:
        raise InvalidRequest(violations)


def _priced(catalog: CatalogView) -> set[str]:
    """What a price may be of: limits, what they are to reach, and the accounts of both."""
    names = {limit.id for limit in catalog.limits}
    names |= {f"{limit.id}{FLOOR}" for limit in catalog.limits if limit.at_least}
    for position in range(len(catalog.limits)):
        cells = LimitCells(catalog, position)
        names.update(cells.names, cells.floors)
    return names


def _misfit(change: Change, snapshot: Snapshot) -> str:
    """What is wrong with the value of an attribute; None takes it away, aggregates may be any."""
    reader = _CONSENTS if change.target == "consents" else snapshot.attributes.get(change.target)
    if reader is None or change.value is None:
        return ""
    try:
        reader(change.value)
    except ValueError as error:
        return str(error)
    return ""


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False

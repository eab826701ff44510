"""A small shop with real components: catalog, store, log, built-in stages, and a prior stage.

The prior stage stands where a model would: it is a plugin like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nba_engine.app.assembly import Assembly
from nba_engine.app.plugins import load_plugins
from nba_engine.domain import (
    Consent,
    Deciding,
    DecisionRequest,
    NoSettings,
    PlacementRequest,
    ProfileUpdate,
    Resources,
    StageFactory,
)
from nba_engine.engine import Engine
from nba_engine.plugin import Register, hookimpl
from nba_engine.settings import BreakerSettings, Settings, StageSettings
from nba_engine.store import open_log, open_store

NOON = 1_510_056_000.0  # Tuesday, 7 November 2017, 12:00 UTC
DAY = 86_400.0
STAGES = (
    "profile",
    "eligibility",
    "contact_policy",
    "prior",
    "cross_sell",
    "value",
    "arbitration",
    "slate",
)

CATALOG = """
[catalog]
currency = "USD"
time_zone = "UTC"
[attributes.age]
type = "int"
[attributes.first_name]
type = "string"
[attributes.income]
type = "double"
[attributes.secret]
type = "string"
sensitive = true
[context.cart]
type = "list<string>"
[context.hour]
type = "double"
[aggregates.purchases]
kind = "count"
types = ["purchase"]
[aggregates.last_bought]
kind = "last"
types = ["purchase"]
by = "category"
[channels.app]
name = "App"
[channels.email]
name = "E-mail"
direction = "outbound"
consent = "marketing"
quiet_hours = ["21:00", "08:00"]
[placements.banner]
channel = "app"
slots = 2
[placements.newsletter]
channel = "email"
[actions.nothing]
name = "Nothing"
kind = "nothing"
[actions.milk]
name = "Milk"
prior = 0.30
value = 2.0
owned_for = "14d"
complements = ["cereal"]
attributes = { category = "MILK" }
treatments_from = "standard"
[actions.cereal]
name = "Cereal"
prior = 0.20
value = 3.0
attributes = { category = "CEREAL" }
treatments_from = "standard"
[actions.wine]
name = "Wine"
prior = 0.10
value = 5.0
tags = ["adult"]
attributes = { category = "WINE" }
treatments_from = "standard"
[actions.bread]
name = "Bread"
prior = 0.10
value = 1.0
attributes = { category = "BREAD" }
treatments_from = "standard"
[actions.gadget]
name = "Gadget"
prior = 0.001
value = 1.0
attributes = { category = "GADGET" }
[actions.gadget.treatments.app]
channel = "app"
cost = 0.5
[treatment_sets.standard]
app = { channel = "app", cost = 0.01, content = { title = "{{ action.name }} for you" } }
email = { channel = "email", cost = 0.02, content = { body = "Dear {{ customer.first_name }}" } }
[rules.adults]
tier = "eligibility"
when = "customer.age >= 18"
applies_to = { tags = ["adult"] }
[limits.email_week]
name = "E-mails a week"
scope = ["customer"]
measure = "contacts"
amount = 1
window = "week"
applies_to = { channels = ["email"] }
"""


class Prior:
    """Takes the action's prior as propensity."""

    def __init__(self, _settings: NoSettings, resources: Resources) -> None:
        self._prior = resources.catalog.prior

    def apply(self, deciding: Deciding) -> None:
        candidates = deciding.candidates
        candidates["propensity"] = self._prior[candidates.index]


class TestStages:
    """A plugin that offers the prior stage, and whatever else a test brings."""

    __test__ = False
    nba_plugin_api = "1.0"

    def __init__(self, **more: StageFactory[Any]) -> None:
        self._stages = {"prior": StageFactory(build=Prior, on_error="fall_back"), **more}

    @hookimpl
    def nba_stages(self) -> Mapping[str, StageFactory[Any]]:
        return self._stages


def register_with(**more: StageFactory[Any]) -> Register:
    plugins = load_plugins()
    plugins.add("tests", lambda: TestStages(**more))
    return plugins.require()


@contextmanager
def shop(
    folder: Path,
    *,
    catalog: str = CATALOG,
    stages: Sequence[str | StageSettings] = STAGES,
    simulated: bool = True,
    breaker: BreakerSettings | None = None,
    queue: int = 1000,
    clock: Callable[[], float] = lambda: NOON,
    **more: StageFactory[Any],
) -> Iterator[Engine]:
    """An engine over a fresh store with two customers: crm:1 (an adult) and crm:2 (a child)."""
    settings = Settings(
        pipeline=tuple(
            StageSettings(stage=stage) if isinstance(stage, str) else stage for stage in stages
        ),
        breaker=breaker or BreakerSettings(),
    )
    assembly = Assembly(settings, register_with(**more))
    snapshot = assembly({"shop.toml": catalog})
    store = open_store(folder / "shop.db", simulated=simulated)
    log = open_log(folder / "decisions.db", queue=queue)
    engine = Engine(snapshot, store, log, assemble=assembly, clock=clock)
    try:
        store.update(
            [
                ProfileUpdate(
                    identity="crm:1",
                    attributes={"age": 40, "first_name": "Ada", "income": 50.0},
                    consents={"marketing:email": Consent(granted=True, time=NOON - DAY)},
                ),
                ProfileUpdate(identity="crm:2", attributes={"age": 12, "first_name": "Bo"}),
            ]
        )
        yield engine
    finally:
        log.close()
        store.close()


@contextmanager
def another(
    engine: Engine, folder: Path, *, clock: Callable[[], float] = lambda: NOON
) -> Iterator[Engine]:
    """The same engine in another process, as far as its files can tell."""
    store, log = open_store(folder / "shop.db"), open_log(folder / "decisions.db")
    try:
        yield Engine(engine._snapshot, store, log, clock=clock)
    finally:
        log.close()
        store.close()


def ask(
    identity: str = "crm:1",
    *placements: str,
    time: float | None = NOON,
    seed: int | None = 1,
    slots: int = 0,
    request_id: str = "",
    **context: Any,
) -> DecisionRequest:
    return DecisionRequest(
        identity=identity,
        placements=tuple(PlacementRequest(p, slots) for p in placements or ("banner",)),
        context=context,
        request_id=request_id,
        time=time,
        seed=seed,
    )

"""Runs a scenario file through the real application: settings, catalog, plugins, SQLite store."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from nba_engine.app import App, open_app
from nba_engine.domain import (
    Consent,
    Decision,
    DecisionRequest,
    Interaction,
    PlacementRequest,
    ProfileUpdate,
)
from nba_engine.store import open_store

HERE = Path(__file__).parent
PIPELINE = [
    "profile",
    "eligibility",
    "contact_policy",
    "given_propensity",
    "cross_sell",
    "value",
    "arbitration",
    "slate",
]


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    """One file: a world, then steps in order. Times are TOML date-times."""

    about: str
    step: list[dict[str, Any]]
    base: str = "shop"  # a file of catalogs/, "" for none
    catalog: str = ""  # more of it
    files: dict[str, str] = {}  # further files of it: decision tables
    settings: dict[str, dict[str, Any]] = {}  # stage → its settings
    pipeline: list[dict[str, Any]] = []  # instead of the usual one
    models: dict[str, str] = {}  # name → "plugin:…"
    sinks: dict[str, dict[str, Any]] = {}
    breaker: dict[str, Any] = {}
    affinities: dict[str, Any] = {}  # what was fitted of aggregates
    store: str = "sqlite"  # the scheme of its address
    profiles: dict[str, dict[str, Any]] = {}  # identity → attributes
    consents: dict[str, list[str]] = {}  # identity → "purpose:channel", "-" before a refused one
    now: dt.datetime = dt.datetime(2017, 11, 6, 15, 0, tzinfo=dt.UTC)  # a Monday, 10:00 there


def read(path: Path) -> Scenario:
    """A scenario from its file."""
    return msgspec.convert(tomllib.loads(path.read_text()), Scenario)


def open_world(scenario: Scenario, folder: Path) -> App:
    """An application whose settings, catalog and plugin are files in ``folder``."""
    catalog = folder / "catalog"
    catalog.mkdir()
    if scenario.base:
        base = (HERE / "catalogs" / f"{scenario.base}.toml").read_text()
        (catalog / "base.toml").write_text(base)
    if scenario.catalog:
        (catalog / "more.toml").write_text(scenario.catalog)
    for name, text in scenario.files.items():
        (catalog / name).parent.mkdir(exist_ok=True)
        (catalog / name).write_text(text)
    pipeline = scenario.pipeline or [{"stage": stage} for stage in PIPELINE]
    for stage in pipeline:
        stage.setdefault("settings", scenario.settings.get(stage["stage"], {}))
    if scenario.affinities:
        (folder / "tables").mkdir()
        (folder / "tables/affinities.json").write_text(json.dumps(scenario.affinities))
    settings = {
        "store": {
            "url": f"{scenario.store}:{folder}/nba.db",
            "decision_log": f"{folder}/decisions.db",
        },
        "catalog": {"path": str(catalog)},
        "pipeline": pipeline,
        "models": scenario.models,
        "sinks": scenario.sinks,
        "breaker": scenario.breaker,
    }
    lines = [f"{name} = {_inline(value)}" for name, value in settings.items()]
    (folder / "nba.toml").write_text("\n".join(lines))
    open_store(f"sqlite:{folder}/nba.db", create=True, simulated=True).close()
    app = open_app(folder / "nba.toml", environ={})
    updates = [
        ProfileUpdate(
            identity=identity,
            attributes=scenario.profiles.get(identity, {}),
            consents=dict(_consent(word) for word in scenario.consents.get(identity, [])),
        )
        for identity in {**scenario.profiles, **scenario.consents}
    ]
    for update in updates:
        app.engine.update_profile(update)
    return app


def install_plugin(folder: Path) -> None:
    """A distribution that offers `faulty` through an entry point, as pip would leave it."""
    info = folder / "scenario_stages-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scenario-stages\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nba_engine]\nscenarios = tests.scenarios.faulty\n")


def request(step: dict[str, Any], now: dt.datetime) -> DecisionRequest:
    """A step's ``decide`` as a request."""
    asked = step["decide"]
    placements = [
        PlacementRequest(each) if isinstance(each, str) else PlacementRequest(**each)
        for each in asked["placements"]
    ]
    return DecisionRequest(
        identity=asked.get("identity", "crm:1"),
        placements=tuple(placements),
        context=asked.get("context", {}),
        time=asked.get("time", now).timestamp(),
        seed=asked.get("seed", 1),
    )


def interactions(step: dict[str, Any], ids: dict[str, str], now: dt.datetime) -> list[Interaction]:
    """A step's ``record``; ``recommendation`` names a treatment recommended before."""
    return [
        Interaction(
            interaction_id=each.get("id", f"i{number}"),
            identity=each.get("identity", "crm:1"),
            type=each["type"],
            time=each.get("time", now).timestamp(),
            properties=each.get("properties", {}),
            recommendation_id=ids.get(each.get("recommendation", ""), ""),
        )
        for number, each in enumerate(step["record"])
    ]


def recommended(decision: Decision) -> dict[str, list[str]]:
    """Placement → treatments, in order."""
    found: dict[str, list[str]] = {}
    for each in sorted(decision.recommendations, key=lambda r: r.position):
        found.setdefault(each.placement, []).append(each.treatment)
    return found


def _inline(value: object) -> str:
    """A value as TOML on one line; JSON is TOML but for tables."""
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(name)} = {_inline(each)}" for name, each in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(_inline(each) for each in value)}]"
    return json.dumps(value)


def _consent(word: str) -> tuple[str, Consent]:
    return word.removeprefix("-"), Consent(granted=not word.startswith("-"), time=0.0)

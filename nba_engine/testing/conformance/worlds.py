"""Two small engines on disk for each offer: one that does without it, one that uses it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from nba_engine.catalog import Catalog
from nba_engine.domain import Feature, Manifest, ModelFactory, RuleFunction
from nba_engine.models import CsrTable, load_manifest, save_table, write_manifest
from nba_engine.plugin import Register
from nba_engine.testing.conformance.report import Promise
from nba_engine.testing.model_suite import catalog_for
from nba_engine.testing.world import make_catalog, shop, toml

__all__ = ["STAGES", "World", "world_of"]

OFFERS = 50
STAGES = (
    "profile",
    "eligibility",
    "contact_policy",
    "propensity",
    "cross_sell",
    "value",
    "arbitration",
    "slate",
)
_MODEL = Path(__file__).parents[1] / "example_model"


class World(msgspec.Struct, kw_only=True):
    """What a folder of settings holds. ``placements`` are those that requests are for."""

    catalog: Catalog
    stages: list[dict[str, Any]]
    settings: dict[str, Any]
    placements: tuple[str, ...] = ("banner", "checkout")

    def write(self, folder: Path) -> Path:
        """Write it; the path of nba.toml."""
        (folder / "catalog").mkdir(parents=True)
        for name, text in self.catalog.files.items():
            (folder / "catalog" / name).write_text(text)
        words = sorted({str(a.attributes.get("category", a.id)) for a in self.catalog.actions})
        save_table(folder / "complements.npz", _each_with_the_next(words))
        tables = {"tables": {"complements": "complements.npz"}, **self.settings}
        path = folder / "nba.toml"
        path.write_text(toml({"pipeline": self.stages, **tables}))
        return path


def world_of(
    register: Register, promise: Promise, examples: Mapping[str, Any], folder: Path
) -> tuple[World, World]:
    """The world without an offer, and the one with it. ``folder`` takes files that it needs."""
    make = {
        "stage": _stage,
        "channel": _channel,
        "model": _model,
        "model-runtime": _runtime,
        "store": _store,
        "sink": _sink,
        "profile-source": _profile_source,
        "rule-function": _function,
    }[promise.kind]
    return make(register, promise, examples, folder)


def _world(examples: Mapping[str, Any], tables: Mapping[str, Any] | None = None) -> World:
    """The usual one: every built-in stage, a logistic model; the example's catalog, if any."""
    given = examples.get("catalog")
    catalog: Catalog = given if given is not None else make_catalog(base=tables or shop(OFFERS))
    return World(
        catalog=catalog,
        stages=[{"stage": name} for name in STAGES],
        settings={"models": {"propensity": str(_MODEL)}},
        placements=_inbound(catalog),
    )


def _inbound(catalog: Catalog) -> tuple[str, ...]:
    """Placements whose treatments draw on no limit: reserving would outweigh all else."""
    free = [
        name
        for name in catalog.placements
        if not any(catalog.limits_of[at] for at in catalog.fitting(name).tolist())
    ]
    return tuple(free or list(catalog.placements)[:1])


def _stage(
    register: Register, promise: Promise, examples: Mapping[str, Any], _folder: Path
) -> tuple[World, World]:
    without, using = _world(examples), _world(examples)
    own = {"stage": promise.name, "settings": examples.get("settings", {})}
    if promise.name in STAGES:
        without.stages.remove({"stage": promise.name})
        using.stages[STAGES.index(promise.name)] = own
    else:
        using.stages.insert(STAGES.index("value"), own)
    return without, using


def _channel(
    register: Register, promise: Promise, examples: Mapping[str, Any], _folder: Path
) -> tuple[World, World]:
    def world(kind: str, content: Mapping[str, str], settings: Mapping[str, Any]) -> World:
        tables = shop(OFFERS)
        for channel in tables["channels"].values():
            channel |= {"kind": kind, "settings": settings}
        for treatment in tables["treatment_sets"]["standard"].values():
            treatment["content"] = content
        return _world({}, tables)

    without = world("template", {"text": "Hello"}, {})
    content = examples.get("content", {"text": "Hello"})
    return without, world(promise.name, content, examples.get("settings", {}))


def _model(
    register: Register, promise: Promise, examples: Mapping[str, Any], _folder: Path
) -> tuple[World, World]:
    offered = register.models[promise.name]
    given = examples.get("catalog")
    if given is None and not isinstance(offered, ModelFactory):
        given = catalog_for(load_manifest(offered), OFFERS)
    return _scored(f"plugin:{promise.name}", {"catalog": given})


def _runtime(
    register: Register, promise: Promise, examples: Mapping[str, Any], folder: Path
) -> tuple[World, World]:
    missing = [n for n in ("model_file", "inputs", "expected") if n not in examples]
    if missing:
        raise LookupError(f"give {', '.join(missing)} as examples")
    inputs = np.asarray(examples["inputs"], dtype=np.float32)
    names = [f"feature{number}" for number in range(inputs.shape[1])]
    plain = Manifest(
        name="model",
        version="1",
        signature="row",
        features=tuple(Feature(name=name, source=f"customer.{name}") for name in names),
        format=promise.name,
        file=Path(examples["model_file"]).name,
    )
    given = examples.get("manifest", plain)
    manifest = msgspec.structs.replace(given, format=promise.name, linear="")
    place = folder / "model"
    place.mkdir(parents=True)
    shutil.copy(examples["model_file"], place / manifest.file)
    np.savez(place / manifest.probes, inputs=inputs, outputs=np.asarray(examples["expected"]))
    write_manifest(place, manifest)
    return _scored(str(place), {"catalog": catalog_for(manifest, OFFERS)})


def _scored(model: str, examples: Mapping[str, Any]) -> tuple[World, World]:
    without, using = _world(examples), _world(examples)
    without.stages.remove({"stage": "propensity"})
    without.settings["models"] = {}
    using.settings["models"] = {"propensity": model}
    return without, using


def _store(
    register: Register, promise: Promise, examples: Mapping[str, Any], folder: Path
) -> tuple[World, World]:
    """Compared with the embedded store, in decisions that reserve."""
    tables = shop(OFFERS)
    tables["limits"]["email_week"]["amount"] = 1_000_000
    del tables["channels"]["email"]["quiet_hours"]
    without, using = _world({}, tables), _world({}, tables)
    for world in (without, using):
        world.placements = ("newsletter",)
    url = examples.get("url", lambda name: f"{promise.name}:{folder / name}")
    without.settings["store"] = {"url": "sqlite:nba.db"}
    folder.mkdir(parents=True, exist_ok=True)
    using.settings["store"] = {"url": url("store")}
    return without, using


def _sink(
    register: Register, promise: Promise, examples: Mapping[str, Any], _folder: Path
) -> tuple[World, World]:
    without, using = _world(examples), _world(examples)
    own = {"kind": promise.name, "settings": examples.get("settings", {})}
    using.settings["sinks"] = {"it": own}
    return without, using


def _profile_source(
    _register: Register, promise: Promise, examples: Mapping[str, Any], _folder: Path
) -> tuple[World, World]:
    """Every customer is asked for once; from then on it is the memory that is measured."""
    wanted: Mapping[str, str] = examples.get("wanted", {"segment": "string"})
    tables = shop(OFFERS)
    tables["attributes"] |= {name: {"type": kind} for name, kind in wanted.items()}
    without, using = _world({}, tables), _world({}, tables)
    using.settings["profile_sources"] = {
        "it": {
            "kind": promise.name,
            "namespace": "crm",
            "attributes": list(wanted),
            "precedence": "source",
            "settings": examples.get("settings", {}),
        }
    }
    return without, using


def _function(
    register: Register, promise: Promise, examples: Mapping[str, Any], _folder: Path
) -> tuple[World, World]:
    function: RuleFunction = register.rule_functions[promise.name]
    names = {f"argument{place}": kind for place, kind in enumerate(function.parameters)}
    call = f"{promise.name}({', '.join(f'customer.{name}' for name in names)})"

    def world(*, used: bool) -> World:
        tables = shop(OFFERS)
        tables["attributes"] |= {name: {"type": kind} for name, kind in names.items()}
        if used:
            when = call if function.result == "bool" else f"{call} == {call}"
            tables["rules"]["it"] = {"tier": "suitability", "when": when}
        catalog = make_catalog(base=tables, functions={promise.name: function})
        return _world({"catalog": catalog})

    return world(used=False), world(used=True)


def _each_with_the_next(words: list[str]) -> CsrTable:
    follower = dict(pairwise(words))
    counts = np.cumsum([0, *(word in follower for word in words)])
    places = [words.index(follower[word]) for word in words if word in follower]
    return CsrTable(words, counts, places, np.ones(len(places)))

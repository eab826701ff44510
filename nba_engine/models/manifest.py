"""Reading, checking and writing ``manifest.toml``: every mistake is found in one run."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, TypeVar, get_type_hints

import msgspec

from nba_engine.domain.features import Feature, flaws_of_feature
from nba_engine.domain.model import Manifest
from nba_engine.errors import Mistake, MistakesFound

__all__ = ["MANIFEST_FILE", "load_manifest", "write_manifest"]

MANIFEST_FILE = "manifest.toml"

_S = TypeVar("_S", bound=msgspec.Struct)


def load_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a model folder. Raises `MistakesFound` with all mistakes."""
    file = folder / MANIFEST_FILE
    raw = _read(file)
    mistakes: list[Mistake] = []
    tables = raw.pop("features", None)
    features = _features(tables, str(file), mistakes)
    raw["features"] = features
    manifest = _convert(raw, Manifest, str(file), "", mistakes)
    if manifest is not None:
        mistakes += _mistakes_of_manifest(manifest, str(file))
    if manifest is None or mistakes:
        raise MistakesFound(mistakes)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write ``manifest.toml`` into an existing folder; `load_manifest` gives the same manifest.

    Raises `MistakesFound` for a manifest that would not load.
    """
    file = folder / MANIFEST_FILE
    mistakes = list(_mistakes_of_manifest(manifest, str(file)))
    for position, feature in enumerate(manifest.features):
        mistakes += _mistakes_of_feature(feature, str(file), f"features[{position}]")
    if mistakes:
        raise MistakesFound(mistakes)
    lines = _lines(manifest, leave_out={"features", "metrics", "trained_on"})
    for name, table in (("metrics", manifest.metrics), ("trained_on", manifest.trained_on)):
        if table:
            lines += ["", f"[{name}]"]
            lines += [f"{_text(key)} = {_value(value)}" for key, value in table.items()]
    for feature in manifest.features:
        lines += ["", "[[features]]", *_lines(feature, leave_out=set())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        remedy = "a model folder holds manifest.toml, the model file and the probes"
    except UnicodeDecodeError:
        message, remedy = "is not UTF-8 text", "save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        message, remedy = f"is not valid TOML: {error}", "mend the syntax"
    raise MistakesFound([Mistake(file=str(file), place="", message=message, remedy=remedy)])


def _features(tables: object, file: str, mistakes: list[Mistake]) -> tuple[Feature, ...]:
    if not isinstance(tables, list) or not tables:
        mistakes.append(
            Mistake(
                file=file,
                place="features",
                message="declares no features",
                remedy="add one [[features]] table per model input, in the model's order",
            )
        )
        return ()
    features = []
    for position, table in enumerate(tables):
        place = f"features[{position}]"
        if not isinstance(table, dict):
            mistakes.append(Mistake(file=file, place=place, message="is not a table"))
            continue
        feature = _convert(table, Feature, file, place, mistakes)
        if feature is not None:
            features.append(feature)
            mistakes += _mistakes_of_feature(feature, file, place)
    return tuple(features)


def _convert(
    raw: Mapping[str, Any], kind: type[_S], file: str, place: str, mistakes: list[Mistake]
) -> _S | None:
    """Convert a table key by key, so that every wrong key is reported, not only the first."""
    types = get_type_hints(kind)
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    before = len(mistakes)
    dot = f"{place}." if place else ""
    for key, value in raw.items():
        if key not in known:
            remedy = f"known keys: {', '.join(known)}"
            mistakes.append(
                Mistake(file=file, place=dot + key, message="unknown key", remedy=remedy)
            )
            continue
        try:
            values[key] = msgspec.convert(value, types[key])
        except msgspec.ValidationError as error:
            mistakes.append(Mistake(file=file, place=dot + key, message=str(error)))
    for key, field in known.items():
        if field.required and key not in values and key not in raw:
            mistakes.append(
                Mistake(file=file, place=dot + key, message="is missing", remedy=f"add {key} = …")
            )
    return kind(**values) if len(mistakes) == before else None


def _mistakes_of_manifest(manifest: Manifest, file: str) -> Iterator[Mistake]:
    def mistake(place: str, message: str, remedy: str = "") -> Mistake:
        return Mistake(file=file, place=place, message=message, remedy=remedy)

    for place in ("name", "version", "input", "output", "format", "file", "probes"):
        if not getattr(manifest, place):
            yield mistake(place, "is empty")
    for place in ("file", "probes", "linear"):
        name = getattr(manifest, place)
        if name and (PurePath(name).name != name or "\\" in name):
            yield mistake(place, f"{name!r} is not a plain file name", "keep it in the folder")
    if not (math.isfinite(manifest.tolerance) and manifest.tolerance > 0):
        yield mistake("tolerance", "must be a number above 0")
    names = [feature.name for feature in manifest.features]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield mistake("features", f"two features are called {name!r}", "give each its own name")
    if manifest.signature == "row" and manifest.outputs:
        yield mistake("outputs", "belongs to the wide signature", "leave it out")
    if manifest.signature == "row" and manifest.meaning == "uplift":
        yield mistake("meaning", "uplift belongs to the wide signature", "name actions in outputs")
    if manifest.signature == "wide":
        yield from _mistakes_of_wide(manifest, mistake)


def _mistakes_of_wide(manifest: Manifest, mistake: Any) -> Iterator[Mistake]:
    if not manifest.outputs:
        yield mistake("outputs", "is missing", "name the action of every score, in their order")
    if len(set(manifest.outputs)) < len(manifest.outputs):
        yield mistake("outputs", "names an action twice")
    if manifest.linear:
        yield mistake("linear", "belongs to the row signature", "leave it out")
    for position, feature in enumerate(manifest.features):
        if feature.key or feature.source.startswith(("action.", "treatment.")):
            yield mistake(
                f"features[{position}]",
                f"{feature.name!r} depends on the action, but a wide model sees the customer once",
                'use signature = "row" or a feature of the customer or the context',
            )


def _mistakes_of_feature(feature: Feature, file: str, place: str) -> Iterator[Mistake]:
    for key, message, remedy in flaws_of_feature(feature):
        yield Mistake(file=file, place=f"{place}.{key}", message=message, remedy=remedy)
    if feature.transform == "category" and not feature.categories:
        message, remedy = "category needs its categories", "list them in the model's order"
        yield Mistake(file=file, place=f"{place}.categories", message=message, remedy=remedy)


def _lines(struct: msgspec.Struct, leave_out: set[str]) -> list[str]:
    """``key = value`` for every field that differs from its default."""
    lines = []
    for field in msgspec.structs.fields(type(struct)):
        value = getattr(struct, field.name)
        if field.name in leave_out or (not field.required and value == field.default):
            continue
        lines.append(f"{field.name} = {_value(value)}")
    return lines


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return repr(float(value)) if isinstance(value, float) else str(value)


def _text(text: str) -> str:
    # TOML's basic strings escape as JSON does, and the delete character too
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

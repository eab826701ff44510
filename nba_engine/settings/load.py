"""Read ``nba.toml``: every mistake in one run, or settings that are right."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nba_engine.errors import Mistake, MistakesFound
from nba_engine.settings.convert import convert_leniently
from nba_engine.settings.environment import ENVIRONMENT, override
from nba_engine.settings.places import add_lines, join
from nba_engine.settings.schema import Settings, is_loopback

__all__ = ["load_settings", "parse_toml", "read_settings", "read_text"]


def load_settings(path: str | Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from a file and the environment (default: the process's own).

    Relative paths are resolved against the file's folder. Raises `MistakesFound` with every
    mistake: syntax, keys, types, values, files that are missing, unknown variables.
    """
    settings, mistakes = read_settings(path, environ)
    if settings is None or mistakes:
        raise MistakesFound(mistakes)
    return settings


def read_settings(
    path: str | Path, environ: Mapping[str, str] | None = None
) -> tuple[Settings | None, list[Mistake]]:
    """Like `load_settings`, with the mistakes handed back: what is right can still be used.

    Fields with mistakes hold their defaults; None when the file cannot be read at all.
    """
    name = str(path)
    text, unread = read_text(Path(path), name)
    data, unparsed = parse_toml(text, name)
    if unread or unparsed:
        return None, [*unread, *unparsed]
    variables = os.environ if environ is None else environ
    data, origins, mistakes = override(data, Settings, variables)
    notes: list[Mistake] = []
    folder = Path(path).resolve().parent
    settings = _resolved(convert_leniently(data, Settings, name, "", notes), folder)
    _check(settings, data, name, notes)
    mistakes += [_blame(note, origins) for note in notes]
    return settings, add_lines(mistakes, {name: text})


def read_text(path: Path, name: str) -> tuple[str, list[Mistake]]:
    """A file's text, or the mistake that it cannot be read; ``name`` is what users call it."""
    try:
        return path.read_bytes().decode("utf-8-sig"), []  # some editors write a mark first
    except FileNotFoundError:
        message, remedy = "there is no such file", "check the path"
    except UnicodeDecodeError as error:
        message, remedy = f"is not UTF-8 text (byte {error.start})", "save it as UTF-8"
    except OSError as error:
        message, remedy = (
            f"cannot be read: {error.strerror}",
            "check what it is and who may read it",
        )
    return "", [Mistake(file=name, place="", message=message, remedy=remedy)]


_POSITION = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


def parse_toml(text: str, name: str) -> tuple[dict[str, Any], list[Mistake]]:
    """The raw tables of a TOML text, or the one mistake in its syntax with line and column."""
    try:
        return tomllib.loads(text.replace("\r\n", "\n")), []
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.match(str(error))
        message = found[1] if found else str(error)
        place = f"{found[2]}:{found[3]}" if found and found[2] else "end of file"
    except RecursionError:
        message, place = "lists or tables are nested too deep", ""
    return {}, [
        Mistake(
            file=name, place=place, message=f"not TOML: {message}", remedy="see https://toml.io"
        )
    ]


def _resolved(settings: Settings, folder: Path) -> Settings:
    replace = msgspec.structs.replace
    url = settings.store.url
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite" or not rest.startswith("//"):  # scheme://host names no file
        url = f"{scheme}:{folder / Path(rest).expanduser()}"
    return replace(
        settings,
        store=replace(settings.store, url=url, decision_log=folder / settings.store.decision_log),
        catalog=replace(settings.catalog, path=folder / settings.catalog.path),
        affinities=replace(settings.affinities, path=folder / settings.affinities.path),
        registry=replace(settings.registry, path=folder / settings.registry.path),
        models={
            name: folder / model if isinstance(model, Path) else model
            for name, model in settings.models.items()
        },
        tables={name: folder / path for name, path in settings.tables.items()},
        sources={
            name: replace(source, rejects=folder / source.rejects)
            for name, source in settings.sources.items()
        },
    )


def _check(settings: Settings, data: Mapping[str, Any], name: str, notes: list[Mistake]) -> None:
    """What one table alone cannot tell: files that must be there, settings that need others."""
    wrong = {note.place for note in notes}

    def note(place: str, message: str, remedy: str) -> None:
        if place not in wrong:
            notes.append(Mistake(file=name, place=place, message=message, remedy=remedy))

    if not settings.catalog.path.is_dir():
        note(
            "catalog.path",
            f"there is no folder {settings.catalog.path}",
            "create it, or write where the catalog's TOML files are",
        )
    for model, source in settings.models.items():
        if isinstance(source, Path) and not source.is_dir():
            note(
                join("models", model),
                f"there is no folder {source}",
                'train and export the model first, or name one of a plugin: "plugin:<name>"',
            )
    for table, path in settings.tables.items():
        if not path.is_file():
            note(join("tables", table), f"there is no file {path}", "build the table first")
    if not data.get("pipeline"):
        note("pipeline", "there are no stages", 'add [[pipeline]] entries: stage = "profile" …')
    if settings.server.processes > 1 and settings.server.listen.startswith("unix:"):
        note(
            "server.processes",
            "several processes cannot share a unix socket",
            'write 1, or listen on host and port: "127.0.0.1:50051"',
        )
    if not settings.security.allow_remote and not is_loopback(settings.server.listen):
        note(
            "server.listen",
            f"{settings.server.listen} can be reached from other machines",
            'listen on "127.0.0.1:50051", or set security.allow_remote = true',
        )


def _blame(mistake: Mistake, origins: Mapping[str, str]) -> Mistake:
    """A mistake whose value came from a variable names the variable, not the file."""
    for place, variable in origins.items():
        if mistake.place == place or mistake.place.startswith((f"{place}.", f"{place}[")):
            message = f"{mistake.place}: {mistake.message}"
            return msgspec.structs.replace(
                mistake, file=ENVIRONMENT, place=variable, message=message
            )
    return mistake

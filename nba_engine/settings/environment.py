"""``NBA_SERVER__LISTEN=…``: environment variables that override ``nba.toml``."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from nba_engine.errors import Mistake
from nba_engine.settings.convert import Written
from nba_engine.settings.places import join, suggest

__all__ = ["ENVIRONMENT", "override"]

PREFIX = "NBA_"
ENVIRONMENT = "environment"  # the "file" of mistakes made in environment variables


def override(
    data: Mapping[str, Any], kind: type[msgspec.Struct], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str], list[Mistake]]:
    """The raw settings with the variables put in.

    Returns them with the place each variable went to (place → variable) and the mistakes.
    """
    result = copy.deepcopy(dict(data))
    origins: dict[str, str] = {}
    mistakes: list[Mistake] = []
    sections = [field.encode_name for field in msgspec.structs.fields(kind)]
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        words = name.removeprefix(PREFIX).lower().split("__")
        if len(words) == 1:
            section, _, key = words[0].partition("_")
            if section in sections and key:
                better = f"{PREFIX}{section}__{key}".upper()
                mistakes.append(
                    _mistake(name, "sets nothing", f"write {better} with two underscores")
                )
            continue
        try:
            place = _put(result, kind, words, environ[name])
        except _UnknownError as unknown:
            mistakes.append(_mistake(name, *unknown.args))
        else:
            origins[place] = name
    return result, origins, mistakes


class _UnknownError(Exception):
    """The variable names nothing that can be set: message, remedy."""


def _put(data: dict[str, Any], kind: Any, words: list[str], text: str) -> str:
    """Set one value inside ``data``; returns its place."""
    place = ""
    target: Any = data
    for position, word in enumerate(words):
        last = position == len(words) - 1
        if isinstance(target, list):
            if not word.isdecimal() or int(word) >= len(target):
                raise _UnknownError(
                    f"there is no {place}[{word}]", f"{place} has {len(target)} entries, from 0"
                )
            step: Any = int(word)
            kind = get_args(kind)[0] if get_args(kind) else Any
            place = f"{place}[{step}]"
        elif isinstance(target, dict):
            step, kind = _step(target, kind, word, place)
            place = join(place, step)
        else:
            raise _UnknownError(f"{place} is not a table", "")
        if last:
            target[step] = _read(text, kind)
        elif isinstance(target, dict):
            target = target.setdefault(step, {})
        else:
            target = target[step]
    return place


def _step(target: Mapping[str, Any], kind: Any, word: str, place: str) -> tuple[str, Any]:
    """The key that ``word`` stands for in a table, and the type of its value."""
    kind = _plain(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        if word not in fields:
            raise _UnknownError(
                f"there is no setting {join(place, word)!r}", suggest(word, fields, "settings here")
            )
        return word, fields[word]
    # names of models, plugins …: variables cannot hold "-", nor, by habit, small letters
    for key in target:
        if key.lower().replace("-", "_") == word:
            word = key
    arguments = get_args(kind)
    return word, arguments[1] if len(arguments) == 2 else Any


def _plain(kind: Any) -> Any:
    if get_origin(kind) is Annotated and not any(isinstance(e, Written) for e in get_args(kind)):
        kind = get_args(kind)[0]
    members = [member for member in get_args(kind) if member is not type(None)]
    if type(None) in get_args(kind) and len(members) == 1:
        return _plain(members[0])
    return kind


def _read(text: str, kind: Any) -> Any:
    """Text for text fields, a TOML value for all others (as text when it is none)."""
    kind = _plain(kind)
    if kind is str or get_origin(kind) in (Literal, Annotated):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _mistake(name: str, message: str, remedy: str) -> Mistake:
    return Mistake(file=ENVIRONMENT, place=name, message=message, remedy=remedy)

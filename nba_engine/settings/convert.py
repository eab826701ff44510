"""Raw tables → typed values, reporting every mistake of a table instead of the first one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from nba_engine.errors import Mistake
from nba_engine.settings.places import choose, join, suggest

__all__ = ["REQUIRED", "Unreadable", "Written", "convert", "convert_leniently"]

T = TypeVar("T")

Notes = list[Mistake]
# (value, file, place, notes) → the typed value, or BAD after the mistake was noted
Reader = Callable[[Any, str, str, Notes], Any]

BAD = object()


class Unreadable(ValueError):
    """What a `Written` parser raises: what is wrong, and how to mend it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Written(msgspec.Struct, frozen=True, eq=False):
    """Marks a field whose TOML form differs from what it holds (``"7d"`` → seconds).

    Used as ``Annotated[float, Written(parse_duration)]``; the parser raises `Unreadable`.
    ``schema`` is what the JSON Schema says of the TOML form, ``write`` gives a default's.
    """

    parse: Callable[[Any], Any]
    schema: Mapping[str, Any] = {}
    write: Callable[[Any], str] = str


class _Required(msgspec.Struct, frozen=True):
    """See `REQUIRED`."""


# Marks a field that must be written although the struct has a neutral default for it. So a
# table with mistakes can still be built, and its other fields checked against other tables.
REQUIRED = _Required()


def convert(data: object, kind: type[T], file: str, place: str) -> tuple[T | None, list[Mistake]]:
    """A raw TOML value as ``kind`` (mostly a struct), or None and every mistake in it.

    Unknown keys are mistakes with a suggestion; nothing is coerced except int to float. ``place``
    is the path of ``data`` inside ``file`` (``pipeline[2].settings``); "" is the whole file.
    """
    notes: Notes = []
    value = _reader(kind)(data, file, place, notes)
    return (None if notes else value), notes


def convert_leniently(data: object, kind: type[T], file: str, place: str, notes: Notes) -> T:
    """Like `convert`, for structs whose fields all have defaults.

    Fields with mistakes keep their defaults, so that the rest can still be checked.
    """
    value = _reader(kind)(data, file, place, notes)
    result: T = kind() if value is BAD else value
    return result


@cache
def _struct_reader(kind: type[msgspec.Struct]) -> Reader:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    readers = {key: _reader(field.type) for key, field in fields.items()}
    required = [
        key
        for key, field in fields.items()
        if field.required or any(isinstance(extra, _Required) for extra in _extras(field.type))
    ]

    def read(data: Any, file: str, place: str, notes: Notes) -> Any:
        if not isinstance(data, Mapping):
            return _wrong(data, "a table", file, place, notes)
        values = {}
        for key, raw in data.items():
            reader = readers.get(key)
            if reader is None:
                remedy = suggest(key, fields, "keys here")
                notes.append(_at(file, join(place, key), f"unknown key {key!r}", remedy))
                continue
            value = reader(raw, file, join(place, key), notes)
            if value is not BAD:
                values[fields[key].name] = value
        for key in required:
            if key not in data:
                notes.append(_at(file, place, f"{key!r} is missing", f"add {key} = …"))
        if any(field.required and field.name not in values for field in fields.values()):
            return BAD
        try:
            return kind(**values)
        except (TypeError, ValueError) as error:  # raised by __post_init__
            notes.append(_at(file, place, str(error), getattr(error, "remedy", "")))
            return BAD

    return read


def _reader(annotation: Any) -> Reader:
    """The reader of one annotation. Structs are cached; what is not special goes to msgspec."""
    extras = _extras(annotation)
    plain = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    for extra in extras:
        if isinstance(extra, Written):
            return _written_reader(extra.parse)
    plain = _without_none(plain)
    if get_origin(plain) is Annotated:  # Annotated[…] | None
        return _reader(plain)
    origin = get_origin(plain) or plain
    if plain is Any or plain is object:
        return lambda data, _file, _place, _notes: data
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        return _struct_reader(plain)
    if origin is Literal:
        return _literal_reader(get_args(plain))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping_reader(*(get_args(plain) or (str, Any)))
    if origin in (tuple, list, frozenset, set) or origin is Sequence:
        arguments = get_args(plain)
        if origin is Sequence:
            origin, arguments = tuple, (*arguments, Ellipsis)
        return _list_reader(origin, arguments, extras)
    return _leaf_reader(annotation)


def _extras(annotation: Any) -> tuple[Any, ...]:
    """What `Annotated` carries beside the type."""
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _without_none(annotation: Any) -> Any:
    """TOML has no null, so ``X | None`` reads as ``X``."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    members = [member for member in get_args(annotation) if member is not NoneType]
    return members[0] if len(members) == 1 else Union[tuple(members)]  # noqa: UP007 - built


def _written_reader(parse: Callable[[Any], Any]) -> Reader:
    def read(data: Any, file: str, place: str, notes: Notes) -> Any:
        try:
            return parse(data)
        except Unreadable as error:
            notes.append(_at(file, place, error.message, error.remedy))
            return BAD

    return read


def _literal_reader(words: tuple[Any, ...]) -> Reader:
    def read(data: Any, file: str, place: str, notes: Notes) -> Any:
        if any(data == word and type(data) is type(word) for word in words):
            return data
        if not isinstance(data, str):
            return _wrong(data, f"one of {choose(words)}", file, place, notes)
        remedy = suggest(data, [str(word) for word in words], "words here")
        notes.append(_at(file, place, f"{data!r} is not one of {choose(words)}", remedy))
        return BAD

    return read


def _mapping_reader(_key: Any, value: Any) -> Reader:
    read_value = _reader(value)

    def read(data: Any, file: str, place: str, notes: Notes) -> Any:
        if not isinstance(data, Mapping):
            return _wrong(data, "a table", file, place, notes)
        values = {}
        for key, raw in data.items():
            item = read_value(raw, file, join(place, key), notes)
            if item is not BAD:
                values[key] = item
        return values

    return read


def _list_reader(build: Any, arguments: tuple[Any, ...], extras: tuple[Any, ...]) -> Reader:
    exact = None
    if build is tuple and arguments and arguments[-1] is not Ellipsis:
        exact = [_reader(argument) for argument in arguments]
    read_item = _reader(arguments[0] if arguments else Any)
    least = max(
        (extra.min_length or 0 for extra in extras if hasattr(extra, "min_length")), default=0
    )

    def read(data: Any, file: str, place: str, notes: Notes) -> Any:
        if not isinstance(data, list | tuple):
            return _wrong(data, "a list", file, place, notes)
        if exact is not None and len(data) != len(exact):
            notes.append(_at(file, place, f"has {len(data)} entries", f"write {len(exact)}"))
            return BAD
        if len(data) < least:
            notes.append(_at(file, place, "must not be empty", "add an entry"))
            return BAD
        readers = exact or [read_item] * len(data)
        items = [
            reader(raw, file, f"{place}[{position}]", notes)
            for position, (raw, reader) in enumerate(zip(data, readers, strict=True))
        ]
        return BAD if any(item is BAD for item in items) else build(items)

    return read


_GOT = re.compile(r"^Expected `([^`]*)`, got `([^`]*)`")
_BOUND = re.compile(r"^Expected `[^`]*` ((?:>=|<=|>|<) [0-9.e+-]+)")

_WORDS = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def _leaf_reader(annotation: Any) -> Reader:
    base = _without_none(get_args(annotation)[0]) if _extras(annotation) else None
    simple = _without_none(annotation) if base is None else base
    fast = simple if base is None and simple in (str, bool) else None

    def read(data: Any, file: str, place: str, notes: Notes) -> Any:
        if fast is not None and type(data) is fast:
            return data
        if isinstance(data, float) and not math.isfinite(data):
            notes.append(
                _at(file, place, f"{data} is not a number to count with", "write a finite one")
            )
            return BAD
        try:
            return msgspec.convert(data, annotation)
        except msgspec.ValidationError as error:
            text = str(error)
        if got := _GOT.match(text):
            expected = " or ".join(
                _WORDS.get(word, word) for word in got[1].split(" | ") if word != "null"
            )
            return _wrong(data, expected, file, place, notes)
        remedy = ""
        if bound := _BOUND.match(text):
            text, remedy = (
                f"{data} is out of range",
                f"write a number {bound[1].removesuffix('.0')}",
            )
        elif "of length >= 1" in text:
            text, remedy = "must not be empty", "write something between the quotes"
        notes.append(_at(file, place, text.replace("`", ""), remedy))
        return BAD

    return read


def kind_of(value: object) -> str:
    """What a raw TOML value is, in words. Never the value itself: it may be a secret."""
    if isinstance(value, bool):
        return "true or false"
    for type_, word in (
        (str, "text"),
        (int, "a whole number"),
        (float, "a number"),
        (Mapping, "a table"),
        (list | tuple, "a list"),
    ):
        if isinstance(value, type_):
            return word
    return f"a {type(value).__name__}"


_REMEDIES = {
    "text in quotes": 'put it in quotes: "…"',
    "a whole number": "write it without quotes and fraction: 8",
    "a number": "write it without quotes: 0.5",
    "true or false": "write true or false, without quotes",
    "a list": "put it in square brackets: [ … ]",
    "a table": "write a table: { key = … }",
}


def _wrong(data: object, expected: str, file: str, place: str, notes: Notes) -> object:
    remedy = _REMEDIES.get(expected, f"write {expected}")
    notes.append(_at(file, place, f"expected {expected}, got {kind_of(data)}", remedy))
    return BAD


def _at(file: str, place: str, message: str, remedy: str = "") -> Mistake:
    return Mistake(file=file, place=place, message=message, remedy=remedy)

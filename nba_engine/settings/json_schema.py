"""JSON Schemas of what `convert` reads, so that editors complete and check TOML files.

Everything is written out in place, without references: editors show a field's description only
where nothing stands between it and the field.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from nba_engine.settings.convert import REQUIRED, Written

__all__ = ["descriptions_of", "json_schema"]

_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
_TYPES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Path: "string",
}


def json_schema(annotation: Any) -> dict[str, Any]:
    """The schema of what `convert` takes for an annotation, mostly a struct."""
    if get_origin(annotation) is Annotated:
        base, *extras = get_args(annotation)
        written = next((extra for extra in extras if isinstance(extra, Written)), None)
        found = dict(written.schema) if written else json_schema(base)
        for extra in extras:
            if isinstance(extra, msgspec.Meta):
                found |= _bounds(extra, found.get("type"))
        return found
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if origin in (Union, UnionType):
        return _union([member for member in arguments if member is not NoneType])
    if annotation is Any or annotation is object:
        return {}
    if origin is Literal:
        return {"enum": list(arguments)}
    if annotation in _TYPES:
        return {"type": _TYPES[annotation]}
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
        return _struct(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        items = json_schema(arguments[1]) if len(arguments) > 1 else {}
        return {"type": "object", "additionalProperties": items} if items else {"type": "object"}
    if origin in (tuple, list, frozenset, set, Sequence):
        return _list(origin, arguments)
    return msgspec.json.schema(annotation)


def _union(members: Sequence[Any]) -> dict[str, Any]:
    if len(members) == 1:
        return json_schema(members[0])
    schemas = [json_schema(member) for member in members]
    if all(schema.keys() == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def _list(origin: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "array"}
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        items = [json_schema(argument) for argument in arguments]
        found["items"] = items[0] if all(item == items[0] for item in items) else {"anyOf": items}
        found["minItems"] = found["maxItems"] = len(items)
    elif arguments and (items_of := json_schema(arguments[0])):
        found["items"] = items_of
    return found


def _bounds(meta: msgspec.Meta, type_: object) -> dict[str, Any]:
    found = {
        name: value for key, name in _BOUNDS.items() if (value := getattr(meta, key)) is not None
    }
    ends = ("minItems", "maxItems") if type_ == "array" else ("minLength", "maxLength")
    lengths = zip(ends, (meta.min_length, meta.max_length), strict=True)
    found |= {name: length for name, length in lengths if length is not None}
    return found | (meta.extra_json_schema or {})


def _struct(kind: type[msgspec.Struct]) -> dict[str, Any]:
    told = descriptions_of(kind)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for field in msgspec.structs.fields(kind):
        found = json_schema(field.type)
        extras = get_args(field.type)[1:] if get_origin(field.type) is Annotated else ()
        if field.required or any(extra is REQUIRED for extra in extras):
            required.append(field.encode_name)
        elif (default := _default(field.default, extras)) is not None:
            found["default"] = default
        if field.name in told:
            found["description"] = told[field.name]
        properties[field.encode_name] = found
    summary = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if summary:
        schema["description"] = _plain(summary)
    if required:
        schema["required"] = required
    return schema | {"additionalProperties": False}


def _default(value: Any, extras: Sequence[Any]) -> Any:
    """What a field that is left out says, where that is something to write."""
    written = next((extra for extra in extras if isinstance(extra, Written)), None)
    if written is not None:
        return written.write(value) if value else None
    if isinstance(value, Path):
        return str(value)
    return (
        value
        if isinstance(value, bool | int | float) or (value and isinstance(value, str))
        else None
    )


@cache
def descriptions_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field → what it is, from the text below it in the class, or ``name``: in the docstring."""
    told: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, msgspec.Struct):
            told |= _of_docstring(base.__dict__.get("__doc__") or "") | _of_source(base)
    return {
        field.name: told[field.name] for field in msgspec.structs.fields(kind) if field.name in told
    }


def _of_docstring(text: str) -> dict[str, str]:
    pieces = re.split(r"(?:^|(?<=[\s;.]))``(\w+)``:\s", inspect.cleandoc(text))
    return {
        name: _plain(told).rstrip(" .;")
        for name, told in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def _of_source(kind: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):  # made at run time
        return {}
    (definition,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    told = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    told[field.target.id] = _plain(text)
    return told


def _plain(text: str) -> str:
    """One paragraph without double backticks."""
    return " ".join(text.split()).replace("``", "`")

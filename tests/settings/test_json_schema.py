"""The JSON Schema of a struct says what the reader takes, and what its fields are for."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from nba_engine.settings import DURATION, REQUIRED, descriptions_of, json_schema
from nba_engine.settings.durations import write_duration


class Color(enum.Enum):
    RED = "red"


class Inner(msgspec.Struct, frozen=True):
    """Something inside."""

    size: int


class Outer(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What it is.

    ``first``: told above; ``second``: told above, with ``quotes``. ``fourth``: also here.
    """

    first: str = "a"
    second: Annotated[int, Meta(ge=1, lt=9)] = 3
    third: Annotated[float, DURATION] = 1_209_600.0
    """told below,
    in two lines
    """
    fourth: Path = Path("data/x")
    """below wins"""
    fifth: Annotated[str, REQUIRED] = ""
    inner: Inner | None = None
    from_: bool = False


class Child(Outer, frozen=True, kw_only=True):
    second: Annotated[int, Meta(ge=2)] = 3


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (Any, {}),
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (float | None, {"type": "number"}),
        (int | str, {"type": ["integer", "string"]}),
        (Annotated[float | str, Meta(extra_json_schema={"minimum": 0})], None),
        (list[int] | str, {"anyOf": [{"type": "array", "items": {"type": "integer"}}, None]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Annotated[str, Meta(min_length=1)], {"type": "string", "minLength": 1}),
        (Annotated[list[str], Meta(max_length=2)], None),
        (tuple[str, ...], {"type": "array", "items": {"type": "string"}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (list, {"type": "array"}),
        (dict, {"type": "object"}),
        (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Color, {"enum": ["red"]}),
        (dt.date, {"type": "string", "format": "date"}),
    ],
)
def test_an_annotation_has_the_schema_of_what_is_read(annotation: Any, schema: Any) -> None:
    found = json_schema(annotation)
    found.pop("title", None)
    found.pop("$ref", None)
    match schema:
        case None if "maxItems" in found:
            assert found == {"type": "array", "items": {"type": "string"}, "maxItems": 2}
        case None:
            assert found == {"type": ["number", "string"], "minimum": 0}
        case {"anyOf": [first, None]}:
            assert found == {"anyOf": [first, {"type": "string"}]}
        case _ if annotation is Color:
            assert found["$defs"]["Color"]["enum"] == ["red"]
        case _:
            assert found == schema


def test_lists_of_a_fixed_length_have_one() -> None:
    both = {"type": "array", "minItems": 2, "maxItems": 2}
    assert json_schema(tuple[int, int]) == both | {"items": {"type": "integer"}}
    kinds = [{"type": "integer"}, {"type": "string"}]
    assert json_schema(tuple[int, str]) == both | {"items": {"anyOf": kinds}}


def test_a_struct_has_its_fields_defaults_and_descriptions_in_place() -> None:
    assert json_schema(Outer) == {
        "type": "object",
        "description": "What it is.",
        "properties": {
            "first": {"type": "string", "default": "a", "description": "told above"},
            "second": {
                "type": "integer",
                "minimum": 1,
                "exclusiveMaximum": 9,
                "default": 3,
                "description": "told above, with `quotes`",
            },
            "third": dict(DURATION.schema)
            | {"default": "14d", "description": "told below, in two lines"},
            "fourth": {"type": "string", "default": "data/x", "description": "below wins"},
            "fifth": {"type": "string"},
            "inner": {
                "type": "object",
                "description": "Something inside.",
                "properties": {"size": {"type": "integer"}},
                "required": ["size"],
                "additionalProperties": False,
            },
            "from": {"type": "boolean", "default": False},
        },
        "required": ["fifth"],
        "additionalProperties": False,
    }


def test_descriptions_are_inherited() -> None:
    assert descriptions_of(Child)["third"] == "told below, in two lines"
    assert descriptions_of(Child)["second"] == "told above, with `quotes`"


def test_a_struct_made_at_run_time_has_no_descriptions() -> None:
    made = msgspec.defstruct("Made", [("a", int)])
    assert descriptions_of(made) == {}
    assert json_schema(made)["properties"] == {"a": {"type": "integer"}}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(86_400.0, "1d"), (5_400.0, "90m"), (0.5, "0.5s"), (0.0, "0s"), (1_209_600.0, "14d")],
)
def test_durations_are_written_as_people_would(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text
    assert DURATION.parse(text) == seconds

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from nba_engine.settings import REQUIRED, Unreadable, Written, convert, convert_leniently


def parse_color(value: object) -> int:
    if value == "red":
        return 0xFF0000
    raise Unreadable(f"{value!r} is no color", 'write "red"')


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int = 0


class Everything(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    ratio: Annotated[float, Meta(ge=0, le=1)] = 0.5
    mode: Literal["slow", "fast"] = "slow"
    point: Point | None = None
    points: tuple[Point, ...] = ()
    pair: tuple[int, str] = (0, "")
    names: list[str] = []
    kinds: frozenset[str] = frozenset()
    sequence: Sequence[int] = ()
    weights: Mapping[str, float] = {}
    anything: dict[str, Any] = {}
    either: int | str = 0
    color: Annotated[int, Written(parse_color)] = 0
    colors: tuple[Annotated[int, Written(parse_color)], ...] = ()
    maybe: Annotated[float, Meta(gt=0)] | None = None
    low: int = 0
    high: int = 10

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise Unreadable("low is above high", "exchange them")


def test_what_is_right_becomes_a_struct() -> None:
    value, mistakes = convert(
        {
            "name": "n",
            "ratio": 1,
            "mode": "fast",
            "point": {"x": 1},
            "points": [{"x": 1, "y": 2}],
            "pair": [3, "c"],
            "names": ["a"],
            "kinds": ["b"],
            "sequence": [1, 2],
            "weights": {"a": 1},
            "anything": {"b": [None]},
            "either": "e",
            "color": "red",
            "colors": ["red"],
            "maybe": 2,
        },
        Everything,
        "f",
        "p",
    )
    assert mistakes == []
    assert value == Everything(
        name="n",
        ratio=1.0,
        mode="fast",
        point=Point(1),
        points=(Point(1, 2),),
        pair=(3, "c"),
        names=["a"],
        kinds=frozenset({"b"}),
        sequence=(1, 2),
        weights={"a": 1.0},
        anything={"b": [None]},
        either="e",
        color=0xFF0000,
        colors=(0xFF0000,),
        maybe=2.0,
    )
    assert isinstance(value.ratio, float)


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        ({"nmae": ""}, "p.nmae", "unknown key 'nmae'"),
        ({"a key": ""}, 'p."a key"', "unknown key"),
        ({"name": 3}, "p.name", "expected text in quotes, got a whole number"),
        ({"name": True}, "p.name", "got true or false"),
        ({"ratio": "x"}, "p.ratio", "expected a number, got text"),
        ({"ratio": True}, "p.ratio", "expected a number, got true or false"),
        ({"ratio": 2}, "p.ratio", "2 is out of range"),
        ({"ratio": float("inf")}, "p.ratio", "inf is not a number to count with"),
        ({"mode": "fats"}, "p.mode", "'fats' is not one of"),
        ({"mode": 3}, "p.mode", "expected one of"),
        ({"point": {}}, "p.point", "'x' is missing"),
        ({"point": []}, "p.point", "expected a table, got a list"),
        ({"points": [{"x": 1}, {"x": "1"}]}, "p.points[1].x", "expected a whole number"),
        ({"points": {}}, "p.points", "expected a list, got a table"),
        ({"pair": [1]}, "p.pair", "has 1 entries"),
        ({"pair": [1, 2]}, "p.pair[1]", "expected text"),
        ({"weights": {"a": "b"}}, "p.weights.a", "expected a number"),
        ({"weights": 1}, "p.weights", "expected a table"),
        ({"either": 1.5}, "p.either", "expected a whole number or text in quotes, got a number"),
        ({"color": "blue"}, "p.color", "'blue' is no color"),
        ({"colors": ["red", 3]}, "p.colors[1]", "3 is no color"),
        ({"maybe": 0}, "p.maybe", "0 is out of range"),
        ({"low": 11}, "p", "low is above high"),
        (3, "p", "expected a table, got a whole number"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(data: object, place: str, message: str) -> None:
    value, (mistake,) = convert(data, Everything, "f", "p")
    assert value is None
    assert (mistake.file, mistake.place) == ("f", place)
    assert message in mistake.message
    assert mistake.remedy


def test_every_mistake_of_a_table_is_told() -> None:
    data = {"name": 1, "mode": "x", "points": [{}, {"z": 1}], "color": 1}
    _, mistakes = convert(data, Everything, "f", "")
    assert [mistake.place for mistake in mistakes] == [
        "name",
        "mode",
        "points[0]",
        "points[1].z",
        "points[1]",
        "color",
    ]


def test_values_that_may_be_secret_are_not_repeated() -> None:
    _, (mistake,) = convert({"ratio": "hunter2"}, Everything, "f", "")
    assert "hunter2" not in str(mistake)


def test_a_table_read_leniently_keeps_what_is_right() -> None:
    class Loose(msgspec.Struct, frozen=True):
        a: Annotated[int, REQUIRED] = 7
        b: Annotated[str, REQUIRED] = ""
        c: str = "c"

    notes: list[Any] = []
    assert convert_leniently({"a": "x", "c": "d"}, Loose, "f", "p", notes) == Loose(c="d")
    assert [(note.place, note.message) for note in notes] == [
        ("p.a", "expected a whole number, got text"),
        ("p", "'b' is missing"),
    ]
    assert convert_leniently(3, Loose, "f", "p", notes) == Loose()

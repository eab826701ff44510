"""Plain values ↔ `Value`: exact both ways, and what cannot be sent is told before it is sent."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from nba_engine._gen.nba.v1.interaction_pb2 import Interaction as Message
from nba_engine._gen.nba.v1.interaction_pb2 import InteractionStatus
from nba_engine.client.values import Violations, fill_time, fill_values, read_time, read_values
from nba_engine.client.words import word_of

# of zones with summer time some moments equal nothing, not even themselves in another zone
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)  # noqa: DTZ001
SCALARS = st.one_of(
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    MOMENTS,
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS), st.dictionaries(st.text(), SCALARS))


@given(st.dictionaries(st.text(), VALUES))
def test_values_come_back_as_they_went(values: dict[str, Any]) -> None:
    message, violations = Message(), Violations()
    fill_values(message.properties, values, "properties", violations)
    again = read_values(Message.FromString(message.SerializeToString()).properties)
    assert violations.found == []
    assert again == values
    assert repr(_types(again)) == repr(_types(values))


def _types(value: Any) -> Any:
    """Equal is not enough: True == 1 == 1.0."""
    if isinstance(value, dict):
        return sorted((key, _types(element)) for key, element in value.items())
    if isinstance(value, list):
        return [_types(element) for element in value]
    return type(value).__name__


@given(MOMENTS)
def test_times_are_exact_to_the_microsecond(time: datetime) -> None:
    message, violations = Timestamp(), Violations()
    fill_time(message, time, "time", violations)
    assert read_time(message) == time
    assert read_time(message).tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (None, "there is no null: leave it out"),
        (datetime(2020, 1, 1), "a time needs a time zone, such as datetime.now(UTC)"),  # noqa: DTZ001
        (date(2020, 1, 1), "no value of the API holds a date"),
        (Decimal(1), "no value of the API holds a Decimal"),
        (2**63, "a whole number must fit into 64 bits"),
        ([["nested"]], "no value of the API holds a list"),
        ({"a": {}}, "no value of the API holds a dict"),
        ({1: "a"}, "a key is a string, not int"),
        ([None], "there is no null: leave it out"),
        (b"bytes", "no value of the API holds a bytes"),
    ],
)
def test_what_no_value_holds_is_named(value: Any, description: str) -> None:
    violations = Violations()
    fill_values(Message().properties, {"thing": value}, "properties", violations)
    (violation,) = violations.found
    assert (violation.field, violation.description) == ('properties["thing"]', description)


def test_tuples_and_sets_are_lists() -> None:
    message, violations = Message(), Violations()
    given_values = {"tuple": (1, 2), "set": {"a"}, "frozen": frozenset({True}), "empty": ()}
    fill_values(message.properties, given_values, "properties", violations)  # type: ignore[arg-type]
    assert read_values(message.properties) == {
        "tuple": [1, 2],
        "set": ["a"],
        "frozen": [True],
        "empty": [],
    }


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    noon = datetime(2020, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    message = Timestamp()
    fill_time(message, noon, "time", Violations())
    assert read_time(message) == datetime(2020, 1, 1, 10, tzinfo=UTC)


def test_infinities_are_left_to_the_server_to_refuse() -> None:
    message, violations = Message(), Violations()
    fill_values(message.properties, {"x": math.inf}, "properties", violations)
    assert message.properties["x"].double_value == math.inf


def test_a_word_of_a_newer_server_is_no_error() -> None:
    name: Any = InteractionStatus.Name
    assert word_of(name, 1, "INTERACTION_STATUS_") == "recorded"
    assert word_of(name, 0, "INTERACTION_STATUS_") == ""
    assert word_of(name, 77, "INTERACTION_STATUS_") == "unknown_77"

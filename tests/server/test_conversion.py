"""Values survive the wire: what is written is read back equal, whatever it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from nba_engine import domain
from nba_engine._gen.nba.v1 import decision_pb2, value_pb2
from nba_engine.domain import to_micros
from nba_engine.server.convert import (
    Violations,
    read_time,
    read_value,
    read_values,
    write_decision,
    write_time,
    write_value,
    write_values,
)
from nba_engine.server.convert.decisions import micros
from nba_engine.server.convert.profiles import customer_types

# shared machines pause: no deadline; a short alphabet needs no table of all characters
unhurried = settings(deadline=None)
texts = st.text(alphabet="aZ09 _-=.,:;/<>\"'[]{}\né漢💡\u0301", max_size=40)
ints = st.integers(-(2**63), 2**63 - 1)
doubles = st.floats(allow_nan=False, allow_infinity=False)
# years 1 to 9999, in whole microseconds, as far as a float has them
times = st.floats(-6.2e10, 2.5e11).map(lambda t: round(t, 3))

BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "int": ints,
    "double": doubles,
    "bool": st.booleans(),
    "timestamp": times,
    "list<string>": st.lists(texts, max_size=5),
    "list<double>": st.lists(doubles, max_size=5),
    "map<string,double>": st.dictionaries(texts, doubles, max_size=5),
    "map<string,int>": st.dictionaries(texts, ints, max_size=5),
    "map<string,timestamp>": st.dictionaries(texts, times, max_size=5),
}
typed = st.sampled_from(sorted(BY_TYPE)).flatmap(
    lambda kind: st.tuples(st.just(kind), BY_TYPE[kind])
)


def over_the_wire(value: value_pb2.Value) -> value_pb2.Value:
    return value_pb2.Value.FromString(value.SerializeToString())


@unhurried
@given(typed)
def test_a_declared_value_is_read_as_it_was_written(case: tuple[str, Any]) -> None:
    kind, value = case
    violations = Violations()
    message = over_the_wire(write_value(value, kind))
    found = read_value(message, kind, "x", violations)
    assert violations.found == []
    if "timestamp" in kind:
        assert found == pytest.approx(value, abs=1e-4)
    else:
        assert found == value
        assert type(found) is type(value)


@unhurried
@given(typed)
def test_an_undeclared_value_keeps_its_type(case: tuple[str, Any]) -> None:
    _, value = case
    violations = Violations()
    found = read_value(over_the_wire(write_value(value)), "", "x", violations)
    assert violations.found == []
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


@unhurried
@given(st.sampled_from(sorted(BY_TYPE)), typed)
def test_a_value_of_another_type_is_refused(declared: str, case: tuple[str, Any]) -> None:
    kind, value = case
    violations = Violations()
    read_value(over_the_wire(write_value(value, kind)), declared, "x", violations)
    fits = declared == kind or (declared, kind) == ("double", "int")
    if isinstance(value, list | dict):
        same_shape = declared.partition("<")[0] == kind.partition("<")[0]
        fits = fits or (same_shape and (not value or declared == "map<string,double>" == kind))
        fits = fits or (declared, kind) == ("map<string,double>", "map<string,int>")
    assert (violations.found == []) == fits


@unhurried
@given(times)
def test_times_survive_to_the_microsecond(moment: float) -> None:
    violations = Violations()
    assert read_time(write_time(moment), "t", violations) == pytest.approx(moment, abs=5e-5)
    assert violations.found == []


def test_a_time_just_below_a_second_is_carried() -> None:
    assert write_time(1.9999999) == Timestamp(seconds=2)
    assert write_time(-0.25) == Timestamp(seconds=-1, nanos=750_000_000)


def test_values_that_are_missing_are_left_out() -> None:
    assert set(write_values({"a": None, "b": 0})) == {"b"}
    with pytest.raises(TypeError, match="no Value holds a complex"):
        write_value(1j)


def test_names_are_looked_at_only_when_there_are_not_too_many() -> None:
    violations = Violations()
    many = {f"n{number}": value_pb2.Value(int_value=number) for number in range(3)}
    assert read_values(many, {}, "context", violations, maximum=2) == {}
    assert [violation.field for violation in violations.found] == ["context"]


amounts = st.floats(-1e9, 1e9)
recommendations = st.builds(
    domain.Recommendation,
    recommendation_id=texts,
    placement=texts,
    position=st.integers(0, 31),
    action=texts,
    treatment=texts,
    channel=texts,
    content=st.dictionaries(texts, texts, max_size=3),
    score=amounts,
    propensity=st.floats(0, 1),
    value=amounts,
    cost=amounts,
    lever=st.floats(0, 10),
    weight=st.floats(0, 10),
    selection_probability=st.floats(0, 1),
    reason_codes=st.lists(texts, max_size=3).map(tuple),
    expires=st.none() | times,
)
decisions = st.builds(
    domain.Decision,
    decision_id=texts,
    customer_id=texts,
    known=st.booleans(),
    time=times,
    catalog_version=texts,
    model_versions=st.dictionaries(texts, texts, max_size=2),
    recommendations=st.lists(recommendations, max_size=4).map(tuple),
    degraded=st.lists(texts, max_size=2).map(tuple),
    candidates=st.integers(0, 2**31 - 1),
    dropped=st.dictionaries(
        st.tuples(st.sampled_from("ab"), texts).map("/".join), st.integers(0, 99), max_size=3
    ),
    stage_micros=st.dictionaries(texts, st.integers(0, 2**40), max_size=3),
    decided_by=texts,
    control_groups=st.lists(texts, max_size=2).map(tuple),
)


def read_back(message: decision_pb2.Decision) -> domain.Decision:
    """The inverse of `write_decision`, with money in micros."""
    return domain.Decision(
        decision_id=message.decision_id,
        customer_id=message.customer_id,
        known=message.known,
        time=message.decide_time.ToMicroseconds() / 1e6,
        catalog_version=message.catalog_version,
        model_versions=dict(message.model_versions),
        recommendations=tuple(
            domain.Recommendation(
                recommendation_id=r.recommendation_id,
                placement=r.placement,
                position=r.position,
                action=r.action,
                treatment=r.treatment,
                channel=r.channel,
                content=dict(r.content),
                score=r.score_micros,
                propensity=r.propensity,
                value=r.value_micros,
                cost=r.cost_micros,
                lever=r.lever,
                weight=r.weight,
                selection_probability=r.selection_probability,
                reason_codes=tuple(r.reason_codes),
                expires=r.expire_time.ToMicroseconds() / 1e6 if r.HasField("expire_time") else None,
            )
            for r in message.recommendations
        ),
        degraded=tuple(message.degraded_stages),
        candidates=message.candidate_count,
        dropped={f"{c.stage}/{c.reason}": c.candidate_count for c in message.funnel},
        stage_micros=dict(message.stage_micros),
        decided_by=message.decided_by,
        control_groups=tuple(message.control_groups),
    )


def in_micros(decision: domain.Decision) -> domain.Decision:
    """Money and times as the wire has them."""

    def rounded(moment: float) -> float:
        return round(moment * 1_000_000) / 1e6

    changed = [
        {
            "score": to_micros(r.score),
            "value": to_micros(r.value),
            "cost": to_micros(r.cost),
            "expires": None if r.expires is None else rounded(r.expires),
        }
        for r in decision.recommendations
    ]
    replace = msgspec.structs.replace
    return replace(
        decision,
        time=rounded(decision.time),
        recommendations=tuple(
            replace(r, **fields)
            for r, fields in zip(decision.recommendations, changed, strict=True)
        ),
    )


@unhurried
@given(decisions)
def test_a_decision_survives_the_wire(decision: domain.Decision) -> None:
    message = decision_pb2.Decision()
    write_decision(message, decision, "USD", funnel=True)
    body = message.SerializeToString()
    assert read_back(decision_pb2.Decision.FromString(body)) == in_micros(decision)


@pytest.mark.parametrize(
    ("amount", "told"),
    [(1.25, 1_250_000), (1e300, 2**63 - 1), (-1e300, 1 - 2**63), (float("nan"), 0)],
)
def test_money_that_does_not_fit_the_message_is_told_as_the_most_that_does(
    amount: float, told: int
) -> None:
    assert micros(amount) == told
    assert micros(float("inf")) == 2**63 - 1


def test_the_last_time_that_a_property_held_is_told_as_a_time() -> None:
    last = domain.AggregateSpec(
        name="due", kind="last", types=("order",), property="due", type="timestamp"
    )
    paid = msgspec.structs.replace(last, name="paid", by="shop")
    price = msgspec.structs.replace(last, name="price", type="double")
    shop = cast(
        "domain.CatalogView",
        SimpleNamespace(attributes={}, aggregates={a.name: a for a in (last, paid, price)}),
    )
    assert customer_types(shop) == {
        "due": "timestamp",
        "paid": "map<string,timestamp>",
        "price": "",
    }

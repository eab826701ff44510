from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import grpc
import orjson
import pytest

from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1 import interaction_service_pb2 as interactions
from nba_engine._gen.nba.v1 import profile_service_pb2 as profiles
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.interaction_pb2 import Interaction
from nba_engine._gen.nba.v1.interaction_service_pb2_grpc import InteractionServiceStub
from nba_engine._gen.nba.v1.profile_pb2 import Profile
from nba_engine._gen.nba.v1.profile_service_pb2_grpc import ProfileServiceStub
from nba_engine._gen.nba.v1.value_pb2 import ListValue, MapValue, Value
from nba_engine.domain import AggregateSpec, Attribute, CustomerState, Fetched
from nba_engine.errors import Unavailable
from nba_engine.server import make_logger
from nba_engine.server.logging import capture_standard_logging
from nba_engine.server.redaction import redact, secrets_of_customer, secrets_of_request
from nba_engine.settings import LoggingSettings
from tests.server.small import Details, Served, SmallEngine, serving

REQUEST = decisions.DecideRequest(
    identity="crm:1",
    placements=[decisions.PlacementRequest(placement="banner", slots=2)],
    context={"secret": Value(string_value="pregnant")},
)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as one:
        yield one


def test_a_decision_is_one_line_with_its_ids(served: Served) -> None:
    stub = DecisionServiceStub(served.channel)
    decision = stub.Decide(REQUEST, metadata=(("x-request-id", "from-the-shop"),)).decision
    (line,) = served.lines("decision", wait_for=1)
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")
    assert line["decision_id"] == decision.decision_id
    assert line["request_id"] == "from-the-shop"
    assert line["recommended"] == ["offer0.app", "offer1.app"]
    assert (line["known"], line["candidates"], line["degraded"]) == (False, 5, [])
    assert line["micros"] > 0


def test_a_slow_decision_is_a_warning_with_the_time_of_each_stage() -> None:
    with serving(slow_decision_ms=0.001) as served:
        DecisionServiceStub(served.channel).Decide(REQUEST)
        (line,) = served.lines("decision", wait_for=1)
    assert line["level"] == "warning"
    assert line["stage_micros"] == {"slate": 5}
    assert line["recommended"] == ["offer0.app", "offer1.app"]


def test_a_decision_in_time_does_not_tell_its_stages(served: Served) -> None:
    DecisionServiceStub(served.channel).Decide(REQUEST)
    (line,) = served.lines("decision", wait_for=1)
    assert "stage_micros" not in line


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
def test_whatever_is_raised_the_caller_gets_a_status(served: Served, error: Exception) -> None:
    served.engine.fails = error
    with pytest.raises(grpc.RpcError) as caught:
        DecisionServiceStub(served.channel).Decide(REQUEST, timeout=10)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    (line,) = served.lines("call_failed", wait_for=1)
    assert line["exception"] == type(error).__name__


def test_the_request_id_of_a_message_is_the_customers_and_stays_out_of_the_log(
    served: Served,
) -> None:
    request = decisions.DecideRequest(request_id="newsletter-of-crm:1")
    request.MergeFrom(REQUEST)
    DecisionServiceStub(served.channel).Decide(request, metadata=(("x-request-id", "job-7"),))
    (line,) = served.lines("decision", wait_for=1)
    assert line["request_id"] == "job-7"
    assert b"newsletter" not in served.log.getvalue()


@pytest.mark.parametrize("odd", ["", "r" * 129, "two words"])
def test_an_odd_request_id_is_replaced(served: Served, odd: str) -> None:
    DecisionServiceStub(served.channel).Decide(REQUEST, metadata=(("x-request-id", odd),))
    (line,) = served.lines("decision", wait_for=1)
    assert len(line["request_id"]) == 16


def test_a_failed_call_is_one_line_with_the_id_the_client_got(served: Served) -> None:
    served.engine.fails = Unavailable("the store is away")
    with pytest.raises(grpc.RpcError) as caught:
        DecisionServiceStub(served.channel).Decide(REQUEST)
    (line,) = served.lines("call_failed", wait_for=1)
    assert line["method"] == "DecisionService/Decide"
    assert (line["code"], line["reason"]) == ("UNAVAILABLE", "ERROR_REASON_UNAVAILABLE")
    assert line["request_id"] == Details(caught.value).metadata["request_id"]


def test_a_malformed_request_is_logged_by_its_fields(served: Served) -> None:
    with pytest.raises(grpc.RpcError):
        DecisionServiceStub(served.channel).Decide(decisions.DecideRequest())
    (line,) = served.lines("call_failed", wait_for=1)
    assert line["fields"] == ["identity", "placements"]
    assert line["reason"] == "ERROR_REASON_INVALID_REQUEST"


def test_a_body_that_is_no_message_is_told_as_such(served: Served) -> None:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = served.channel.unary_unary(
        "/nba.v1.DecisionService/Decide"
    )
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xfe junk")
    assert caught.value.details() == "request: the body is not a nba.v1.DecideRequest"
    assert Details(caught.value).fields == ["request"]
    (line,) = served.lines("call_failed", wait_for=1)
    assert line["fields"] == ["request"]


class Careless(Exception):
    """Tells everything it knows."""


def remember(served: Served) -> None:
    """A customer with something to hide."""
    served.engine.small_store.customers["crm:1"] = CustomerState(
        customer_id="crm:1",
        attributes={"diagnosis": "migraine", "readings": {"hba1c": 8.125}, "age": 44},
    )


def update() -> profiles.UpdateProfileRequest:
    readings = Value(map_value=MapValue(values={"hiv": Value(double_value=7.75)}))
    attributes = {"diagnosis": Value(string_value="asthma"), "readings": readings}
    return profiles.UpdateProfileRequest(identity="crm:1", profile=Profile(attributes=attributes))


def test_no_line_of_a_call_holds_a_sensitive_value(served: Served) -> None:
    remember(served)
    wrong = update()
    wrong.profile.attributes["diagnosis"].list_value.values.add(string_value="asthma")
    DecisionServiceStub(served.channel).Decide(REQUEST)
    ProfileServiceStub(served.channel).UpdateProfile(update())
    with pytest.raises(grpc.RpcError):
        ProfileServiceStub(served.channel).UpdateProfile(wrong)
    assert len(served.lines(wait_for=3)) == 3
    log = served.log.getvalue().decode()
    hidden = ["pregnant", "migraine", "hba1c", "8.125", "asthma", "hiv", "7.75"]
    assert not [secret for secret in hidden if secret in log]


def test_an_exception_tells_no_secret_of_the_request_or_of_the_customer(served: Served) -> None:
    stored = ["migraine", "hba1c", "8.125"]
    cases: list[tuple[Any, Any, list[str]]] = [
        (DecisionServiceStub(served.channel).Decide, REQUEST, ["pregnant"]),
        (ProfileServiceStub(served.channel).UpdateProfile, update(), ["asthma", "hiv", "7.75"]),
    ]
    for call, request, secrets in cases:
        remember(served)
        served.engine.fails = Careless(f"I know {stored} and {secrets}, and who is 44")
        with pytest.raises(grpc.RpcError):
            call(request)
        line = served.lines("call_failed", wait_for=1)[-1]
        assert line["message"].endswith("and who is 44")
        assert not [secret for secret in (*stored, *secrets) if secret in line["message"]]


def test_secrets_of_everybody_in_a_batch_of_interactions_are_cut_out(served: Served) -> None:
    remember(served)
    served.engine.fails = Careless("crm:1 has migraine, hba1c 8.125")
    request = interactions.RecordInteractionsRequest(
        interactions=[
            Interaction(interaction_id=who, identity=who, type="view") for who in ("crm:2", "crm:1")
        ]
    )
    for one in request.interactions:
        one.interaction_time.GetCurrentTime()
    with pytest.raises(grpc.RpcError):
        InteractionServiceStub(served.channel).RecordInteractions(request)
    (line,) = served.lines("call_failed", wait_for=1)
    assert line["message"] == "crm:1 has (sensitive), (sensitive) (sensitive)"


def test_what_cannot_be_made_safe_is_withheld(served: Served) -> None:
    def broken(_identity: str) -> None:
        raise Careless("migraine")

    served.engine.small_store.customer = broken  # type: ignore[method-assign, assignment]
    served.engine.fails = Careless("migraine")
    request = interactions.RecordInteractionsRequest(
        interactions=[Interaction(interaction_id="1", identity="crm:1", type="view")]
    )
    request.interactions[0].interaction_time.GetCurrentTime()
    with pytest.raises(grpc.RpcError):
        DecisionServiceStub(served.channel).Decide(REQUEST)
    with pytest.raises(grpc.RpcError):
        InteractionServiceStub(served.channel).RecordInteractions(request)
    decide, record = served.lines("call_failed", wait_for=2)
    assert decide["message"] == "(withheld: Careless while redacting it)"
    assert record["exception"] == "Careless"


def test_lists_and_times_and_learned_values_are_secrets_too() -> None:
    engine = SmallEngine()
    catalog: Any = engine.catalog
    catalog.attributes["visits"] = Attribute(name="visits", type="list<string>", sensitive=True)
    catalog.attributes["born"] = Attribute(name="born", type="timestamp", sensitive=True)
    catalog.aggregates["symptoms"] = AggregateSpec(
        name="symptoms", kind="set", types=("report",), by="symptom", sensitive=True
    )
    born = Value(int_value=0)
    born.timestamp_value.seconds = 123_456
    visits = Value(list_value=ListValue(values=[Value(string_value="clinic")]))
    asked = profiles.UpdateProfileRequest(
        profile=Profile(attributes={"born": born, "visits": visits})
    )
    told = interactions.RecordInteractionsRequest(
        interactions=[Interaction(properties={"symptom": Value(string_value="cough")})]
    )
    stored = CustomerState(
        customer_id="c",
        attributes={"visits": ["ward"]},
        aggregates={"symptoms": {"fever": 1.5}},
        fetched=(Fetched(source="crm", attributes={"visits": ["spa"], "age": 44}),),
    )
    assert set(secrets_of_request(asked, catalog)) == {"123456", "clinic"}
    assert set(secrets_of_request(told, catalog)) == {"cough"}
    assert set(secrets_of_customer(stored, catalog)) == {"ward", "fever", "1.5", "spa"}
    assert redact("cough and coughing", ["cough", "coughing", ""]) == "(sensitive) and (sensitive)"


def test_an_endless_recursion_does_not_fill_the_log(served: Served) -> None:
    # a call with exactly its parameters: Python 3.13 does not count others as recursion
    # (python/cpython#132744), and would fill the memory
    def deeper(depth: int) -> Any:
        return deeper(depth + 1)

    def endless(_request: Any, **_: Any) -> Any:
        return deeper(0)

    served.engine.decide = endless  # type: ignore[method-assign, assignment]
    with pytest.raises(grpc.RpcError):
        DecisionServiceStub(served.channel).Decide(REQUEST)
    (line,) = served.lines("call_failed", wait_for=1)
    assert (line["exception"], len(line["stack"])) == ("RecursionError", 20)


def test_levels_below_the_setting_are_left_out() -> None:
    stream = io.BytesIO()
    logger = make_logger(LoggingSettings(level="warning"), stream=stream)
    logger.info("quiet")
    logger.warning("loud", amount=1.5)
    (line,) = stream.getvalue().splitlines()
    assert orjson.loads(line)["event"] == "loud"


def test_the_console_format_is_for_people() -> None:
    stream = io.StringIO()
    make_logger(LoggingSettings(format="console"), stream=stream).info("decision", known=True)
    assert "decision" in stream.getvalue()
    assert "known=True" in stream.getvalue()


def test_what_libraries_log_becomes_json_without_exception_texts() -> None:
    stream = io.BytesIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        capture_standard_logging(make_logger(LoggingSettings(), stream=stream))
        log = logging.getLogger("grpc._server")
        log.warning("%d calls too many", 3)
        try:
            raise Careless("migraine")
        except Careless:
            log.exception("Exception calling application")
    finally:
        root.handlers[:], root.level = handlers, level
    first, second = (orjson.loads(line) for line in stream.getvalue().splitlines())
    assert (first["library"], first["message"]) == ("grpc._server", "3 calls too many")
    assert second["message"] == "Exception calling application"
    assert b"migraine" not in stream.getvalue()

"""Repeats of Decide over the wire: at once, after a restart, after a crash, in two processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nba_engine._gen.nba.v1.decision_pb2 import Decision
from nba_engine._gen.nba.v1.decision_service_pb2 import DecideRequest, PlacementRequest
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.profile_pb2 import Consent, Profile
from nba_engine._gen.nba.v1.profile_service_pb2 import UpdateProfileRequest
from nba_engine._gen.nba.v1.profile_service_pb2_grpc import ProfileServiceStub
from nba_engine._gen.nba.v1.value_pb2 import Value
from nba_engine.store import open_log, open_store
from tests.integration.shop import Shop, serving_shop
from tests.plugin.distributions import Distributions
from tests.server.small import Details

# Stands after the slate, so that everything is reserved: until the other end of a pipe is opened.
GATE = """
import os
from nba_engine.domain import NoSettings, StageFactory
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"


class Gate:
    def __init__(self, settings, resources):
        pass

    def apply(self, deciding):
        if "GATE" in os.environ:
            open(os.environ["GATE"]).read()


@hookimpl
def nba_stages():
    return {"gate": StageFactory(build=Gate)}
"""

CONSENT = Consent(purpose="marketing", channel="email", granted=True)


def letter(request_id: str, **fields: Any) -> DecideRequest:
    """One e-mail a week is allowed: a second reservation would be another answer."""
    wanted = [PlacementRequest(placement="newsletter", slots=1)]
    return DecideRequest(identity="crm:1", placements=wanted, request_id=request_id, **fields)


class Client:
    """A channel to a shop, and a customer who may get letters."""

    def __init__(self, shop: Shop) -> None:
        self.channel = grpc.insecure_channel(shop.address)
        self.stub = DecisionServiceStub(self.channel)
        self.profiles = ProfileServiceStub(self.channel)

    def consent(self) -> None:
        self.profiles.UpdateProfile(
            UpdateProfileRequest(identity="crm:1", profile=Profile(consents=[CONSENT]))
        )

    def decide(self, request: DecideRequest, *, timeout: float | None = 30.0) -> Decision:
        return self.stub.Decide(request, timeout=timeout).decision

    def close(self) -> None:
        self.channel.close()


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def reserved(folder: Path) -> int:
    """What all reservations hold, read from the store's file; it must equal a recount."""
    store = open_store(folder / "data" / "nba.db", create=False)
    with closing(store):
        report = store.usage_report()
        assert store.recount() == report
        return sum(usage.reserved for usage in report)


def logged(folder: Path) -> list[str]:
    log = open_log(folder / "data" / "decisions.db")
    with closing(log):
        return [record.decision_id for record in log.recent()]


def test_twenty_calls_at_once_and_one_after_a_restart_get_one_answer(tmp_path: Path) -> None:
    request = letter("order-7", include_funnel=True)
    with serving_shop(tmp_path) as shop, closing(Client(shop)) as client:
        client.consent()
        calls = [client.stub.Decide.future(request, timeout=30.0) for _ in range(20)]
        answers = [call.result().decision for call in calls]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0].recommendations[0].action == "milk"
        shop.process.terminate()
        shop.process.wait()
    with serving_shop(tmp_path) as shop, closing(Client(shop)) as client:
        assert client.decide(request) == answers[0]
        short = client.decide(letter("order-7"))  # how it is shown is not part of the request
        assert short.recommendations == answers[0].recommendations
        assert not short.funnel
    assert reserved(tmp_path) == 1
    assert logged(tmp_path) == [answers[0].decision_id]


def test_the_same_id_for_another_request_is_an_invalid_argument(tmp_path: Path) -> None:
    with serving_shop(tmp_path) as shop, closing(Client(shop)) as client:
        client.consent()
        first = client.decide(letter("order-7"))
        other = letter("order-7")
        other.placements[0].slots = 2
        with pytest.raises(grpc.RpcError) as caught:
            client.decide(other)
        found = Details(caught.value)
        assert (found.code, found.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "REQUEST_ID_REUSED",
        )
        assert found.fields == ["request_id"]
        assert client.decide(letter("order-7")) == first
    assert reserved(tmp_path) == 1


def test_an_attempt_that_was_killed_after_it_reserved_leaves_nothing_to_its_repeat(
    tmp_path: Path,
) -> None:
    Distributions(tmp_path).install("gate-plugin", GATE)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    environ = {"PYTHONPATH": str(tmp_path)}
    with (
        serving_shop(tmp_path, stages=["gate"], GATE=str(gate), **environ) as shop,
        closing(Client(shop)) as client,
    ):
        client.consent()
        call = client.stub.Decide.future(letter("order-7"), timeout=3.0)
        with gate.open("w"):  # it stands at the gate now, between its claim and its answer
            shop.process.kill()
            shop.process.wait()
        with pytest.raises(grpc.RpcError):
            call.result()
    assert reserved(tmp_path) == 1  # the dead one's
    with (
        serving_shop(tmp_path, stages=["gate"], **environ) as shop,
        closing(Client(shop)) as client,
    ):
        decision = client.decide(letter("order-7"))  # waits until the dead one's time is up
        assert decision.recommendations[0].action == "milk"  # the dead one's letter is free again
        assert client.decide(letter("order-7")) == decision
        assert client.decide(letter("order-8")).recommendations[0].action == "nothing"
        shop.process.terminate()
        shop.process.wait()
    assert reserved(tmp_path) == 1
    assert decision.decision_id in logged(tmp_path)
    assert len(logged(tmp_path)) == 2


def test_while_the_first_call_is_decided_another_server_says_so_and_then_gives_its_answer(
    tmp_path: Path, clients: ExitStack
) -> None:
    Distributions(tmp_path).install("gate-plugin", GATE)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    environ = {"PYTHONPATH": str(tmp_path)}
    first, second = (
        clients.enter_context(
            closing(
                Client(
                    clients.enter_context(
                        serving_shop(tmp_path, stages=["gate"], **environ, **more)
                    )
                )
            )
        )
        for more in ({"GATE": str(gate)}, {})
    )
    first.consent()
    slow = first.stub.Decide.future(letter("order-7"), timeout=30.0)
    with gate.open("w"):
        with pytest.raises(grpc.RpcError) as early:
            second.decide(letter("order-7"), timeout=None)
        found = Details(early.value)
        waiting = second.stub.Decide.future(letter("order-7"), timeout=30.0)
    assert (found.code, found.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "REQUEST_IN_PROGRESS",
    )
    assert found.retry is not None
    assert waiting.result() == slow.result()
    assert reserved(tmp_path) == 1


def test_a_repeated_update_may_arrive_later_and_another_one_is_refused(tmp_path: Path) -> None:
    request_id = str(uuid4())
    update = UpdateProfileRequest(
        identity="crm:1",
        profile=Profile(attributes={"age": Value(int_value=44)}, consents=[CONSENT]),
        request_id=request_id,
    )
    with serving_shop(tmp_path) as shop, closing(Client(shop)) as client:
        first = client.profiles.UpdateProfile(update).profile
        again = client.profiles.UpdateProfile(update).profile  # its consent got another time
        assert again.version == first.version
        assert again.consents == first.consents
        dated = UpdateProfileRequest()
        dated.CopyFrom(update)
        dated.profile.consents[0].consent_time.CopyFrom(Timestamp(seconds=1_700_000_000))
        with pytest.raises(grpc.RpcError) as caught:
            client.profiles.UpdateProfile(dated)
    found = Details(caught.value)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    assert found.fields == ["request_id"]

"""A batch and a stream answer as single calls do: on copies of one simulated store, in order.

Only a simulated store accepts a seed and a time. Ids of decisions are drawn anew each time; all
else must be equal, what limits left for whom above all.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2

from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1.decision_pb2 import Decision
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.profile_pb2 import Consent, Profile
from nba_engine._gen.nba.v1.profile_service_pb2 import UpdateProfileRequest
from nba_engine._gen.nba.v1.profile_service_pb2_grpc import ProfileServiceStub
from nba_engine._gen.nba.v1.value_pb2 import ListValue, Value
from nba_engine.store import open_store
from tests.integration.shop import make_shop, serving_shop

NOON = 1_510_056_000
ITEMS = 64
CUSTOMERS = 16
# accounts that customers share: who comes first gets the last contact
LIMITS = """
[limits.wine]
name = "Ten times wine a day"
scope = ["action"]
measure = "contacts"
amount = 10
window = "day"
applies_to = { actions = ["wine"] }
[limits.money]
name = "Five cents a day"
scope = []
measure = "money"
amount = 0.05
window = "day"
"""
METADATA = (("x-request-id", "the-same"),)

# what one call made of a request: a decision, or the status of an error
Outcome: TypeAlias = Decision | status_pb2.Status
Way: TypeAlias = Callable[[DecisionServiceStub, Sequence[decisions.DecideRequest]], list[Outcome]]


def requests(seed: int) -> list[decisions.DecideRequest]:
    """Customers who come several times, at the same time or later.

    Every eighth is malformed, and some repeat an earlier one with its ``request_id``.
    """
    source = random.Random(seed)
    made: list[decisions.DecideRequest] = []
    for number in range(ITEMS):
        names = source.sample(["banner", "newsletter"], source.randrange(1, 3))
        request = decisions.DecideRequest(
            identity=f"crm:{source.randrange(CUSTOMERS)}",
            placements=[decisions.PlacementRequest(placement=name) for name in names],
            include_funnel=True,
            time=Timestamp(seconds=NOON + 60 * source.randrange(200)),
            seed=source.randrange(2**63),
        )
        if source.random() < 0.5:
            cart = ListValue(values=[Value(string_value="BREAD")])
            request.context["cart"].list_value.CopyFrom(cart)
        if number % 8 == 7:
            request.placements.add(placement="attic")
        elif number % 8 == 2:
            request.request_id = f"request-{number}"
        elif number % 8 == 6:
            request.CopyFrom(made[number - 4 * source.randrange(1, number // 8 + 2, 2)])
        made.append(request)
    return made


def one_by_one(
    stub: DecisionServiceStub, wanted: Sequence[decisions.DecideRequest]
) -> list[Outcome]:
    """A call each."""
    found: list[Outcome] = []
    for request in wanted:
        try:
            found.append(stub.Decide(request, metadata=METADATA, timeout=30).decision)
        except grpc.RpcError as error:
            trailing: Any = error.trailing_metadata()
            found.append(status_pb2.Status.FromString(dict(trailing)["grpc-status-details-bin"]))
    return found


def in_a_batch(
    stub: DecisionServiceStub, wanted: Sequence[decisions.DecideRequest]
) -> list[Outcome]:
    """One call for all."""
    batch = decisions.BatchDecideRequest(requests=wanted)
    results = stub.BatchDecide(batch, metadata=METADATA, timeout=30).results
    return [one.decision if one.HasField("decision") else one.status for one in results]


def on_a_stream(
    stub: DecisionServiceStub, wanted: Sequence[decisions.DecideRequest]
) -> list[Outcome]:
    """A message each."""
    messages = (decisions.StreamDecideRequest(request=request) for request in wanted)
    answers = stub.StreamDecide(messages, metadata=METADATA, timeout=30)
    return [one.decision if one.HasField("decision") else one.status for one in answers]


def comparable(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Without what differs between two runs of anything: ids of decisions, and times taken."""
    labels: dict[
        str, str
    ] = {}  # id → which of the different ones it is: repeats have one in common
    for outcome in outcomes:
        if isinstance(outcome, Decision):
            drawn = outcome.decision_id
            assert drawn
            assert outcome.stage_micros
            outcome.decision_id = labels.setdefault(drawn, f"decision-{len(labels)}")
            outcome.ClearField("stage_micros")
            for one in outcome.recommendations:
                assert drawn in one.recommendation_id
                one.recommendation_id = one.recommendation_id.replace(drawn, outcome.decision_id)
    return list(outcomes)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a simulated store and customers, not served any more."""
    folder = tmp_path_factory.mktemp("template")
    make_shop(folder)
    (folder / "catalog" / "limits.toml").write_text(LIMITS)
    open_store(folder / "data" / "nba.db", simulated=True).close()
    with serving_shop(folder) as shop, grpc.insecure_channel(shop.address) as channel:
        for number in range(CUSTOMERS):
            age = Value(int_value=15 + 2 * number)
            given = Consent(purpose="marketing", channel="email", granted=number % 4 != 0)
            profile = Profile(attributes={"age": age}, consents=[given])
            ProfileServiceStub(channel).UpdateProfile(
                UpdateProfileRequest(identity=f"crm:{number}", profile=profile)
            )
        shop.process.terminate()
        assert shop.process.wait() == 0
    return folder


@pytest.fixture
def answered(template: Path, tmp_path: Path) -> Callable[..., list[Outcome]]:
    """Answers in one of the ways, each on a copy of the same store."""

    def answer(way: Way, wanted: Sequence[decisions.DecideRequest]) -> list[Outcome]:
        folder = tmp_path / way.__name__
        shutil.copytree(template, folder)
        (folder / "ready").unlink(missing_ok=True)
        with serving_shop(folder) as shop, grpc.insecure_channel(shop.address) as channel:
            return comparable(way(DecisionServiceStub(channel), wanted))

    return answer


@pytest.mark.parametrize("seed", [1, 2])
def test_a_batch_and_a_stream_answer_as_single_calls_do(
    answered: Callable[..., list[Outcome]], seed: int
) -> None:
    wanted = requests(seed)
    single = answered(one_by_one, wanted)
    assert answered(in_a_batch, wanted) == single
    assert answered(on_a_stream, wanted) == single

    made = [one for one in single if isinstance(one, Decision)]
    assert len(made) == ITEMS - ITEMS // 8
    assert len({one.decision_id for one in made}) == len(made) - ITEMS // 8  # so many were repeats
    reserved = [r for one in made for r in one.recommendations if r.HasField("expire_time")]
    mails = {r.recommendation_id for r in reserved if r.channel == "email"}
    wines = {r.recommendation_id for r in reserved if r.action == "wine"}
    assert (len(mails), len(wines)) == (5, 10)  # the shared accounts were used up on the way


def test_another_order_gives_other_answers(answered: Callable[..., list[Outcome]]) -> None:
    """What the comparison above would miss if limits did not tie the requests together."""
    wanted = requests(1)
    forwards = answered(one_by_one, wanted)
    backwards = answered(in_a_batch, wanted[::-1])[::-1]
    assert [one for one in forwards if isinstance(one, Decision)] != [
        one for one in backwards if isinstance(one, Decision)
    ]

"""Four server processes on one address and one store: limits and request ids hold over all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from faults.servers import Servers
from faults.world import write_world
from nba_engine._gen.nba.v1.decision_pb2 import Decision
from nba_engine._gen.nba.v1.decision_service_pb2 import DecideRequest, PlacementRequest
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine.store import open_log, open_store

THREADS, CUSTOMERS, AMOUNT = 16, 100, 500

pytestmark = pytest.mark.timeout(120)


@contextmanager
def four_processes(folder: Path) -> Iterator[Servers]:
    world = write_world(folder, processes=4, reservations=5 * AMOUNT, customers=CUSTOMERS, ttl=3600)
    assert [amounts["hot"] for amounts in world.amounts.values()] == [AMOUNT]
    with Servers(world) as servers:
        yield servers


@contextmanager
def stubs(address: str, count: int) -> Iterator[Sequence[DecisionServiceStub]]:
    """One connection each: the kernel spreads them over the processes."""
    with ExitStack() as stack:
        yield [
            DecisionServiceStub(
                stack.enter_context(
                    grpc.insecure_channel(
                        address,
                        [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)],
                    )
                )
            )
            for _ in range(count)
        ]


def request(number: int, request_id: str = "") -> DecideRequest:
    return DecideRequest(
        identity=f"crm:{number % CUSTOMERS}",
        placements=[PlacementRequest(placement="banner", slots=1)],
        request_id=request_id,
    )


def decide(stub: DecisionServiceStub, asked: DecideRequest) -> Decision | None:
    """The answer; None when its process was killed."""
    try:
        return stub.Decide(asked, timeout=30.0, wait_for_ready=True).decision
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            raise
        return None


def held(folder: Path, limit: str) -> int:
    """What the reservations of a limit hold, by a recount."""
    store = open_store(folder / "data" / "nba.db", create=False)
    try:
        assert store.recount() == store.usage_report()
        return sum(usage.reserved for usage in store.usage_report(limit))
    finally:
        store.close()


def test_a_limit_is_granted_exactly_and_a_repeated_id_gets_one_answer_over_all_processes(
    tmp_path: Path,
) -> None:
    with four_processes(tmp_path) as servers, stubs(servers.address, THREADS) as opened:
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(
                pool.map(
                    lambda number: decide(opened[number % THREADS], request(number)),
                    range(AMOUNT + 200),
                )
            )
        actions = [answer.recommendations[0].action for answer in answers if answer]
        assert actions.count("wanted") == AMOUNT
        assert actions.count("plain") == 200
        with stubs(servers.address, 20) as twenty, ThreadPoolExecutor(20) as pool:
            asked = request(1, str(uuid4()))
            same = list(pool.map(lambda stub: decide(stub, asked), twenty))
            same += [decide(stub, asked) for stub in twenty]
        assert same[0] is not None
        assert all(answer == same[0] for answer in same)
    assert servers.exit_code == 0
    assert len(servers.decided) > 1  # processes that answered
    assert held(tmp_path, "hot") == AMOUNT
    assert held(tmp_path, "cold") == AMOUNT + 200 + 1
    with closing(open_log(tmp_path / "data" / "decisions.db")) as log:  # one file, four writers
        logged = {record.decision_id for record in log.recent(AMOUNT + 300)}
    assert logged == {answer.decision_id for answer in answers if answer} | {same[0].decision_id}


def test_when_a_process_is_killed_the_others_go_on_and_no_limit_is_exceeded(
    tmp_path: Path,
) -> None:
    with four_processes(tmp_path) as servers, stubs(servers.address, THREADS) as opened:
        with ThreadPoolExecutor(THREADS) as pool:
            calls = [
                pool.submit(decide, opened[number % THREADS], request(number))
                for number in range(AMOUNT + 200)
            ]
            calls[100].result()
            servers.kill_one(random.Random(1))
            answers = [call.result() for call in calls]
        unknown = answers.count(None)
        granted = sum(
            answer.recommendations[0].action == "wanted" for answer in answers if answer is not None
        )
        assert unknown <= THREADS
        assert AMOUNT - unknown <= granted <= AMOUNT
        with stubs(servers.address, 8) as after:
            assert all(decide(stub, request(7)) for stub in after)
    assert servers.exit_code == 0
    assert granted <= held(tmp_path, "hot") <= AMOUNT

from __future__ import annotations

import grpc

from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from tests.server.small import serving

REQUEST = decisions.DecideRequest(
    identity="crm:42", placements=[decisions.PlacementRequest(placement="banner")]
)


def test_a_stream_is_answered_in_order_and_an_error_does_not_end_it() -> None:
    with serving() as served:
        wanted = [
            decisions.StreamDecideRequest(correlation_id="a", request=REQUEST),
            decisions.StreamDecideRequest(correlation_id="b"),
            decisions.StreamDecideRequest(correlation_id="c", request=REQUEST),
        ]
        got = list(DecisionServiceStub(served.channel).StreamDecide(iter(wanted)))
    assert [one.correlation_id for one in got] == ["a", "b", "c"]
    assert [one.WhichOneof("result") for one in got] == ["decision", "status", "decision"]
    assert got[1].status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]

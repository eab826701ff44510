"""The messages of calls, built and read alike for both clients."""

from __future__ import annotations

from collections.abc import Sequence

from nba_engine._gen.nba.v1 import decision_service_pb2, interaction_service_pb2
from nba_engine.client.decisions import (
    DecideRequest,
    DecideResult,
    fill_decide_request,
    read_decision,
)
from nba_engine.client.errors import Internal
from nba_engine.client.failures import error_of_status
from nba_engine.client.interactions import (
    Interaction,
    InteractionResult,
    fill_interaction,
    read_result,
)
from nba_engine.client.values import Violations

__all__ = [
    "batch_decide_request",
    "decide_request",
    "read_batch",
    "read_results",
    "record_request",
]


def decide_request(request: DecideRequest) -> decision_service_pb2.DecideRequest:
    """The message of one request. Raises `InvalidRequest` for values no message holds."""
    message = decision_service_pb2.DecideRequest()
    violations = Violations()
    fill_decide_request(message, request, violations)
    violations.raise_any("Decide")
    return message


def batch_decide_request(
    requests: Sequence[DecideRequest],
) -> decision_service_pb2.BatchDecideRequest:
    """The message of several requests. Raises `InvalidRequest` for values no message holds."""
    message = decision_service_pb2.BatchDecideRequest()
    violations = Violations()
    for position, request in enumerate(requests):
        prefix = f"requests[{position}]."
        fill_decide_request(message.requests.add(), request, violations, prefix=prefix)
    violations.raise_any("BatchDecide")
    return message


def read_batch(
    requests: Sequence[DecideRequest], response: decision_service_pb2.BatchDecideResponse
) -> list[DecideResult]:
    """What became of each request, in their order."""
    _same_number("BatchDecide", len(requests), len(response.results))
    return list(map(_read_one, requests, response.results))


def _read_one(
    request: DecideRequest, message: decision_service_pb2.BatchDecideResult
) -> DecideResult:
    if message.HasField("decision"):
        return DecideResult(request=request, decision=read_decision(message.decision))
    return DecideResult(
        request=request, error=error_of_status(message.status, method="BatchDecide")
    )


def record_request(
    interactions: Sequence[Interaction],
) -> interaction_service_pb2.RecordInteractionsRequest:
    """The message of interactions. Raises `InvalidRequest` for values no message holds."""
    message = interaction_service_pb2.RecordInteractionsRequest()
    violations = Violations()
    for position, interaction in enumerate(interactions):
        prefix = f"interactions[{position}]."
        fill_interaction(message.interactions.add(), interaction, violations, prefix=prefix)
    violations.raise_any("RecordInteractions")
    return message


def read_results(
    number: int, response: interaction_service_pb2.RecordInteractionsResponse
) -> list[InteractionResult]:
    """What became of each interaction, in their order."""
    _same_number("RecordInteractions", number, len(response.results))
    return [read_result(entry) for entry in response.results]


def _same_number(method: str, asked: int, answered: int) -> None:
    """Raise `Internal` unless there is an answer for each."""
    if asked != answered:
        text = f"the server answered {answered} of {asked} items"
        raise Internal(text, method=method)

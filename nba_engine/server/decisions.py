"""`nba.v1.DecisionService`: one decision, a batch, a stream of them, and explanations."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial

from google.protobuf.message import Message
from structlog.typing import FilteringBoundLogger

from nba_engine._gen.nba.v1 import decision_pb2, decision_service_pb2
from nba_engine.domain import Decision
from nba_engine.errors import DeadlineExceeded, NotFound, TooLong
from nba_engine.server.calls import Call, parse
from nba_engine.server.convert import (
    DecideReader,
    Violations,
    bound_to,
    customer_types,
    read_page,
    read_plan_request,
    read_stream_request,
    write_decision,
    write_origin,
    write_plan,
    write_trace,
    write_values,
)
from nba_engine.server.protocols import Decides
from nba_engine.server.reports import Reporter
from nba_engine.settings import ServerSettings

__all__ = ["MAX_BATCH", "DecisionServicer"]

MAX_BATCH = 256
_MAX_TREATMENTS = 1000
_STATUS_BYTES = 512  # about what a status of an item takes
_TOO_LONG = "the response is as long as it may be: send smaller batches"


class DecisionServicer:
    """Convert, call, convert; one log line per decision."""

    def __init__(
        self,
        engine: Decides,
        settings: ServerSettings,
        logger: FilteringBoundLogger,
        reporter: Reporter,
    ) -> None:
        self._engine = engine
        self._logger = logger
        self._logs = logger.is_enabled_for(logging.INFO)
        self._reporter = reporter
        self._default_deadline = settings.default_deadline_ms / 1000
        self._slow = settings.slow_decision_ms * 1000
        self._max_bytes = settings.max_message_bytes
        self._reader: DecideReader | None = None
        # streams wait for each other, so that a hundred of them leave room for the other calls
        self._turns = threading.Semaphore(settings.stream_threads)

    def Decide(  # noqa: N802 - methods are named as in the API
        self, message: decision_service_pb2.DecideRequest, call: Call
    ) -> decision_service_pb2.DecideResponse:
        """Decide for one customer."""
        response = decision_service_pb2.DecideResponse()
        self._decide(message, response.decision, call)
        return response

    def BatchDecide(  # noqa: N802
        self, message: decision_service_pb2.BatchDecideRequest, call: Call
    ) -> decision_service_pb2.BatchDecideResponse:
        """Decide one after the other; a failure is the item's own."""
        violations = Violations()
        violations.count(len(message.requests), "requests", minimum=1, maximum=MAX_BATCH)
        violations.raise_any()
        response = decision_service_pb2.BatchDecideResponse()
        room = self._max_bytes - _STATUS_BYTES * len(message.requests)
        largest = 0
        for position, request in enumerate(message.requests):
            if call.abandoned:
                break
            result = response.results.add()
            part = call.part()
            try:
                part.check_deadline()
                if room < 2 * largest:  # what cannot be sent must not be reserved
                    raise TooLong(_TOO_LONG)
                decision = self._decide(request, result.decision, part)
                if result.ByteSize() > room:  # gRPC would send nothing of the others either
                    self._withdraw(request, decision)
                    raise TooLong(_TOO_LONG)
            except BaseException as error:  # the last resort: the others are answered all the same
                failure = self._reporter.failure(
                    error, "DecisionService/BatchDecide", part, message=request, item=position
                )
                result.status.CopyFrom(failure.status)
            size = result.ByteSize()
            room -= size
            largest = max(largest, size)
        return response

    def StreamDecide(self, body: bytes, stream: Call) -> bytes:  # noqa: N802
        """Answer one message of a stream, whatever it is."""
        response = decision_service_pb2.StreamDecideResponse()
        call = stream.part()
        request: Message | None = None
        try:
            message = parse(decision_service_pb2.StreamDecideRequest, body)
            request = message.request
            response.correlation_id = message.correlation_id
            timeout = read_stream_request(message)
            if timeout is None:
                timeout = self._default_deadline
            call = stream.part(call.started + timeout)
            if not self._turns.acquire(timeout=_remaining(call)):
                raise DeadlineExceeded("the deadline passed while other streams were answered")
            try:
                call.check_deadline()
                decision = self._decide(message.request, response.decision, call)
            finally:
                self._turns.release()
            if response.ByteSize() > self._max_bytes:  # gRPC would end the whole stream
                self._withdraw(message.request, decision)
                raise TooLong("the response is longer than a message may be: ask for less")
        except BaseException as error:  # the last resort: whatever it is, the stream goes on
            failure = self._reporter.failure(
                error, "DecisionService/StreamDecide", call, message=request
            )
            response.status.CopyFrom(failure.status)
        return response.SerializeToString()

    def _decide(
        self,
        message: decision_service_pb2.DecideRequest,
        target: decision_pb2.Decision,
        call: Call,
    ) -> Decision:
        engine = self._engine
        catalog = engine.catalog
        reader = self._reader
        if reader is None or reader.catalog is not catalog:  # another is in force
            reader = self._reader = DecideReader(catalog)
        request = reader.read(message, simulated=engine.store.simulated)
        deadline = call.deadline or call.started + self._default_deadline
        decision = engine.decide(request, deadline=deadline)
        write_decision(target, decision, catalog.currency, funnel=message.include_funnel)
        micros = call.micros
        slow = micros >= self._slow
        if self._logs or slow:  # a line that nobody reads costs its fields all the same
            self._logger.log(
                logging.WARNING if slow else logging.INFO,
                "decision",
                decision_id=decision.decision_id,
                request_id=call.request_id,
                known=decision.known,
                recommended=[r.treatment for r in decision.recommendations],
                candidates=decision.candidates,
                degraded=decision.degraded,
                micros=micros,
                **({"stage_micros": decision.stage_micros} if slow else {}),
            )
        return decision

    def _withdraw(self, message: decision_service_pb2.DecideRequest, decision: Decision) -> None:
        """Give back what an answer reserved that cannot be sent.

        Under a request id it stays: the repeat may come as a call of its own, where there is room.
        """
        if not message.request_id:
            self._engine.withdraw(decision)

    def ExplainDecision(  # noqa: N802
        self, message: decision_service_pb2.ExplainDecisionRequest, call: Call
    ) -> decision_service_pb2.ExplainDecisionResponse:
        """Explain one decision, a page of candidates at a time."""
        del call
        engine = self._engine
        violations = Violations()
        decision_id = message.decision_id
        violations.id(decision_id, "decision_id")
        wanted: frozenset[str] = frozenset()
        if violations.count(len(message.treatments), "treatments", maximum=_MAX_TREATMENTS):
            wanted = frozenset(message.treatments)
        page = read_page(
            message.page_size,
            message.page_token,
            bound_to(decision_id, *sorted(wanted)),
            violations,
            default=1000,
            maximum=5000,
        )
        violations.raise_any()
        try:
            explanation = engine.explain(decision_id, treatments=wanted or None)
        except NotFound as error:
            raise NotFound(
                "no decision of this id is on record",
                reason="DECISION_NOT_FOUND",
                metadata={"decision_id": decision_id},
            ) from error
        catalog = engine.catalog
        types = {f"customer.{name}": kind for name, kind in customer_types(catalog).items()}
        types |= {f"context.{name}": a.type for name, a in catalog.context.items()}
        candidates, token = page.of(
            explanation.candidates, partial(write_trace, types=types), room=self._max_bytes // 2
        )
        response = decision_service_pb2.ExplainDecisionResponse(
            sentences=explanation.sentences,
            candidates=candidates,
            next_page_token=token,
            origins=map(write_origin, explanation.origins),
            customer_value=write_values(explanation.customer_value),
        )
        write_decision(response.decision, explanation.decision, catalog.currency, funnel=True)
        return response

    def GetContactPlan(  # noqa: N802
        self, message: decision_service_pb2.GetContactPlanRequest, call: Call
    ) -> decision_service_pb2.GetContactPlanResponse:
        """What is planned for one customer, now."""
        del call
        engine = self._engine
        identity, time = read_plan_request(message, simulated=engine.store.simulated)
        return write_plan(engine.contact_plan(identity, time=time), engine.catalog.currency)


def _remaining(call: Call) -> float:
    deadline = call.deadline
    return threading.TIMEOUT_MAX if deadline is None else max(0.0, deadline - time.monotonic())

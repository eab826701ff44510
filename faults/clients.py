"""The load: clients that decide, confirm, release and abandon, and go on when a server dies."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from faults.journal import Journal
from nba_engine._gen.nba.v1 import (
    decision_service_pb2,
    interaction_pb2,
    interaction_service_pb2,
)
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.interaction_service_pb2_grpc import InteractionServiceStub

__all__ = ["Client", "Target"]

_T = TypeVar("_T")

LATE, CONFIRMED, RELEASED = 0.02, 0.6, 0.9  # below: late, confirmed, released; the rest: abandoned
WITH_ID, REPEATED = 0.5, 0.1  # shares of the calls
TIMEOUT = 10.0  # seconds of one try
CALLS = 50  # decisions per connection: the kernel then picks a process anew
LONGEST = 120.0  # seconds without an answer, and the run has failed
PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds after a try that failed, longer and longer


class Target:
    """How many reservations are wanted, and how many there are. The last kill is waited for."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self.count = 0
        self.killed = threading.Event()  # as often as wanted
        self.failed = threading.Event()

    def add(self) -> None:
        with self._lock:
            self.count += 1

    @property
    def reached(self) -> bool:
        enough = self.count >= self._wanted and self.killed.is_set()
        return enough or self.failed.is_set()


class Client(threading.Thread):
    """One client with a connection of its own."""

    def __init__(
        self,
        number: int,
        address: str,
        customers: int,
        seed: int,
        journal: Journal,
        target: Target,
        ttl: float,
    ) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self._address = address
        self._customers = customers
        self._random = random.Random(f"{seed}/{number}")
        self._journal = journal
        self._target = target
        self._channel: grpc.Channel | None = None
        self._calls = 0
        self._failed = 0  # tries in a row
        self._too_late = ttl + 0.5
        self._late: deque[tuple[float, str, str]] = deque()  # when to confirm whose reservation

    def run(self) -> None:
        try:
            while not self._target.reached:
                self._connect()
                self._one()
                while self._late and self._late[0][0] < time.monotonic():
                    self._report(*self._late.popleft()[1:], "impression")
            for when, identity, reservation in self._late:
                time.sleep(max(0.0, when - time.monotonic()))
                self._report(identity, reservation, "impression")
        # whatever ends a client ends the run, and is told
        except Exception as error:
            self._journal.problem(f"{self.name}: {type(error).__name__}: {error}")
            self._target.failed.set()
        finally:
            if self._channel is not None:
                self._channel.close()

    def _connect(self) -> None:
        if self._channel is not None and self._calls < CALLS:
            self._calls += 1
            return
        if self._channel is not None:
            self._channel.close()
        self._calls = 0
        self._channel = grpc.insecure_channel(
            self._address,
            options=[
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.enable_retries", 0),
                ("grpc.initial_reconnect_backoff_ms", 50),
                ("grpc.max_reconnect_backoff_ms", 500),
            ],
        )
        self._decide = DecisionServiceStub(self._channel).Decide
        self._record = InteractionServiceStub(self._channel).RecordInteractions

    def _one(self) -> None:
        identity = f"crm:{self._random.randrange(self._customers)}"
        named = self._random.random() < WITH_ID
        request = decision_service_pb2.DecideRequest(
            identity=identity,
            placements=[decision_service_pb2.PlacementRequest(placement="banner", slots=1)],
            request_id=str(uuid.UUID(int=self._random.getrandbits(128))) if named else "",
        )
        answer = self._try_to_decide(identity, request, again=named)
        if answer is None:
            return
        (given,) = answer.decision.recommendations
        if "slate" in answer.decision.degraded_stages:
            # the ledger did not say what became of a reservation: as if nobody had answered
            self._journal.attempt(identity)
            self._journal.fail(identity, "LEDGER")
        if given.action == "nothing":
            self._journal.refuse(identity)
        else:
            version = answer.decision.catalog_version
            self._journal.grant(identity, given.recommendation_id, version)
            self._target.add()
        if named and self._random.random() < REPEATED:
            repeat = self._try_to_decide(identity, request, again=True)
            if repeat is not None:
                same = repeat.decision == answer.decision
                self._journal.repeat(identity, answer.decision.decision_id, same=same)
        if given.action == "nothing":
            return
        dice = self._random.random()
        if dice < LATE:
            when = time.monotonic() + self._too_late
            self._late.append((when, identity, given.recommendation_id))
        elif dice < RELEASED:
            kind = "impression" if dice < CONFIRMED else "reject"
            self._report(identity, given.recommendation_id, kind)
        else:
            self._journal.abandon(given.recommendation_id)

    def _try_to_decide(
        self, identity: str, request: decision_service_pb2.DecideRequest, *, again: bool
    ) -> Any:
        """The answer; None: unknown, and there is no id to ask again with."""

        def once() -> Any:
            self._journal.attempt(identity)
            return self._decide(request, timeout=TIMEOUT, wait_for_ready=True)

        return self._until(once, lambda why: self._journal.fail(identity, why), again=again)

    def _report(self, identity: str, reservation: str, kind: str) -> None:
        name = str(uuid.UUID(int=self._random.getrandbits(128)))
        one = interaction_pb2.Interaction(
            interaction_id=name, identity=identity, type=kind, recommendation_id=reservation
        )
        one.interaction_time.GetCurrentTime()
        request = interaction_service_pb2.RecordInteractionsRequest(interactions=[one])
        answer = self._until(
            lambda: self._record(request, timeout=TIMEOUT, wait_for_ready=True), again=True
        )
        assert answer is not None  # it is asked for again and again
        (result,) = answer.results
        status = interaction_pb2.InteractionStatus.Name(result.status)
        effect = interaction_pb2.ReservationEffect.Name(result.reservation)
        if status.endswith("REJECTED"):
            self._journal.problem(f"rejected: {result.message}")
        shown = kind == "impression"
        self._journal.record(
            name, reservation, effect.removeprefix("RESERVATION_EFFECT_"), shown=shown
        )

    def _until(
        self,
        call: Callable[[], _T],
        failed: Callable[[str], None] = lambda _: None,
        *,
        again: bool,
    ) -> _T | None:
        """Call until there is an answer; without ``again`` once."""
        latest = time.monotonic() + LONGEST
        while True:
            try:
                answer = call()
            except grpc.RpcError as error:
                code = error.code()
                failed(code.name)
                if code not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                    raise
                if again and time.monotonic() > latest:
                    raise
                time.sleep(min(LONGEST_PAUSE, PAUSE * 2**self._failed))
                self._failed = min(self._failed + 1, 10)
                if not again:
                    return None
            else:
                self._failed = 0
                return answer

"""Changes what limits amount to while everything goes on, by publishing catalogs over the API."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import grpc

from faults.clients import LONGEST, Target
from faults.journal import Journal
from faults.world import FILE, World
from nba_engine._gen.nba.v1.catalog_service_pb2 import PublishCatalogRequest
from nba_engine._gen.nba.v1.catalog_service_pb2_grpc import CatalogServiceStub

__all__ = ["Publisher"]

TIMES = 8  # per run: it takes a while until all processes have switched
TIMEOUT = 20.0  # seconds of one try
_AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


class Publisher(threading.Thread):
    """Publishes other amounts than those the world began with: they grow with the run.

    Some are lower than what was used; none is so low that the run could not go on to the next one.
    """

    def __init__(
        self,
        address: str,
        world: World,
        seed: int,
        journal: Journal,
        target: Target,
        reservations: int,
    ) -> None:
        super().__init__(name="publisher", daemon=True)
        self._address = address
        self._world = world
        self._first = dict(next(iter(world.amounts.values())))
        self._random = random.Random(f"{seed}/publisher")
        self._journal = journal
        self._target = target
        self._pace = reservations / (TIMES + 1)
        self.published = 0

    def run(self) -> None:
        try:
            with grpc.insecure_channel(self._address, [("grpc.enable_retries", 0)]) as channel:
                publish = CatalogServiceStub(channel).PublishCatalog
                while self._wait(lambda: self._target.count > (self.published + 1) * self._pace):
                    self._publish(publish)
                    self.published += 1
        # whatever ends it ends the run, and is told
        except Exception as error:
            self._journal.problem(f"{self.name}: {type(error).__name__}: {error}")
            self._target.failed.set()

    def _wait(self, for_it: Callable[[], bool]) -> bool:
        """Whether it came to that before the end of the run."""
        while not for_it():
            if self._target.reached or self.published == TIMES:
                return False
            time.sleep(0.05)
        return True

    def _publish(self, publish: Callable[..., object]) -> None:
        least = self.published / TIMES + 0.25
        amounts = {
            limit: max(1, round(amount * self._random.uniform(least, least + 0.5)))
            for limit, amount in self._first.items()
        }
        text = self._world.catalog(amounts)
        request = PublishCatalogRequest(files={FILE: text}, author="faults")
        latest = time.monotonic() + LONGEST
        while True:
            try:
                publish(request, timeout=TIMEOUT, wait_for_ready=True)
            except grpc.RpcError as error:  # a process that was killed: it is the same again
                if error.code() not in _AGAIN or time.monotonic() > latest:
                    raise
                time.sleep(0.2)
                continue
            return

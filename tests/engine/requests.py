"""Requests with an id, and what tests of them look at."""

from __future__ import annotations

import threading

from nba_engine.domain import Deciding, Decision
from nba_engine.engine import Engine
from tests.engine.world import ask
from tests.pipeline.faulty import Doing

LETTER = ask("crm:1", "newsletter", request_id="q1")  # one e-mail a week
BANNER = ask("crm:1", "banner", request_id="q1")  # without limits


class Gate(Doing):
    """A stage that stands still until it is opened; ``reached`` counts the decisions at it."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.reached = threading.Semaphore(0)
        self.opened = threading.Event()

    def _wait(self, deciding: Deciding) -> None:
        self.reached.release()
        assert self.opened.wait(30)


def reserved(engine: Engine) -> list[int]:
    return [usage.reserved for usage in engine.store.usage_report()]


def logged(engine: Engine) -> list[str]:
    engine.log.flush()
    return [record.decision_id for record in engine.log.recent()]  # type: ignore[attr-defined]


def action(decision: Decision) -> str:
    return decision.recommendations[0].action

"""Challengers: models that decide for a share of customers, or score beside the one that does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from copy import copy
from typing import Annotated

import msgspec
from msgspec import Meta

from nba_engine.domain import (
    BoolArray,
    CustomerView,
    Deciding,
    Evidence,
    FloatArray,
    IntArray,
    Scorer,
)
from nba_engine.stages.shares import point

__all__ = ["Challenger", "Served", "Shadows", "chosen"]

_log = logging.getLogger("nba_engine.stages")

# model, treatments (n,), which are nothing (n,), evidence, its answers (n,) → what it would serve
Served = Callable[[str, IntArray, BoolArray, Evidence, FloatArray], FloatArray]

_WAITING = 32  # decisions whose shadow may wait; those after them go without


class Challenger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that is to show what it can."""

    model: str
    """a name in `[models]`"""
    share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """part of the customers for whom it decides, by a stable hash"""
    shadow: bool = True
    """whether it scores beside the model that decides: logged, never used"""


def chosen(model: str, challengers: tuple[Challenger, ...], salt: str, customer_id: str) -> str:
    """The model that decides for a customer. Shares stand one beside the other, in their order."""
    if not challengers:
        return model
    at, end = point(salt, customer_id), 0.0
    for one in challengers:
        end += one.share
        if at < end * 2.0**64:
            return one.model
    return model


class Shadows:
    """Scores models on a thread of their own, while the decision goes on.

    Nobody waits longer than ``seconds`` after the start, nor past the decision's deadline. What is
    not done by then is given up, and so is all that comes while too much waits.
    """

    def __init__(self, scorers: Mapping[str, Scorer], seconds: float, served: Served) -> None:
        """``served`` makes of a model's answers what the stage would have made of them."""
        self._scorers = scorers
        self._served = served
        self._seconds = seconds
        # its thread ends when the stage, and with it this, is gone
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="nba-shadow")
        self._waiting: set[Future[FloatArray]] = set()
        self._failing: set[str] = set()  # told once

    def start(self, decider: str, deciding: Deciding) -> None:
        """Have all but the one that decides score the candidates as they are now."""
        until = time.monotonic() + self._seconds
        deciding.shadows = {
            name: _Scoring(
                None if len(self._waiting) >= _WAITING else self._start(name, deciding), until
            )
            for name in self._scorers
            if name != decider
        }

    def _start(self, name: str, deciding: Deciding) -> Future[FloatArray]:
        customer = deciding.customer
        if isinstance(customer, CustomerView):
            customer = copy(customer)  # it computes lazily: one thread, one view
        context, now = deciding.context, deciding.now
        index, nothing = deciding.candidates.index, deciding.candidates.nothing
        evidence, scorer = deciding.reads.evidence(), self._scorers[name]

        def score() -> FloatArray:
            answers = scorer.propensities(index, customer, context, now)
            if answers.shape != index.shape:
                raise ValueError("another number of scores than candidates")
            return self._served(name, index, nothing, evidence, answers)

        future = self._pool.submit(score)
        self._waiting.add(future)
        future.add_done_callback(lambda done: self._done(name, done))
        return future

    def _done(self, name: str, future: Future[FloatArray]) -> None:
        self._waiting.discard(future)
        if future.cancelled() or (error := future.exception()) is None:
            return
        if name not in self._failing:  # its text may hold a customer's values
            self._failing.add(name)
            _log.warning("the challenger %s failed in shadow: %s", name, type(error).__name__)


class _Scoring:
    """`nba_engine.domain.Shadow` under way."""

    def __init__(self, future: Future[FloatArray] | None, until: float) -> None:
        self._future = future
        self._until = until

    def scores(self, until: float) -> FloatArray | None:
        if self._future is None:
            return None
        try:
            return self._future.result(max(0.0, min(until, self._until) - time.monotonic()))
        except NotInTime:
            self._future.cancel()
        except Exception:  # told where it failed
            return None
        return None

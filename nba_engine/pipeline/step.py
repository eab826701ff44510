"""One step of a pipeline: a stage, its failure policy and its breaker."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import numpy as np

from nba_engine.domain import Deciding, OnError, Stage
from nba_engine.errors import Exhausted, StageFailed, Unavailable
from nba_engine.pipeline.breaker import Breaker

__all__ = [
    "STAGE_FAILED",
    "Step",
    "apply_policy",
    "check_recommendations",
    "is_interrupt",
    "log_failure",
    "log_overrun",
    "log_recovery",
]

STAGE_FAILED = "stage_failed"  # the reason of candidates that a failed filter could not judge

_MAIN = threading.main_thread()
_OURS = tuple(f"{Path(__file__).parents[1] / layer}{os.sep}" for layer in ("domain", "pipeline"))
_OPENED = "breaker opened: "  # before what opened it
_log = logging.getLogger("nba_engine.pipeline")


class Step:
    """A stage in its place: plain attributes, read by the loop."""

    __slots__ = (
        "apply",
        "breaker",
        "budget_ns",
        "keeps_eligible",
        "keeps_scored",
        "name",
        "on_error",
        "stage",
        "timeout",
    )

    def __init__(
        self,
        name: str,
        stage: Stage,
        *,
        on_error: OnError,
        breaker: Breaker,
        timeout: float | None = None,
        time_budget: float | None = None,
    ) -> None:
        self.name = name
        self.stage = stage
        self.apply = stage.apply
        self.on_error = on_error
        self.breaker = breaker
        self.timeout = timeout  # seconds
        self.budget_ns = round(time_budget * 1e9) if time_budget else 0
        # the decision log keeps the candidates as these two built-in stages leave them
        self.keeps_eligible = name == "eligibility"
        self.keeps_scored = name == "propensity"


def check_recommendations(deciding: Deciding) -> None:
    """Hold a stage that recommended to its contract: each once, and a surviving candidate."""
    treatments = deciding.catalog.treatment_index
    placements = [wanted.placement for wanted in deciding.placements]
    candidates = deciding.candidates
    units = candidates.index.tolist()
    places = [placements[slot] for slot in candidates.slot.tolist()]
    left = set(zip(units, places, strict=True))
    for one in deciding.recommendations:
        pair = (treatments.get(one.treatment, -1), one.placement)
        if pair not in left:
            raise StageFailed(
                f"{one.treatment!r} in {one.placement!r} is recommended twice or no candidate"
            )
        left.discard(pair)


def apply_policy(step: Step, deciding: Deciding, error: BaseException | None) -> None:
    """What happens instead of a stage that failed, or is not called. See docs/architecture.md."""
    candidates = deciding.candidates
    candidates.stage = step.name
    if step.on_error == "fail":
        if isinstance(error, Unavailable | Exhausted):
            raise error
        raise Unavailable(
            f"stage {step.name!r} failed; try again later",
            reason="STAGE_FAILED",
            metadata={"stage": step.name},
        ) from error
    deciding.failed.append(step.name)
    if step.name not in deciding.degraded:
        deciding.degraded.append(step.name)
    if step.on_error == "drop":
        candidates.drop(np.ones(len(candidates), dtype=np.bool_), STAGE_FAILED)
    elif step.on_error == "fall_back":
        _fall_back(step, deciding)


def _fall_back(step: Step, deciding: Deciding) -> None:
    """The stage's own `fallback`, then the action's prior where there is still no propensity."""
    candidates = deciding.candidates
    fallback = getattr(step.stage, "fallback", None)
    if fallback is not None:
        mark = candidates.mark()
        try:
            fallback(deciding)
        except BaseException as error:
            if is_interrupt(error):
                raise
            log_failure(f"the fallback of stage {step.name}", error)
            candidates.restore(mark)
    if "propensity" not in candidates:
        candidates["propensity"] = deciding.catalog.prior[candidates.index]


def is_interrupt(error: BaseException) -> bool:
    """Whether this is Ctrl-C. That reaches the main thread only: elsewhere a plugin raised it."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is _MAIN


def log_failure(what: str, error: BaseException, *, opened: bool = False) -> None:
    """One line: type and place of an error. Never its text, which may hold a customer's values.

    ``opened``: it opened the breaker, so that the stage is left alone for a while.
    """
    text = f": {error}" if isinstance(error, StageFailed) else ""
    before = _OPENED if opened else ""
    _log.warning("%s%s failed: %s%s%s", before, what, type(error).__name__, text, _place(error))


def _place(error: BaseException) -> str:
    """Where it was raised; the innermost line that is not ours, for we only tell what it did."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_OURS):
            place = f" at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def log_overrun(step: Step, nanoseconds: int, *, opened: bool) -> None:
    """A stage took longer than its ``time_budget_ms``: its result counts, and so does the time."""
    _log.warning(
        "%sstage %s took %.1f ms of its time budget of %g ms",
        _OPENED if opened else "",
        step.name,
        nanoseconds / 1e6,
        step.budget_ns / 1e6,
    )


def log_recovery(step: Step) -> None:
    """A probe went well. A warning, too: whoever reads that it opened wants to read the end."""
    _log.warning("breaker closed: stage %s works again", step.name)

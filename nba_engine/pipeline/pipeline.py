"""The pipeline: a plain loop over stage objects, each guarded by its policy and breaker."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from nba_engine.domain import Deciding, Stage
from nba_engine.domain.deciding import DecidingMark
from nba_engine.errors import DeadlineExceeded, InvalidRequest, NbaError, StageFailed
from nba_engine.pipeline.step import (
    Step,
    apply_policy,
    check_recommendations,
    is_interrupt,
    log_failure,
    log_overrun,
    log_recovery,
)
from nba_engine.pipeline.timeout import StagePool, call_in_time

__all__ = ["AfterStage", "Pipeline"]

# (stage name, stage, deciding as the stage left it, number of drops before the stage)
AfterStage = Callable[[str, Stage, Deciding, int], None]

_REPLACED = "it replaced the candidates instead of dropping some"


class Pipeline:
    """An immutable list of steps. `run` is called by many threads at once."""

    def __init__(self, steps: Sequence[Step], pool: StagePool | None = None) -> None:
        self.steps = tuple(steps)
        self._pool = pool if pool is not None else StagePool()

    @property
    def names(self) -> tuple[str, ...]:
        """The stages in order."""
        return tuple(step.name for step in self.steps)

    def before(self, stages: Collection[str]) -> Pipeline:
        """The steps before the first of these stages, with the same breakers."""
        at = next((i for i, step in enumerate(self.steps) if step.name in stages), len(self.steps))
        return Pipeline(self.steps[:at], self._pool)

    def run(self, deciding: Deciding) -> dict[str, int]:
        """Decide; the wall time of each stage in µs.

        Raises `Unavailable` or `Exhausted` (policy ``fail``), `DeadlineExceeded` when the time is
        up before anything was reserved, and `InvalidRequest` when a stage finds the request wrong.
        """
        micros: dict[str, int] = {}
        clock = time.monotonic_ns
        deadline = deciding.deadline
        limit = None if deadline is None else deadline * 1e9
        start = clock()
        for step in self.steps:
            if limit is not None and start > limit and not deciding.answers:
                raise DeadlineExceeded(f"the deadline passed before stage {step.name!r}")
            candidates = deciding.candidates
            candidates.stage = step.name
            breaker = step.breaker
            if breaker.closed or breaker.probe():
                mark = deciding.mark()
                recommended = len(deciding.recommendations)
                try:
                    if step.timeout is None:
                        step.apply(deciding)
                        if deciding.candidates is not candidates:
                            raise StageFailed(_REPLACED)
                    else:
                        call_in_time(step, deciding, step.timeout, self._pool)
                        candidates = deciding.candidates
                    if len(deciding.recommendations) != recommended:
                        check_recommendations(deciding)
                except BaseException as error:
                    _undo(deciding, mark, error)
                    candidates = deciding.candidates
                    log_failure(f"stage {step.name}", error, opened=breaker.failed())
                    apply_policy(step, deciding, error)
                    end = clock()
                else:
                    end = clock()
                    if step.budget_ns and end - start > step.budget_ns:
                        log_overrun(step, end - start, opened=breaker.failed())
                    elif breaker.failures and breaker.succeeded():
                        log_recovery(step)
            else:
                apply_policy(step, deciding, None)
                end = clock()
            if step.keeps_eligible:
                deciding.eligible = (candidates.index, candidates.slot, candidates.units)
            elif step.keeps_scored and "propensity" in candidates:
                deciding.scored = (candidates.index, candidates.slot, candidates["propensity"])
            micros[step.name] = (end - start) // 1000
            start = end
        return micros

    def replay(
        self, deciding: Deciding, *, failed: Collection[str] = (), after: AfterStage | None = None
    ) -> None:
        """Decide again, without breakers and budgets, and with ten times the time limits.

        Stages named in ``failed`` are not called; their policy is applied, as it was then.
        ``after`` is called when a stage is done. Never on the request path.
        """
        for step in self.steps:
            candidates = deciding.candidates
            candidates.stage = step.name
            drops = len(candidates.drops)
            mark = deciding.mark()
            recommended = len(deciding.recommendations)
            if step.name in failed:
                apply_policy(step, deciding, None)
            else:
                try:
                    if step.timeout is None:
                        step.apply(deciding)
                        if deciding.candidates is not candidates:
                            raise StageFailed(_REPLACED)
                    else:
                        call_in_time(step, deciding, step.timeout * 10, self._pool)
                    if len(deciding.recommendations) != recommended:
                        check_recommendations(deciding)
                except BaseException as error:
                    _undo(deciding, mark, error)
                    log_failure(f"stage {step.name} (in a replay)", error)
                    apply_policy(step, deciding, error)
            candidates = deciding.candidates
            if step.keeps_eligible:
                deciding.eligible = (candidates.index, candidates.slot, candidates.units)
            elif step.keeps_scored and "propensity" in candidates:
                deciding.scored = (candidates.index, candidates.slot, candidates["propensity"])
            if after is not None:
                after(step.name, step.stage, deciding, drops)


def _undo(deciding: Deciding, mark: DecidingMark, error: BaseException) -> None:
    """Leave nothing half-applied; errors that are not the stage's own go on to the caller."""
    if isinstance(error, DeadlineExceeded | InvalidRequest) or is_interrupt(error):
        raise error
    deciding.restore(mark)
    if isinstance(error, NbaError) and error.metadata.get("dependency") == "store":
        raise error  # a store that cannot be read makes the call fail, whatever the policy

"""The suite of batch engines finds each broken promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from nba_engine.batch import LocalEngine, LocalSettings
from nba_engine.domain import Adding, Batch, BatchEngineFactory, Progress, Sums
from nba_engine.errors import PartitionFailed
from nba_engine.testing import BatchEngineSuite
from tests.testing.test_suites_find_mistakes import Ran, failing

pytest_plugins = ["pytester"]
__all__ = ["failing"]


class Engine:
    """The built-in engine over threads, with one thing wrong."""

    def __init__(self, how: str) -> None:
        self._how = how
        self.workers = 0 if how == "has_no_workers" else 2

    def open(
        self,
        partitions: Sequence[Any],
        build: Callable[[Any], Any],
        *,
        releases_gil: bool = False,
        progress: Progress | None = None,
    ) -> Broken:
        if self._how == "builds_later":
            partitions = [msgspec.structs.replace(one, broken=False) for one in partitions]
        inner = LocalEngine(LocalSettings(workers=2, workers_are="threads"))
        return Broken(inner.open(partitions, build, progress=progress), self._how, build)


class Broken:
    def __init__(self, inner: Batch[Any], how: str, build: Callable[[Any], Any]) -> None:
        self._inner = inner
        self._how = how
        self._build = build

    def map_reduce(
        self,
        fn: Callable[[Any, Any], Sums],
        state: Any,
        *,
        seconds: float | None = None,
        progress: Progress | None = None,
    ) -> Sums:
        if self._how == "adds_backwards":
            adding = Adding()
            answers = list(self._inner.each(fn, state, seconds=seconds))
            for number, sums in enumerate(reversed(answers)):
                adding.take(number, sums)
            return adding.total
        told = None if self._how == "is_silent" else progress
        try:
            return self._inner.map_reduce(fn, state, seconds=seconds, progress=told)
        except PartitionFailed as error:
            if self._how == "tells_no_cause" and "ValueError" in error.message:
                raise PartitionFailed("it failed", partition=error.partition) from error
            raise

    def each(
        self, fn: Callable[[Any, Any], Any], state: Any, *, seconds: float | None = None
    ) -> Iterator[Any]:
        answers = self._inner.each(_rebuilt if self._how == "rebuilds" else fn, state)
        if self._how == "yields_backwards":
            yield from reversed(list(answers))
        else:
            yield from answers

    def close(self) -> None:
        if self._how != "stays_open":
            self._inner.close()


def _rebuilt(numbers: Any, state: Any) -> Any:
    from nba_engine.batch import drill

    return drill.look(drill.build(numbers.slice), state)


BROKEN = {
    "has_no_workers": "test_it_says_how_many_partitions_it_computes_at_a_time",
    "builds_later": "test_a_partition_that_cannot_be_built_is_told",
    "adds_backwards": "test_sums_are_those_of_a_plain_loop_to_the_bit",
    "is_silent": "test_progress_counts_up_to_all_partitions",
    "tells_no_cause": "test_an_exception_is_told_with_partition_and_cause_and_the_batch_stays_open",
    "yields_backwards": "test_answers_come_in_the_order_of_the_partitions_and_know_the_state",
    "rebuilds": "test_partitions_are_built_once_and_stay_where_they_are",
    "stays_open": "test_one_partition_is_enough_and_a_closed_batch_is_closed",
}


@pytest.mark.parametrize("how", [*BROKEN, "right"])
def test_a_batch_engine_that_breaks_a_promise_is_found(how: str, failing: Ran) -> None:
    factory = BatchEngineFactory(build=lambda _: Engine(how))
    failed = failing(BatchEngineSuite, {"factory": factory})
    assert BROKEN[how] in failed if how in BROKEN else not failed

"""What every batch engine must do."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from nba_engine.batch import drill
from nba_engine.domain import Batch, BatchEngine, BatchEngineFactory, Sums
from nba_engine.errors import FailedPrecondition, InvalidRequest, PartitionFailed
from nba_engine.settings import convert
from nba_engine.testing.stage_suite import describe

__all__ = ["BatchEngineSuite"]

_PARTITIONS = 7
_PATIENCE = 4.0  # seconds, for what never comes back
_PROMPT = 45.0  # seconds, on a machine that is busy


class _Opened(NamedTuple):
    batch: Batch[drill.Numbers]
    slices: list[drill.Slice]


class BatchEngineSuite:
    """Inherit, and give the fixture ``factory``. Most tests share one batch of seven partitions."""

    _kept: ClassVar[_Opened | None] = None  # of each class that inherits

    @pytest.fixture
    def factory(self) -> BatchEngineFactory:
        """The factory that your plugin offers."""
        raise NotImplementedError("give a fixture `factory`: the BatchEngineFactory you offer")

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """The table ``[batch] settings``; such that there are two workers or more."""
        return {}

    @pytest.fixture
    def engine(self, factory: BatchEngineFactory, settings: dict[str, Any]) -> BatchEngine:
        """The engine, made as the commands make it."""
        own, mistakes = convert(settings, factory.settings, "nba.toml", "batch.settings")
        assert own is not None, f"the settings are wrong: {[str(each) for each in mistakes]}"
        return factory.build(own)

    @pytest.fixture
    def opened(self, engine: BatchEngine, tmp_path_factory: pytest.TempPathFactory) -> _Opened:
        """The batch of all tests of a class, opened by the first that asks for it."""
        cls = type(self)
        kept = cls.__dict__.get("_kept")
        if kept is None:
            folder = str(tmp_path_factory.mktemp("batch"))
            slices = [drill.Slice(number, folder) for number in range(_PARTITIONS)]
            kept = cls._kept = _Opened(engine.open(slices, drill.build), slices)
        assert isinstance(kept, _Opened)
        return kept

    @classmethod
    def teardown_class(cls) -> None:
        """Close the batch of the class."""
        kept = cls.__dict__.get("_kept")
        if isinstance(kept, _Opened):
            kept.batch.close()

    @pytest.fixture
    def batch(self, opened: _Opened) -> Batch[drill.Numbers]:
        """Seven partitions."""
        return opened.batch

    @pytest.fixture
    def slices(self, opened: _Opened) -> list[drill.Slice]:
        """What they were made of."""
        return opened.slices

    def test_its_settings_refuse_a_key_they_do_not_know(
        self, factory: BatchEngineFactory, settings: dict[str, Any]
    ) -> None:
        wrong = {**settings, "no_such_setting": 1}
        _, mistakes = convert(wrong, factory.settings, "nba.toml", "batch.settings")
        assert [one.place for one in mistakes] == ["batch.settings.no_such_setting"]

    def test_its_settings_can_be_described_by_a_json_schema(
        self, factory: BatchEngineFactory
    ) -> None:
        assert describe(factory.settings)

    def test_it_says_how_many_partitions_it_computes_at_a_time(self, engine: BatchEngine) -> None:
        assert engine.workers >= 1

    def test_sums_are_those_of_a_plain_loop_to_the_bit(
        self, batch: Batch[drill.Numbers], slices: list[drill.Slice]
    ) -> None:
        for factor in (1.0, -0.1, 1.0):
            assert same(batch.map_reduce(drill.total, factor), drill.plain_loop(slices, factor))

    def test_answers_come_in_the_order_of_the_partitions_and_know_the_state(
        self, batch: Batch[drill.Numbers]
    ) -> None:
        state = {"prices": np.array([0.5, 0.25])}
        seen = list(batch.each(drill.look, state))
        assert [one.number for one in seen] == list(range(_PARTITIONS))
        assert all(np.array_equal(one.state["prices"], state["prices"]) for one in seen)  # type: ignore[index]

    def test_partitions_are_built_once_and_stay_where_they_are(
        self, batch: Batch[drill.Numbers]
    ) -> None:
        assert list(batch.each(drill.look, 1)) == list(batch.each(drill.look, 1))

    def test_progress_counts_up_to_all_partitions(self, batch: Batch[drill.Numbers]) -> None:
        told: list[tuple[int, int]] = []
        batch.map_reduce(drill.total, 1.0, progress=lambda *counts: told.append(counts))
        assert told == [(done, _PARTITIONS) for done in range(1, _PARTITIONS + 1)]

    def test_an_exception_is_told_with_partition_and_cause_and_the_batch_stays_open(
        self, batch: Batch[drill.Numbers], slices: list[drill.Slice]
    ) -> None:
        with pytest.raises(PartitionFailed) as failed:
            batch.map_reduce(drill.fail, 4)
        assert failed.value.partition == 4
        told = f"partition 5 of {_PARTITIONS} (numbers of seed 4): ValueError: no such price (at "
        assert failed.value.message.startswith(told)
        assert same(batch.map_reduce(drill.total, 2.0), drill.plain_loop(slices, 2.0))

    def test_an_error_of_the_engine_comes_as_itself(self, batch: Batch[drill.Numbers]) -> None:
        with pytest.raises(InvalidRequest) as refused:
            list(batch.each(drill.refuse, 2))
        assert refused.value.violations[0].field == "prices[0]"
        assert f"partition 3 of {_PARTITIONS}" in refused.value.__notes__[0]

    def test_what_does_not_add_up_is_told(self, batch: Batch[drill.Numbers]) -> None:
        with pytest.raises(
            PartitionFailed, match=r"partition 6 .* adds float64\[2\], those before"
        ):
            batch.map_reduce(drill.no_sums, 5)

    def test_what_never_comes_back_is_given_up_in_time_and_the_batch_stays_open(
        self, batch: Batch[drill.Numbers], slices: list[drill.Slice]
    ) -> None:
        began = time.monotonic()
        with pytest.raises(PartitionFailed, match=r"within 4 seconds") as failed:
            batch.map_reduce(drill.hang, 1, seconds=_PATIENCE)
        assert failed.value.partition == 1
        assert same(batch.map_reduce(drill.total, 3.0), drill.plain_loop(slices, 3.0))
        assert time.monotonic() - began < _PROMPT

    def test_whoever_breaks_off_in_the_middle_finds_the_batch_as_it_was(
        self, batch: Batch[drill.Numbers], slices: list[drill.Slice]
    ) -> None:
        answers = batch.each(drill.look, "x")
        assert next(answers).number == 0
        answers.close()  # type: ignore[attr-defined]
        assert same(batch.map_reduce(drill.total, 4.0), drill.plain_loop(slices, 4.0))

    def test_a_worker_that_is_killed_in_the_middle_changes_nothing(
        self, batch: Batch[drill.Numbers], slices: list[drill.Slice]
    ) -> None:
        before = list(batch.each(drill.look, 0))
        if os.getpid() in {one.process for one in before}:
            return  # its workers are of this process: they are killed with it, or not at all
        assert same(batch.map_reduce(drill.total, 1.0), drill.plain_loop(slices, 1.0))
        assert same(batch.map_reduce(drill.die_once, 3), drill.plain_loop(slices, 1.0))
        after = list(batch.each(drill.look, 0))
        rebuilt = [a.number for a, b in zip(after, before, strict=True) if a.token != b.token]
        assert 3 in rebuilt
        beside = {one.number for one in before if one.process == before[3].process}
        assert set(rebuilt) == beside, "what was in that worker was built again, and nothing else"

    def test_a_partition_that_kills_each_worker_is_told(self, batch: Batch[drill.Numbers]) -> None:
        if os.getpid() in {one.process for one in batch.each(drill.look, 0)}:
            return  # as above
        with pytest.raises(PartitionFailed, match=r"partition 2 of .* died") as failed:
            batch.map_reduce(drill.die, 1)
        assert failed.value.partition == 1
        assert len(list(batch.each(drill.look, 0))) == _PARTITIONS

    def test_a_partition_that_cannot_be_built_is_told(
        self, engine: BatchEngine, tmp_path: Path
    ) -> None:
        slices = [drill.Slice(number, str(tmp_path), broken=number == 1) for number in range(2)]
        with pytest.raises(PartitionFailed, match=r"partition 2 of 2 .*no such seed"):
            engine.open(slices, drill.build)

    def test_one_partition_is_enough_and_a_closed_batch_is_closed(
        self, engine: BatchEngine, tmp_path: Path
    ) -> None:
        slices = [drill.Slice(0, str(tmp_path))]
        batch = engine.open(slices, drill.build, releases_gil=True)
        assert same(batch.map_reduce(drill.total, 1.0), drill.plain_loop(slices, 1.0))
        batch.close()
        batch.close()
        with pytest.raises(FailedPrecondition, match="closed"):
            batch.map_reduce(drill.total, 1.0)

    def test_without_partitions_there_is_nothing_to_add(self, engine: BatchEngine) -> None:
        none: list[drill.Slice] = []
        batch = engine.open(none, drill.build)
        assert batch.map_reduce(drill.total, 1.0) == ()
        assert list(batch.each(drill.look, 1)) == []
        batch.close()


def same(one: Sums, other: Sums) -> bool:
    """Whether two sums are equal to the last bit, and of the same kinds."""
    return [(a.dtype, a.shape, a.tobytes()) for a in one] == [
        (b.dtype, b.shape, b.tobytes()) for b in other
    ]

"""What every source must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nba_engine.catalog import Catalog
from nba_engine.domain import Source, SourceBatch, SourceFactory, SourceRecord
from nba_engine.settings import convert
from nba_engine.testing.stage_suite import describe
from nba_engine.testing.world import make_catalog

__all__ = ["SourceSuite"]

_MOST_CALLS = 1_000  # of `read`, before a test gives up


class SourceSuite:
    """Inherit, and give the fixture ``factory``; with ``feed`` it is also held to its records."""

    @pytest.fixture
    def factory(self) -> SourceFactory:
        """The factory that your plugin offers."""
        raise NotImplementedError("give a fixture `factory`: the SourceFactory you offer")

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """The table ``settings`` of a source of this kind."""
        return {}

    @pytest.fixture
    def feed(self, tmp_path: Path) -> Callable[[int], None] | None:
        """Puts so many new good records where the source reads; None: cannot be fed here."""
        return None

    @pytest.fixture
    def catalog(self) -> Catalog:
        """The catalog in force."""
        return make_catalog()

    @pytest.fixture
    def make_source(
        self, factory: SourceFactory, settings: dict[str, Any], tmp_path: Path
    ) -> Iterator[Callable[[], Source]]:
        """Builds the source as the engine builds it; a second call is a restart."""
        own, mistakes = convert(settings, factory.settings, "nba.toml", "sources.it.settings")
        assert own is not None, f"the settings are wrong: {[str(each) for each in mistakes]}"
        built: list[Source] = []

        def make() -> Source:
            built.append(factory.build(own, tmp_path))
            return built[-1]

        yield make
        for source in built:
            source.close()

    @pytest.fixture
    def reader(self, make_source: Callable[[], Source], catalog: Catalog) -> _Reader:
        """The source, read as the engine reads it."""
        return _Reader(make_source, catalog)

    def test_its_settings_refuse_a_key_they_do_not_know(
        self, factory: SourceFactory, settings: dict[str, Any]
    ) -> None:
        wrong = {**settings, "no_such_setting": 1}
        _, mistakes = convert(wrong, factory.settings, "nba.toml", "sources.it.settings")
        assert [one.place for one in mistakes] == ["sources.it.settings.no_such_setting"]

    def test_its_settings_can_be_described_by_a_json_schema(self, factory: SourceFactory) -> None:
        assert describe(factory.settings)

    def test_closing_twice_is_allowed(self, make_source: Callable[[], Source]) -> None:
        source = make_source()
        source.close()
        source.close()

    def test_each_record_comes_once_and_says_where_it_was(
        self, reader: _Reader, feed: Callable[[int], None] | None
    ) -> None:
        if feed is None:
            return
        feed(25)
        records = reader.all(most=10)
        assert len(records) == 25
        assert not [one.problem for one in records if one.problem]
        assert all(one.place for one in records)
        assert all(one.interaction is not None or one.update is not None for one in records)
        ids = [one.interaction.interaction_id for one in records if one.interaction is not None]
        assert len(set(ids)) == len(ids), "two interactions have one id"
        assert reader.all(most=10) == []

    def test_no_batch_is_larger_than_it_may_be_and_each_has_a_position(
        self, reader: _Reader, feed: Callable[[int], None] | None
    ) -> None:
        if feed is None:
            return
        feed(25)
        batches = list(reader.batches(most=4))
        assert max(len(one.records) for one in batches) <= 4
        assert all(one.position for one in batches)
        assert batches[-1].behind == 0

    def test_what_was_not_written_is_read_again_the_same(
        self, reader: _Reader, feed: Callable[[int], None] | None
    ) -> None:
        if feed is None:
            return
        feed(9)
        reader.next(most=4)
        first = reader.read(most=4)
        assert first is not None
        reader.restart()
        assert reader.read(most=4) == first

    def test_a_restart_goes_on_behind_what_was_written(
        self, reader: _Reader, feed: Callable[[int], None] | None
    ) -> None:
        if feed is None:
            return
        feed(9)
        places = [one.place for one in reader.next(most=4)]
        reader.restart()
        places += [one.place for one in reader.all(most=4)]
        feed(3)
        reader.restart()
        places += [one.place for one in reader.all(most=4)]
        assert len(places) == len(set(places)) == 12

    def test_what_comes_later_is_read_without_a_restart(
        self, reader: _Reader, feed: Callable[[int], None] | None
    ) -> None:
        if feed is None:
            return
        for number in (3, 1, 2):
            feed(number)
            assert len(reader.all(most=10)) == number


class _Reader:
    """A source and the positions that were written."""

    def __init__(self, make: Callable[[], Source], catalog: Catalog) -> None:
        self._make = make
        self._catalog = catalog
        self._positions: dict[str, str] = {}
        self._source = make()

    def restart(self) -> None:
        """Close it and open it again."""
        self._source.close()
        self._source = self._make()

    def read(self, most: int) -> SourceBatch | None:
        """The next batch, which is not written."""
        return self._source.read(
            lambda part: self._positions.get(part, ""), most=most, catalog=self._catalog
        )

    def batches(self, most: int) -> Iterator[SourceBatch]:
        """All there is now; each batch is written."""
        for _ in range(_MOST_CALLS):
            batch = self.read(most)
            if batch is None:
                return
            self._positions[batch.part] = batch.position
            yield batch
        raise AssertionError("it never says that there is nothing more")

    def next(self, most: int) -> list[SourceRecord]:
        """The records of the next batch, which is written."""
        for batch in self.batches(most):
            if batch.records:
                return list(batch.records)
        return []

    def all(self, most: int) -> list[SourceRecord]:
        """The records of all batches there are now."""
        return [record for batch in self.batches(most) for record in batch.records]

"""What every sink must do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nba_engine.domain import Erased, Sink, SinkFactory, SinkRecord, digest_of_name
from nba_engine.errors import NbaError
from nba_engine.settings import convert
from nba_engine.testing.stage_suite import describe
from nba_engine.testing.world import NOW

__all__ = ["SinkSuite", "sample_records"]


class SinkSuite:
    """Inherit, and give the fixture ``factory``; with ``received`` it also reads back."""

    @pytest.fixture
    def factory(self) -> SinkFactory:
        """The factory that your plugin offers."""
        raise NotImplementedError("give a fixture `factory`: the SinkFactory you offer")

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """The table ``settings`` of a sink of this kind."""
        return {}

    @pytest.fixture
    def received(self, tmp_path: Path) -> Callable[[], Sequence[str]] | None:
        """Reads back the keys of all records that have arrived, in order; None: cannot be read."""
        return None

    @pytest.fixture
    def make_sink(
        self, factory: SinkFactory, settings: dict[str, Any], tmp_path: Path
    ) -> Callable[[], Sink]:
        """Builds the sink as the engine builds it; a second call is a restart."""
        own, mistakes = convert(settings, factory.settings, "nba.toml", "sinks.it.settings")
        assert own is not None, f"the settings are wrong: {[str(each) for each in mistakes]}"
        return lambda: factory.build(own, tmp_path)

    def test_its_settings_refuse_a_key_they_do_not_know(
        self, factory: SinkFactory, settings: dict[str, Any]
    ) -> None:
        wrong = {**settings, "no_such_setting": 1}
        _, mistakes = convert(wrong, factory.settings, "nba.toml", "sinks.it.settings")
        assert [one.place for one in mistakes] == ["sinks.it.settings.no_such_setting"]

    def test_its_settings_can_be_described_by_a_json_schema(self, factory: SinkFactory) -> None:
        assert describe(factory.settings)

    def test_what_was_flushed_has_arrived_in_order_before_anything_is_closed(
        self, make_sink: Callable[[], Sink], received: Callable[[], Sequence[str]] | None
    ) -> None:
        sink = make_sink()
        records = sample_records(50)
        sink.write(records[:1])
        sink.write(records[1:])
        sink.flush()
        if received is not None:
            assert list(received()) == [record.key for record in records]
        sink.close()

    def test_what_was_written_has_arrived_after_closing(
        self, make_sink: Callable[[], Sink], received: Callable[[], Sequence[str]] | None
    ) -> None:
        sink = make_sink()
        records = sample_records(20)
        sink.write(records)
        sink.close()
        if received is not None:
            assert list(received()) == [record.key for record in records]

    def test_a_restart_goes_on_behind_what_is_there(
        self, make_sink: Callable[[], Sink], received: Callable[[], Sequence[str]] | None
    ) -> None:
        records = sample_records(30)
        for part in (records[:10], records[10:]):
            sink = make_sink()
            sink.write(part)
            sink.close()
        if received is not None:
            assert list(received()) == [record.key for record in records]

    def test_closing_twice_is_allowed(self, make_sink: Callable[[], Sink]) -> None:
        sink = make_sink()
        sink.write(sample_records(1))
        sink.close()
        sink.close()

    def test_flushing_and_closing_without_a_record_is_allowed(
        self, make_sink: Callable[[], Sink]
    ) -> None:
        sink = make_sink()
        sink.flush()
        sink.write([])
        sink.flush()
        sink.close()

    def test_odd_records_arrive_or_are_refused_and_the_next_one_arrives(
        self, make_sink: Callable[[], Sink], received: Callable[[], Sequence[str]] | None
    ) -> None:
        sink = make_sink()
        for odd in odd_records():
            try:
                sink.write([odd])
            except (ValueError, TypeError, OSError, NbaError):
                continue
        good = sample_records(3)
        sink.write(good)
        sink.flush()
        if received is not None:
            assert list(received())[-3:] == [record.key for record in good]
        sink.close()

    def test_a_customer_is_erased_for_good_and_nobody_else_is(
        self, make_sink: Callable[[], Sink], received: Callable[[], Sequence[str]] | None
    ) -> None:
        sink = make_sink()
        erase: Callable[[Erased], int] | None = getattr(sink, "erase", None)
        if erase is None:  # it need not: then an erasure tells that it cannot
            sink.close()
            return
        records = sample_records(20)
        sink.write(records)
        sink.flush()
        gone = erased("crm:4", "crm:5")  # of an interaction, and of a decision
        assert erase(gone) == 2
        assert erase(gone) == 0
        again = msgspec.structs.replace(records[5], key=gone.before)  # decided afterwards
        sink.write([again])
        sink.flush()
        if received is not None:
            left = [one.key for one in records if one.key not in ("i4", "d5")]
            assert list(received()) == [*left, again.key]
        sink.close()

    def test_records_are_not_changed(self, make_sink: Callable[[], Sink]) -> None:
        records = sample_records(5)
        sink = make_sink()
        sink.write(records)
        sink.close()
        assert records == sample_records(5)


def erased(*names: str) -> Erased:
    """Who was erased a minute after the sample records."""
    salt = b"salt"
    return Erased(
        erasure_id="e1",
        sequence=1,
        time=NOW + 60,
        before="e",  # later than the sample decisions
        salt=salt,
        digests=frozenset(digest_of_name(name, salt) for name in names),
        names=names,
    )


def sample_records(count: int) -> list[SinkRecord]:
    """Decisions and interactions as the engine writes them."""
    return [_decision(number) if number % 2 else _interaction(number) for number in range(count)]


def _decision(number: int) -> SinkRecord:
    key = f"d{number}"
    return SinkRecord(
        topic="decisions",
        key=key,
        time=NOW + number,
        data={
            "decision_id": key,
            "customer_id": f"crm:{number}",
            "recommendations": [{"treatment": "offer1.app", "score": 0.25, "position": 0}],
            "dropped": {"eligibility/not_eligible": 3},
            "known": True,
        },
    )


def _interaction(number: int) -> SinkRecord:
    key = f"i{number}"
    properties = {"category": "dairy – “fresh”\n", "amount": 1.5}
    return SinkRecord(
        topic="interactions",
        key=key,
        time=NOW + number,
        data={
            "interaction_id": key,
            "identity": f"crm:{number}",
            "type": "purchase",
            "properties": properties,
        },
    )


def odd_records() -> list[SinkRecord]:
    """Records that properties of interactions make possible, and some that they do not."""
    values = ["\ud800", "\x00", "x" * 1_000_000, float("nan"), 2**63 - 1, [[[[]]]], object()]
    return [
        SinkRecord(topic="interactions", key=f"odd{at}", time=NOW, data={"value": value})
        for at, value in enumerate(values)
    ]

"""What every profile source must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from nba_engine.domain import ProfileSource, ProfileSourceFactory, Value, Values
from nba_engine.engine.types import reader_of
from nba_engine.settings import convert
from nba_engine.testing.stage_suite import describe
from nba_engine.testing.threads import in_threads

__all__ = ["ProfileSourceSuite"]

_STRANGER = "nobody-is-called-like-this"
# what an id may be, as anybody may send it: identities are any printable text
_ODD = ("' OR '1'='1", '";--', "%", "*", "\\", "{}", "../../etc/passwd", "☃", "7" * 250, " ")
_SECONDS = 10.0


class ProfileSourceSuite:
    """Inherit, and give the fixture ``factory``; with ``known`` it also looks at the answers."""

    @pytest.fixture
    def factory(self) -> ProfileSourceFactory:
        """The factory that your plugin offers."""
        raise NotImplementedError("give a fixture `factory`: the ProfileSourceFactory you offer")

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """The table ``settings`` of a source of this kind."""
        return {}

    @pytest.fixture
    def wanted(self) -> Mapping[str, str]:
        """The attributes to ask for, with their declared types."""
        return {"segment": "string"}

    @pytest.fixture
    def known(self) -> Mapping[str, Values]:
        """Customers by id, with exactly what the source says of them; {}: nobody can be named."""
        return {}

    @pytest.fixture
    def make_source(
        self, factory: ProfileSourceFactory, settings: dict[str, Any], tmp_path: Path
    ) -> Iterator[Callable[[], ProfileSource]]:
        """Builds the source as the engine builds it."""
        own, mistakes = convert(settings, factory.settings, "nba.toml", "profile_sources.it")
        assert own is not None, f"the settings are wrong: {[str(each) for each in mistakes]}"
        made: list[ProfileSource] = []

        def make() -> ProfileSource:
            made.append(factory.build(own, tmp_path))
            return made[-1]

        yield make
        for source in made:
            source.close()

    def test_its_settings_refuse_a_key_they_do_not_know(
        self, factory: ProfileSourceFactory, settings: dict[str, Any]
    ) -> None:
        wrong = {**settings, "no_such_setting": 1}
        _, mistakes = convert(wrong, factory.settings, "nba.toml", "settings")
        assert [one.place for one in mistakes] == ["settings.no_such_setting"]

    def test_its_settings_can_be_described_by_a_json_schema(
        self, factory: ProfileSourceFactory
    ) -> None:
        assert describe(factory.settings)

    def test_it_says_how_many_customers_a_call_takes(
        self, make_source: Callable[[], ProfileSource]
    ) -> None:
        assert isinstance(make_source().batch, int)
        assert make_source().batch >= 1

    def test_it_says_what_it_knows_in_the_declared_types(
        self,
        make_source: Callable[[], ProfileSource],
        wanted: Mapping[str, str],
        known: Mapping[str, Values],
    ) -> None:
        source = make_source()
        for key, values in known.items():
            answer = source.fetch([key], wanted, seconds=_SECONDS)
            assert dict(answer[key]) == dict(values)
            for name, value in answer[key].items():
                assert reader_of(wanted[name])(value) == value, f"{name} is not {wanted[name]}"

    def test_it_gives_what_is_wanted_and_nothing_else(
        self,
        make_source: Callable[[], ProfileSource],
        wanted: Mapping[str, str],
        known: Mapping[str, Values],
    ) -> None:
        source = make_source()
        for name, kind in wanted.items():
            for key, values in known.items():
                answer = source.fetch([key], {name: kind}, seconds=_SECONDS)
                given = {each: value for each, value in values.items() if each == name}
                assert dict(answer.get(key, {})) == given

    def test_somebody_unknown_is_left_out(
        self, make_source: Callable[[], ProfileSource], wanted: Mapping[str, str]
    ) -> None:
        assert _STRANGER not in make_source().fetch([_STRANGER], wanted, seconds=_SECONDS)

    def test_a_full_call_is_answered_like_single_ones(
        self,
        make_source: Callable[[], ProfileSource],
        wanted: Mapping[str, str],
        known: Mapping[str, Values],
    ) -> None:
        source = make_source()
        for first in [*known][:1] or [_STRANGER]:
            keys = [first, *(f"{_STRANGER}-{number}" for number in range(source.batch - 1))]
            answer = source.fetch(keys, wanted, seconds=_SECONDS)
            assert {k: dict(v) for k, v in answer.items()} == {
                key: dict(known[key]) for key in keys if key in known
            }

    def test_an_odd_id_is_unknown_or_refused_and_does_no_harm(
        self,
        make_source: Callable[[], ProfileSource],
        wanted: Mapping[str, str],
        known: Mapping[str, Values],
    ) -> None:
        source = make_source()
        for odd in _ODD:
            assert set(_answered(source, odd, wanted)) <= {odd}, "it answered for somebody else"
        for key, values in known.items():
            assert dict(source.fetch([key], wanted, seconds=_SECONDS)[key]) == dict(values)

    def test_calls_at_once_do_not_disturb_each_other(
        self,
        make_source: Callable[[], ProfileSource],
        wanted: Mapping[str, str],
        known: Mapping[str, Values],
    ) -> None:
        source = make_source()
        keys = [*known, _STRANGER]

        def ask(key: str) -> dict[str, dict[str, Value]]:
            answer = source.fetch([key], wanted, seconds=_SECONDS)
            return {name: dict(values) for name, values in answer.items()}

        for key, answer in zip(keys, in_threads(ask, keys), strict=True):
            assert answer == ({key: dict(known[key])} if key in known else {})

    def test_closing_twice_and_without_a_call_is_allowed(
        self, make_source: Callable[[], ProfileSource], wanted: Mapping[str, str]
    ) -> None:
        make_source().close()
        source = make_source()
        source.fetch([_STRANGER], wanted, seconds=_SECONDS)
        source.close()
        source.close()


def _answered(source: ProfileSource, key: str, wanted: Mapping[str, str]) -> Mapping[str, Values]:
    """Its answer; none, if it refuses to look this up, in whichever words."""
    try:
        return source.fetch([key], wanted, seconds=_SECONDS)
    except Exception:
        return {}

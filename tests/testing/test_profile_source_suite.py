"""The suite for profile sources: each promise broken once, and found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nba_engine.domain import ProfileSourceFactory, Values
from nba_engine.testing import ProfileSourceSuite
from tests.testing.test_suites_find_mistakes import Ran, failing

__all__ = ["failing"]

pytest_plugins = ["pytester"]

KNOWN: Mapping[str, Values] = {
    "1": {"segment": "gold", "visits": 7},
    "2": {"segment": "new", "visits": 1},
    "3": {},
}


class Table:
    """A source with something wrong, by name."""

    def __init__(self, how: str) -> None:
        self._how = how
        self.batch = 0 if how == "takes_nobody" else 3
        self._asked: Sequence[str] = ()
        self._closed = False

    def fetch(
        self, ids: Sequence[str], wanted: Mapping[str, str], *, seconds: float
    ) -> Mapping[str, Values]:
        if self._how == "shares_state":
            self._asked = ids
            for _ in range(20):
                time.sleep(0)
            ids = self._asked  # another thread's, by now
        known: Mapping[str, Values] = KNOWN
        if self._how == "chokes" and any("'" in each for each in ids):
            self._how = "is_broken"
        if self._how == "is_broken":
            known = {}
        if self._how == "knows_everybody":
            known = {**{key: {} for key in ids}, **KNOWN}
        if self._how == "gives_text":
            known = {k: {n: str(v) for n, v in each.items()} for k, each in KNOWN.items()}
        asked = KNOWN if self._how == "tells_of_others" else ids
        if self._how == "answers_one":
            asked = [*asked][-1:]
        return {
            key: {n: v for n, v in known[key].items() if n in wanted or self._how == "gives_all"}
            for key in asked
            if key in known
        }

    def close(self) -> None:
        if self._how == "closes_once":
            assert not self._closed
        self._closed = True


class Lax(msgspec.Struct, frozen=True):
    """Settings that take every key."""


BROKEN = {
    "takes_nobody": "test_it_says_how_many_customers_a_call_takes",
    "shares_state": "test_calls_at_once_do_not_disturb_each_other",
    "chokes": "test_an_odd_id_is_unknown_or_refused_and_does_no_harm",
    "knows_everybody": "test_somebody_unknown_is_left_out",
    "gives_text": "test_it_says_what_it_knows_in_the_declared_types",
    "gives_all": "test_it_gives_what_is_wanted_and_nothing_else",
    "tells_of_others": "test_an_odd_id_is_unknown_or_refused_and_does_no_harm",
    "answers_one": "test_a_full_call_is_answered_like_single_ones",
    "closes_once": "test_closing_twice_and_without_a_call_is_allowed",
}


@pytest.mark.parametrize("how", [*BROKEN, "right"])
def test_a_profile_source_that_breaks_a_promise_is_found(how: str, failing: Ran) -> None:
    class Suite(ProfileSourceSuite):
        @pytest.fixture
        def wanted(self) -> Mapping[str, str]:
            return {"segment": "string", "visits": "int"}

        @pytest.fixture
        def known(self) -> Mapping[str, Values]:
            return KNOWN

    def build(_settings: Any, _folder: Path) -> Table:
        return Table(how)

    failed = failing(Suite, {"factory": ProfileSourceFactory(build=build)})
    assert BROKEN[how] in failed if how in BROKEN else not failed

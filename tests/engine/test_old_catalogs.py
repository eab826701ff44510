from __future__ import annotations

from collections.abc import Iterable

import pytest

from nba_engine.domain import Publication
from nba_engine.engine import old_catalogs

DAY = 86_400.0


def published(*versions: str) -> list[Publication]:
    """A publication a day, in force from then on."""
    return [
        Publication(version=version, time=day * DAY, switch_time=day * DAY, sequence=day + 1)
        for day, version in enumerate(versions)
    ]


def many(count: int = 30) -> list[Publication]:
    return published(*(f"v{number:02}" for number in range(count)))


def names(numbers: Iterable[int]) -> set[str]:
    return {f"v{number:02}" for number in numbers}


def test_what_went_out_of_force_before_is_old_but_for_the_last_twenty() -> None:
    assert set(old_catalogs(many(), before=100 * DAY, logged=None)) == names(range(10))
    assert set(old_catalogs(many(), before=4.5 * DAY, logged=None)) == names(range(4))
    assert old_catalogs(many(20), before=100 * DAY, logged=None) == []
    assert old_catalogs([], before=100 * DAY, logged=None) == []


@pytest.mark.parametrize(("logged", "old"), [(9.5, 8), (1.5, 0), (200.0, 10)])
def test_what_decisions_on_record_may_need_stays(logged: float, old: int) -> None:
    found = old_catalogs(many(), before=100 * DAY, logged=logged * DAY)
    assert set(found) == names(range(old))


def test_a_version_that_came_back_is_as_old_as_its_last_time_in_force() -> None:
    history = published("back", *(f"v{number:02}" for number in range(30)), "back", "last")
    found = set(old_catalogs(history, before=100 * DAY, logged=None))
    assert found == names(range(12))
    assert "back" not in found


def test_what_is_in_force_is_never_old() -> None:
    history = published(*["same", "other"] * 20, *(f"v{n:02}" for n in range(25)))
    assert set(old_catalogs(history, before=1e12, logged=None)) == {
        "same",
        "other",
        *names(range(5)),
    }

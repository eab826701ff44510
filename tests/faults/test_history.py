"""How the judge reads a history whose commits hold many changes at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import orjson
import pytest

from faults.database import Change
from faults.history import CONFIRMED, EXPIRED, OVERRUN, RELEASED, RESERVED, Granted, History
from faults.journal import Journal
from faults.oracle import Oracle

HOT = orjson.dumps({"hot": 1}).decode()


class Commits:
    """A database that was told what it holds. `faults.database.Database`."""

    def __init__(self) -> None:
        self.commits: list[list[Change]] = []
        self.used = (0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def moment(self) -> Commits:
        return self

    def news(self) -> Iterator[Sequence[Change]]:
        yield from self.commits
        self.commits = []

    def length(self) -> int:
        return sum(map(len, self.commits))

    def rows(self, sql: str, *_: object) -> Iterable[tuple[Any, ...]]:
        if "FROM accounts WHERE" in sql:
            return [("hot",)]
        if "FROM accounts" in sql:
            return [("hot", *self.used)]
        return [("c", "crm:1")]

    def missing(self, *_: object) -> set[str]:
        return set()

    def save(self, *_: object) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def database() -> Commits:
    return Commits()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


def granted(name: str, status: int = RESERVED) -> Change:
    return Change(name, "c", HOT, None, status)


def ended(name: str, was: int, status: int) -> Change:
    return Change(name, "c", HOT, was, status)


def exceeded(database: Commits, journal: Journal, used: tuple[int, int], **versions: str) -> int:
    """How many grants the judge finds too many, of amounts 1, 2 and 3."""
    for name, version in versions.items():
        journal.attempt("crm:1")
        journal.grant("crm:1", name, version)
    database.used = used
    oracle = Oracle(database, {f"v{amount}": {"hot": amount} for amount in (1, 2, 3)})
    oracle.check(journal)
    assert oracle.wrong == []
    assert oracle.double == set()
    return len(oracle.exceeded)


def test_what_is_granted_at_once_comes_to_no_more_than_the_amount(
    database: Commits, journal: Journal
) -> None:
    database.commits = [[granted("a"), granted("b")], [granted("c")]]
    assert exceeded(database, journal, (3, 0), a="v2", b="v2", c="v2") == 1


def test_who_has_less_room_went_first_where_the_order_is_not_known(
    database: Commits, journal: Journal
) -> None:
    database.commits = [[granted("a"), granted("b"), granted("c")]]
    assert exceeded(database, journal, (3, 0), a="v3", b="v1", c="v2") == 0


def test_no_order_helps_when_there_are_too_many(database: Commits, journal: Journal) -> None:
    database.commits = [[granted("a"), granted("b"), granted("c")]]
    assert exceeded(database, journal, (3, 0), a="v3", b="v1", c="v1") == 2


def test_what_ends_in_the_same_commit_makes_room_first(database: Commits, journal: Journal) -> None:
    database.commits = [
        [granted("a")],
        [granted("b"), ended("a", RESERVED, EXPIRED)],
        [granted("c"), ended("a", EXPIRED, OVERRUN), ended("b", RESERVED, RELEASED)],
    ]
    assert exceeded(database, journal, (1, 1), a="v1", b="v1", c="v1") == 0


def test_what_is_granted_and_given_back_at_once_takes_no_room_from_others(
    database: Commits, journal: Journal
) -> None:
    database.commits = [[granted("a", EXPIRED), granted("b")], [granted("c", CONFIRMED)]]
    assert exceeded(database, journal, (1, 1), a="v1", b="v1", c="v1") == 1


def test_what_expired_and_was_confirmed_in_one_commit_is_late_and_no_fault(
    database: Commits, journal: Journal
) -> None:
    history = History()
    database.commits = [[granted("a")], [ended("a", RESERVED, OVERRUN)]]
    history.follow(database)
    assert (history.late, history.double, history.wrong) == (1, set(), [])
    assert history.status == {"a": OVERRUN}
    assert isinstance(history.news["a"], Granted)


def test_a_history_that_lost_lines_is_told(database: Commits) -> None:
    history = History()
    database.commits = [[granted("a")], [granted("b")]]
    history.follow(database)
    history.follow(database)  # which now holds none
    assert history.wrong == ["the history has 0 lines: there were 2, and 0 are new"]

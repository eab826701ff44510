"""`nba plan` on a store, broken off in the middle, or at the same time as another one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from nba_engine.app.contact_plans import PlanRun, keeping, offers
from nba_engine.cli.main import run
from nba_engine.domain import PLAN_MARK, PlanMark, encode_plan_mark
from nba_engine.engine.contact_plans import Offering
from nba_engine.errors import Unavailable
from nba_engine.learning.report import Report
from nba_engine.store import SqliteStore
from tests.cli.planned_store import (
    CUSTOMERS,
    LETTERS,
    MONDAY,
    USED,
    chains_of,
    fill,
    in_store,
    opened,
    plan,
)

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

pytestmark = pytest.mark.xdist_group("plan_store")


@pytest.fixture
def filled(shop: Path) -> Path:
    """A simulated store with customers; some of this week's letters are sent already."""
    return fill(shop)


@pytest.fixture(autouse=True)
def _forget_what_is_open() -> Iterator[None]:
    yield
    offers._opened.clear()


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are not drawn: pictures take longer than plans."""
    monkeypatch.setattr(Report, "picture", lambda *_: None)


@pytest.mark.usefixtures("unseen")
def test_a_plan_that_was_stopped_while_it_was_written_is_in_force_only_when_all_is(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nba(*plan(filled)) == 0, nba.err
    assert "violation 0" in nba.out
    before, first = in_store(filled)
    assert before is not None
    assert f"in force: plan {before.id}" in nba.out
    monkeypatch.setattr(keeping, "_COMMIT", 5)
    commits = 0
    bulk = SqliteStore.bulk

    def full(store: SqliteStore, **given: Any) -> Any:
        nonlocal commits
        commits += 1
        if commits == 4:
            raise Unavailable("the disk is away")
        return bulk(store, **given)

    monkeypatch.setattr(SqliteStore, "bulk", full)
    assert nba(*plan(filled)) == 1
    assert "the disk is away" in nba.err
    mark, plans = in_store(filled)
    assert mark == before  # the old one is in force for everybody, written or not
    assert {name: own.of(before.id) for name, own in plans.items() if name in first} == first
    begun = {own.plan for own in plans.values()} - {before.id}
    assert len(begun) == 1
    assert nba(*plan(filled)) == 0, nba.err
    assert "going on with" in nba.err
    mark, plans = in_store(filled)
    assert mark is not None
    assert {mark.id} == begun
    assert {own.plan for own in plans.values()} == {mark.id}
    assert plans.keys() == chains_of(filled).keys()


@pytest.mark.usefixtures("unseen")
def test_a_run_that_was_stopped_while_asking_goes_on_with_the_same_moment(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nba_engine.cli.plan_store._SHARE", 20)
    asked = []
    ask = Offering.offers

    def some(offering: Offering, customer_id: str, *, seed: int = 0) -> Any:
        asked.append(customer_id)
        if len(asked) == 45:
            raise Unavailable("the store is away")
        return ask(offering, customer_id, seed=seed)

    monkeypatch.setattr(Offering, "offers", some)
    assert nba(*plan(filled, "--dry-run")) == 1
    assert nba(*plan(filled, "--dry-run", "--limit", 5)) == 1
    assert "differs in limit; --fresh begins anew" in nba.err
    assert nba(*plan(filled, "--dry-run")) == 0, nba.err
    assert len(asked) < 2 * CUSTOMERS - 20  # what was done was not asked again
    stopped = chains_of(filled)
    assert nba(*plan(filled, "--dry-run")) == 0, nba.err
    assert chains_of(filled) == stopped


@pytest.mark.usefixtures("unseen")
def test_what_was_found_is_void_when_chains_are_searched_again(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **_more: object) -> None:
        raise Unavailable("the store is away")

    run_of = PlanRun(filled.parent / "plan")
    with monkeypatch.context() as stopped:
        stopped.setattr(keeping, "encode_plan_mark", away)  # all is written but the mark
        assert nba(*plan(filled)) == 1
    found = run_of.mark()
    assert found is not None
    with monkeypatch.context() as stopped:
        stopped.setattr("nba_engine.planning.run.summary", away)  # plan.parquet is another one
        assert nba(*plan(filled, "--set", "limit.letters.amount=1")) == 1
    assert run_of.mark() is None
    assert nba(*plan(filled)) == 0, nba.err
    mark, plans = in_store(filled)
    assert mark is not None
    assert mark.id != found.id
    assert plans.keys() >= chains_of(filled).keys()
    in_force = {name for name, own in plans.items() if own.plan == mark.id}
    assert in_force == chains_of(filled).keys()


@pytest.mark.usefixtures("unseen")
def test_what_if_with_other_periods_shows_the_limits_of_both(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("--set", "periods=2", "--compare", "--limit", 9)
    with monkeypatch.context() as patched:
        full = Mock(side_effect=Unavailable("the disk is full"))
        patched.setattr("nba_engine.planning.compare.write_changes", full)
        assert nba(*plan(filled, *more)) == 1
    assert (filled.parent / "plan" / "work").exists()  # what was asked is not asked again
    assert nba(*plan(filled, *more)) == 0, nba.err
    assert "going on with" in nba.err
    found = json.loads((filled.parent / "plan" / "compare.json").read_text())
    assert found["limits"]["letters, period 3"]["amount"] == [LETTERS, None]
    assert found["limits"]["letters, period 1"]["amount"] == 2 * [LETTERS - USED]
    assert not (filled.parent / "plan" / "work").exists()


@pytest.mark.usefixtures("unseen")
def test_a_plan_that_is_put_in_force_while_another_is_written_is_so_for_everybody(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nba(*plan(filled)) == 0, nba.err
    with monkeypatch.context() as stopped:  # all of the second plan is written but its mark
        away = Mock(side_effect=Unavailable("the store is away"))
        stopped.setattr(keeping, "encode_plan_mark", away)
        assert nba(*plan(filled)) == 1
    second = PlanRun(filled.parent / "plan").mark()
    assert second is not None
    bulk, commits = SqliteStore.bulk, 0

    def some(store: SqliteStore, **given: Any) -> Any:
        nonlocal commits
        commits += bool(given.get("updates"))
        if commits == 4:
            raise Unavailable("the disk is away")
        return bulk(store, **given)

    with monkeypatch.context() as stopped:  # some of the third one are
        stopped.setattr(keeping, "_COMMIT", 10)
        stopped.setattr(SqliteStore, "bulk", some)
        other = ("plan", "-s", filled, "--time", MONDAY, "--out", filled.parent / "other")
        assert nba(*other) == 1
    store = opened(filled)
    store.bulk(now=second.made, progress=(PLAN_MARK, encode_plan_mark(second)))
    store.close()
    _, plans = in_store(filled)
    assert len({own.plan for own in plans.values()}) == 2
    in_force = {name: own.of(second.id) for name, own in plans.items()}
    assert {name for name, own in in_force.items() if own is not None} == chains_of(filled).keys()


@pytest.mark.usefixtures("unseen")
def test_of_two_plans_that_are_written_at_once_one_is_refused_and_goes_on_later(
    filled: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_COMMIT", 5)
    bulk = SqliteStore.bulk
    ids: list[PlanMark | None] = []

    def meanwhile(store: SqliteStore, **given: Any) -> Any:
        if given.get("updates") and not ids:  # the first commit: another one is planned and written
            mark, _ = in_store(filled)
            ids.append(mark)
            other = ("--time", MONDAY, "--out", filled.parent / "other")
            assert run([str(word) for word in ("plan", "-s", filled, *other)]) == 0
            ids.append(in_store(filled)[0])
        return bulk(store, **given)

    monkeypatch.setattr(SqliteStore, "bulk", meanwhile)
    assert nba(*plan(filled)) == 1
    assert "another plan is being written into this store" in nba.err
    mark, plans = in_store(filled)
    assert mark is not None
    assert ids == [None, mark]  # the other one, for everybody
    assert {own.of(mark.id) is not None for own in plans.values()} == {True}
    assert nba(*plan(filled)) == 0, nba.err
    assert "going on with" in nba.err
    now_mark, plans = in_store(filled)
    assert now_mark is not None
    assert now_mark.id != mark.id
    in_force = {name for name, own in plans.items() if own.plan == now_mark.id}
    assert in_force == chains_of(filled).keys()

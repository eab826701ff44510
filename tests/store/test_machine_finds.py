"""A state machine that nothing can fail is worth nothing: stores broken in one way each, and found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import Phase

from nba_engine.domain import Store
from nba_engine.store import open_store
from nba_engine.testing import FakeStores, fake_ledger
from nba_engine.testing.fake_ledger import FakeLedger
from nba_engine.testing.state_machine import StoreMachine

# what a store's file does on its own
IN_THE_FILE = {
    "overruns_are_hidden": """
        AFTER UPDATE OF overrun ON accounts WHEN new.overrun > 0 BEGIN
        UPDATE accounts SET overrun = 0 WHERE account = new.account; END""",
    "what_was_spent_stays_in_its_window": """
        AFTER INSERT ON spends BEGIN
        UPDATE spends SET falls = 1e300 WHERE account = new.account AND time = new.time; END""",
    "the_clock_runs_back": """
        AFTER INSERT ON meta WHEN new.key = 'clock' BEGIN
        DELETE FROM meta WHERE key = 'clock'; END""",
    "a_reservation_ends_twice": """
        AFTER UPDATE OF status ON reservations WHEN new.status IN (1, 4) BEGIN
        UPDATE reservations SET status = 0 WHERE reservation_id = new.reservation_id; END""",
    "a_merge_loses_reservations": """
        BEFORE UPDATE OF customer_id ON reservations BEGIN SELECT RAISE(IGNORE); END""",
    "a_withdrawal_is_not_kept": """
        BEFORE INSERT ON consent_history WHEN new.granted = 0 BEGIN SELECT RAISE(IGNORE); END""",
    "a_repeat_has_a_second_effect": """
        AFTER INSERT ON interactions BEGIN DELETE FROM interactions WHERE id = new.id; END""",
    "whoever_was_erased_comes_back": """
        BEFORE INSERT ON erased BEGIN SELECT RAISE(IGNORE); END""",
    "an_erasure_makes_room": """
        AFTER DELETE ON customers WHEN NOT EXISTS (
          SELECT 1 FROM merged WHERE customer_id = old.customer_id) BEGIN
        UPDATE accounts SET reserved = 0, spent = 0; END""",
    "an_amount_stays_as_it_was": """
        BEFORE INSERT ON publications WHEN new.sequence > 1 BEGIN SELECT RAISE(IGNORE); END""",
}


def one_too_many(account: Any) -> int:
    return int(account.ceiling - account.reserved - account.spent + 1)


def frees_nothing(ledger: Any, name: str, status: Any) -> None:
    found = ledger._reservations[name]
    ledger._reservations[name] = msgspec.structs.replace(found, status=status)


def adds_nothing(ledger: Any, name: str, moved: Any) -> None:
    ledger._accounts.setdefault(name, moved)


def forgets_a_hold(holds: Any) -> list[Any]:
    return list(holds)[:1]


IN_THE_LEDGER: dict[str, tuple[object, str, object]] = {
    "a_grant_is_above_the_amount": (fake_ledger._Account, "room", property(one_too_many)),
    "what_ends_frees_nothing": (FakeLedger, "_end", frees_nothing),
    "a_merge_forgets_what_was_used": (FakeLedger, "_add", adds_nothing),
    "only_the_first_limit_counts": (fake_ledger, "_by_account", forgets_a_hold),
}


def finds(open_named: Callable[[str], Store]) -> None:
    """The machine fails over these stores; found soon, always in the same way, and not shrunk."""
    with pytest.raises((AssertionError, KeyError)):
        StoreMachine.check(
            open_named,
            max_examples=300,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
            print_blob=False,
        )


@pytest.mark.parametrize("how", IN_THE_FILE)
def test_a_file_that_is_broken_is_found(how: str, tmp_path: Path) -> None:
    broken = set()

    def open_named(name: str) -> Store:
        path = tmp_path / f"{name}.db"
        store = open_store(path, simulated=False)
        if name not in broken:
            broken.add(name)
            connection = apsw.Connection(str(path))
            connection.execute(f"CREATE TRIGGER broken {IN_THE_FILE[how]}")
            connection.close()
        return store

    finds(open_named)


@pytest.mark.parametrize("how", IN_THE_LEDGER)
def test_a_ledger_that_is_broken_is_found(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, wrong = IN_THE_LEDGER[how]
    monkeypatch.setattr(where, name, wrong)
    stores = FakeStores()
    finds(lambda name: stores(f"fake:{name}", create=True, simulated=False))

"""A store and a log, and where their backup goes."""

from __future__ import annotations

from pathlib import Path

from nba_engine.domain import AggregateSpec, Hold, Interaction, ProfileUpdate, ReservationRequest
from nba_engine.domain.algebra import fold_for
from nba_engine.engine import table_of
from nba_engine.store import (
    Mover,
    SqliteStore,
    back_up,
    open_log,
    open_log_reader,
    open_store,
    restore,
)
from tests.store.log.test_log import record

FOLD = fold_for({"buys": AggregateSpec(name="buys", kind="count", types=("purchase",))})
NOW = 1_700_000_000.0
DAY = 86_400.0


def reserve(store: SqliteStore, number: int, *, customer: str = "", ceiling: int = 10) -> bool:
    """One contact of the budget; with a customer, of its own account, too."""
    accounts = ["budget|all", *([f"cap|customer={customer}|w1"] if customer else [])]
    request = ReservationRequest(
        reservation_id=f"r{number}",
        decision_id=f"d{number}",
        customer_id=customer or "c",
        holds=tuple(
            Hold(account=name, limit=name.partition("|")[0], amount=1, ceiling=ceiling)
            for name in accounts
        ),
        expires=NOW + DAY,
    )
    return store.reserve([request], now=NOW + number)[0].granted


def event(number: int, identity: str, kind: str = "purchase", about: str = "") -> Interaction:
    return Interaction(
        interaction_id=f"i{number}",
        identity=identity,
        type=kind,
        time=NOW,
        recommendation_id=about,
    )


class Kept:
    """A store and a log, and where their backup goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.path = self.folder / "nba.db"
        self.log = self.folder / "decisions.db"
        self.out = folder / "backup"

    def open(self) -> SqliteStore:
        return open_store(self.path)

    def back_up(self) -> None:
        back_up(self.path, self.log, self.out, engine="1")

    def restore(self, *, limits_of_backup: bool = False) -> bool:
        done = restore(self.out, self.path, self.log, limits_of_backup=limits_of_backup)
        return done.carried

    def spent(self) -> dict[str, tuple[int, int]]:
        store = self.open()
        try:
            assert store.recount() == store.usage_report()
            return {one.account: (one.reserved, one.spent) for one in store.usage_report()}
        finally:
            store.close()

    def logged(self) -> list[str]:
        reader = open_log_reader(self.log)
        try:
            return [one.decision_id for one in reader.records()]
        finally:
            reader.close()


def filled(folder: Path) -> Kept:
    """One customer, one confirmed contact, three decisions of which one was moved to Parquet."""
    kept = Kept(folder)
    store = kept.open()
    store.update([ProfileUpdate(identity="crm:1", attributes={"age": 41})])
    reserve(store, 1)
    store.record([event(1, "crm:1"), event(2, "crm:1", "impression", "r1")], FOLD, now=NOW)
    store.close()
    log = open_log(kept.log)
    for number in range(3):
        log.append(record(number, time=NOW + number * DAY))
    log.close()
    Mover(kept.log, table_of).move(NOW + DAY)
    return kept

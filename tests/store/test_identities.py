"""What the embedded store keeps of merged customers, looked at in its tables."""

from __future__ import annotations

import itertools
import random
import threading
from pathlib import Path

from nba_engine.domain import LinkRequest
from nba_engine.store import SqliteStore, open_store
from nba_engine.testing.customers_suite import FOLD, NOW, happened, update
from nba_engine.testing.identities_suite import MERGE, link, reserve, told

KINDS = ("impression", "reject", "click", "")


def busy(store: SqliteStore, names: list[str], chance: random.Random) -> None:
    """Reservations of all customers, some of them ended in one way or another."""
    for number in range(120):
        reserve(store, number, chance.choice(names), ceiling=50)
        if kind := chance.choice(KINDS):
            told(store, number, kind)


def test_accounts_equal_a_recount_after_merges(tmp_path: Path) -> None:
    chance = random.Random(7)
    names = [f"x:{number}" for number in range(9)]
    with_store = open_store(tmp_path / "nba.db", simulated=True)
    with_store.update([update(name) for name in names[:6]])  # the others are nobody's yet
    busy(with_store, names, chance)
    for number in range(1, 9):
        link(with_store, names[number], names[chance.randrange(number)])
        assert list(with_store.usage_report()) == list(with_store.recount())
    (account,) = with_store.usage_report("cap")
    assert account.reserved + account.spent > 0
    with_store.close()


def test_a_merge_leaves_nothing_under_the_customer_that_went(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db", simulated=True)
    store.update([update("crm:1"), update("cookie:1")])
    store.record([happened(1, identity="cookie:1")], FOLD, now=NOW)
    reserve(store, 1, "cookie:1", rolls=50.0)
    told(store, 1, "impression")
    gone = link(store, "crm:1", "cookie:1").merged[0]
    connection = store._readers.connection()
    for table, column in [
        ("accounts", "account"),
        ("spends", "account"),
        ("reservations", "customer_id"),
        ("reservations", "holds"),
        ("customers", "customer_id"),
    ]:
        asked = f"SELECT count(*) FROM {table} WHERE instr({column}, ?)"
        assert connection.execute(asked, (gone,)).get == 0, table
    assert connection.pragma("foreign_key_check") is None
    store.close()


def test_links_by_several_processes_at_once_make_one_customer(tmp_path: Path) -> None:
    names = [f"x:{number}" for number in range(12)]
    stores = [open_store(tmp_path / "nba.db", simulated=True) for _ in range(3)]
    stores[0].update([update(name, visits=1) for name in names])

    def tie(store: SqliteStore, seed: int) -> None:
        pairs = list(itertools.pairwise(names))
        random.Random(seed).shuffle(pairs)
        for pair in pairs:
            store.link(LinkRequest(identities=pair), MERGE, now=NOW)

    threads = [
        threading.Thread(target=tie, args=(store, seed)) for seed, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = stores[1].customer("x:11")
    assert found is not None
    assert found[0].attributes == {"visits": 12}
    links = stores[2].identities("x:3")
    assert links is not None
    assert len(links.links) == 11
    for store in stores:
        store.close()

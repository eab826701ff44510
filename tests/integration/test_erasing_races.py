"""Decisions and interactions race with erasures of their customer, through two engines on one store."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from nba_engine.app import App, open_app
from nba_engine.domain import Consent, DecisionRequest, Interaction, PlacementRequest, ProfileUpdate
from nba_engine.errors import Unavailable
from tests.integration.test_canary import CATALOG, SETTINGS

ROUNDS, THREADS = 12, 4


@pytest.fixture
def apps(tmp_path: Path) -> Iterator[tuple[App, App]]:
    """Two processes, as far as store, log and sinks can tell."""
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "shop.toml").write_text(CATALOG)
    (tmp_path / "nba.toml").write_text(SETTINGS)
    with open_app(tmp_path / "nba.toml") as one, open_app(tmp_path / "nba.toml") as other:
        yield one, other


def test_nothing_of_an_erased_customer_comes_back_whatever_was_under_way(
    apps: tuple[App, App], tmp_path: Path
) -> None:
    words: set[str] = set()  # of those who were erased
    for number in range(ROUNDS):
        word = f"Secret{number:03}word"
        words.add(word)
        apps[0].engine.update_profile(
            ProfileUpdate(
                identity="crm:1",
                attributes={"note": word},
                consents={"marketing:mail": Consent(granted=True, time=time.time())},
            )
        )
        race(apps, word, random.Random(number))
    for app in apps:
        app.engine.log.flush()
    finish(apps[0])
    assert found(tmp_path, words) == set()
    own = [one.account for one in apps[0].engine.store.usage_report("own")]
    assert [account for account in own if current(apps[0]) not in account] == []


def race(apps: tuple[App, App], word: str, draw: random.Random) -> None:
    """Decide and record on all threads, and erase at some moment of it."""
    over = threading.Event()
    begun = threading.Barrier(THREADS + 1)

    def work(thread: int) -> None:
        engine = apps[thread % 2].engine
        begun.wait()
        number = 0
        while not over.is_set():
            number += 1
            request = DecisionRequest(
                identity="crm:1",
                placements=(PlacementRequest("letter"),),
                context={"said": "nothing"},
                request_id=f"{word[:9]}-{thread}-{number}" if number % 2 else "",
            )
            try:
                engine.decide(request)
            except Unavailable:  # with an id, at the very moment
                continue
            engine.record(
                [
                    Interaction(
                        interaction_id=f"{thread}-{number}-{word[:9]}",
                        identity="crm:1",
                        type="view",
                        time=time.time(),
                    )
                ]
            )

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    begun.wait()
    time.sleep(draw.uniform(0.0, 0.05))
    apps[draw.randrange(2)].engine.erase_profile("crm:1")
    time.sleep(draw.uniform(0.0, 0.02))
    over.set()
    for thread in threads:
        thread.join()


def finish(app: App) -> None:
    """Until no erasure is pending."""
    while any(one.pending for one in app.engine.store.erasures()):
        if not app.eraser.work():
            time.sleep(0.02)


def current(app: App) -> str:
    found = app.engine.store.identities("crm:1")
    return "crm:1" if found is None else found.customer_id


def found(folder: Path, words: set[str]) -> set[str]:
    """Words in what is stored, logged and copied, and in the files behind it."""
    texts = b""
    for name in ("nba.db", "decisions.db"):
        with closing(apsw.Connection(str(folder / "data" / name))) as connection:
            tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            for (table,) in tables.fetchall():
                texts += repr(connection.execute(f"SELECT * FROM {table}").fetchall()).encode()
    for file in (folder / "data").glob("records.jsonl*"):
        texts += file.read_bytes()
    return {word for word in words if word.encode() in texts}

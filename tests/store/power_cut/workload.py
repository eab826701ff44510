"""Clients of a real store that keep a journal: what they asked for, and what was acknowledged when."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

import apsw
import msgspec

from faults.database import watch
from nba_engine.domain import (
    CatalogFiles,
    Claim,
    DecisionRecord,
    DecisionRequest,
    Hold,
    LinkRequest,
    PlacementRequest,
    ProfileUpdate,
    Publication,
    ReservationRequest,
)
from nba_engine.errors import Unavailable
from nba_engine.store import SqliteLog, SqliteStore, open_log, open_store
from nba_engine.testing.customers_suite import FOLD, NOW, happened
from nba_engine.testing.identities_suite import MERGE
from tests.store.power_cut.vfs import Recorder

__all__ = ["CEILING", "FAR", "LOG", "STORE", "Call", "Kind", "work"]

STORE, LOG = "nba.db", "decisions.db"
CLIENTS = 8
CHECKPOINT = 150  # pages; a tenth of the usual, so that the file is written as often
STORES = 2  # as many as processes: each has a writer of its own
CEILING = 100  # of the account that all share
FAR = NOW + 1e9

Kind: TypeAlias = Literal[
    "reserve",
    "end",
    "expire",
    "remember",
    "give up",
    "record",
    "update",
    "link",
    "publish",
    "note",
    "touch",
    "erase",
    "log",
]


class Call(msgspec.Struct, kw_only=True):
    """One call: ``key`` names what it is about. Times are lengths of what the disk was told.

    ``done`` is when the answer was there; None: it never was. That of a record of the log is when
    it was flushed, and its value when it was appended, on `time.monotonic`.
    """

    kind: Kind
    key: str
    value: Any = None
    answer: Any = None
    began: int
    done: int | None = None


def work(
    folder: Path, recorder: Recorder, seed: str, *, calls: int, synchronous: str
) -> list[Call]:
    """Let clients work on a store and a log, and close both; the journal."""
    journal: list[Call] = []
    stores = [open_store(folder / STORE) for _ in range(STORES)]
    log = open_log(folder / LOG)
    _watch(folder / STORE)
    for store in stores:
        store._writer._connection.pragma("synchronous", synchronous)
        store._writer._connection.pragma("wal_autocheckpoint", CHECKPOINT)
    clients = [
        _Client(number, stores[number % STORES], recorder, seed, journal, calls)
        for number in range(CLIENTS)
    ]
    logging = _Logging(log, recorder, seed, journal)
    for client in (*clients, logging):
        client.start()
    for client in clients:
        client.join()
    logging.stop()
    for store in stores:
        store.close()
    log.close()
    for client in clients:
        if client.failure is not None:
            raise client.failure
    return journal


class _Logging(threading.Thread):
    """Appends to the log while the others work, and flushes it now and then."""

    def __init__(self, log: SqliteLog, recorder: Recorder, seed: str, journal: list[Call]) -> None:
        super().__init__(name="logging")
        self._log = log
        self._recorder = recorder
        self._seed = seed
        self._draw = random.Random(f"{seed}-log")
        self._journal = journal
        self._stopping = threading.Event()

    def run(self) -> None:
        waiting: list[Call] = []
        number = 0
        while not self._stopping.wait(0.002):
            number += 1
            record = _decision(
                f"{self._seed}-{number}", self._draw.randbytes(self._draw.randrange(2_000))
            )
            call = Call(kind="log", key=record.decision_id, began=len(self._recorder.done))
            self._journal.append(call)
            self._log.append(record)
            call.value = time.monotonic()
            waiting.append(call)
            if self._draw.random() < 0.05:
                self._log.flush()
                for one in waiting:
                    one.done = len(self._recorder.done)
                waiting = []

    def stop(self) -> None:
        self._stopping.set()
        self.join()


def _decision(name: str, profile: bytes) -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        request=DecisionRequest(identity="crm:1", placements=(PlacementRequest("banner", 1),)),
        customer_id="c1",
        known=True,
        profile=profile,
        time=NOW,
        seed=1,
        catalog_version="v1",
        model_versions={},
        treatments=1,
        candidates=b"",
        scored=b"",
        propensities=b"",
        total=1,
        dropped={},
        usage={},
        answers=(),
        recommendations=(),
    )


def _watch(path: Path) -> None:
    """Let the database write down how reservations end, unless it does already."""
    with closing(apsw.Connection(str(path))) as connection:
        watched = connection.table_exists(None, "fault_history")
    if not watched:
        watch(path)


class _Client(threading.Thread):
    """Does this and that, one call after the other, and notes it."""

    def __init__(
        self,
        number: int,
        store: SqliteStore,
        recorder: Recorder,
        seed: str,
        journal: list[Call],
        calls: int,
    ) -> None:
        super().__init__(name=f"client {number}")
        self._name = f"{seed}-{number}"
        self._hot = f"hot {seed}"
        self._store = store
        self._recorder = recorder
        self._draw = random.Random(self._name)
        self._journal = journal
        self._calls = calls
        self._count = 0
        self._open: list[str] = []  # reservations that are granted and did not end
        self.failure: BaseException | None = None

    def run(self) -> None:
        acts = [self._reserve, self._end, self._decide, self._record, self._update, self._others]
        try:
            while self._count < self._calls:
                self._count += 1
                self._draw.choices(acts, weights=[30, 25, 15, 10, 10, 10])[0]()
        except BaseException as error:
            self.failure = error

    def _call(self, kind: Kind, key: str, act: Callable[[], Any], value: Any = None) -> Any:
        call = Call(kind=kind, key=key, value=value, began=len(self._recorder.done))
        self._journal.append(call)
        call.answer = act()
        call.done = len(self._recorder.done)
        return call.answer

    @property
    def _new(self) -> str:
        return f"{self._name}-{self._count}"

    @property
    def _now(self) -> float:
        return NOW + self._count

    def _request(self) -> ReservationRequest:
        """Two accounts; every fifth expires soon."""
        soon = self._draw.random() < 0.2
        customer = f"{self._name}-c{self._draw.randrange(5)}"
        return ReservationRequest(
            reservation_id=self._new,
            decision_id=self._new,
            customer_id=customer,
            holds=(
                Hold(account=self._hot, limit="hot", amount=1, ceiling=CEILING),
                Hold(account=f"of {customer}", limit="own", amount=2, ceiling=1_000, rolls=1e6),
            ),
            expires=self._now + 3 if soon else FAR,
        )

    def _reserve(self) -> None:
        request = self._request()
        act = lambda: self._store.reserve([request], now=self._now)[0].granted  # noqa: E731
        if self._call("reserve", request.reservation_id, act):
            self._open.append(request.reservation_id)

    def _end(self) -> None:
        """Confirm or release; half of the releases by the verb of that name."""
        if not self._open:
            return
        one = self._open.pop(self._draw.randrange(len(self._open)))
        if self._draw.random() < 0.2:
            self._call("end", one, lambda: self._store.release([one], now=self._now), "release")
            return
        kind = self._draw.choice(["impression", "impression", "reject"])
        interaction = happened(self._new, kind, identity=self._customer(), recommendation=one)
        act = lambda: self._store.record([interaction], FOLD, now=self._now)[0].reservation  # noqa: E731
        self._call("end", one, act, interaction.interaction_id)

    def _decide(self) -> None:
        """A decision with a request id: it reserves, and remembers its answer or gives up."""
        name = self._new
        request = self._request()
        claim = Claim(
            request_id=name, fingerprint=b"body", decision_id=name, until=FAR, expires=FAR
        )
        reserve = lambda: self._store.reserve([request], now=self._now, claim=claim)[0].granted  # noqa: E731
        granted = self._call("reserve", name, reserve)
        claim = msgspec.structs.replace(claim, follows=name)
        if self._draw.random() < 0.2:
            self._call("give up", name, lambda: self._store.give_up(claim, now=self._now))
            return
        answer = name.encode()
        keep = [name] if self._draw.random() < 0.8 else []
        act = lambda: self._store.remember(claim, answer, keep=keep, now=self._now)  # noqa: E731
        self._call("remember", name, act, (answer, keep))
        if granted and keep:
            self._open.append(name)

    def _record(self) -> None:
        names = [f"{self._new}-{part}" for part in range(self._draw.randint(1, 5))]
        items = [happened(name, identity=self._customer(), category="wine") for name in names]
        ids = [item.interaction_id for item in items]
        self._call("record", "", lambda: len(self._store.record(items, FOLD, now=self._now)), ids)

    def _update(self) -> None:
        identity = self._customer()
        change = ProfileUpdate(
            identity=identity,
            attributes={"n": self._count, "text": "x" * self._draw.randrange(3_000)},
            request_id=self._new,
        )
        self._call("update", identity, lambda: len(self._store.update([change])), self._count)

    def _others(self) -> None:
        acts = [self._expire, self._link, self._publish, self._note, self._erase, self._scrub]
        self._draw.choice(acts)()

    def _expire(self) -> None:
        self._call("expire", "", lambda: self._store.expire(now=self._now))

    def _link(self) -> None:
        """Two who did something, each under an identity of its own, turn out to be one."""
        names = (f"{self._new}-a", f"{self._new}-b")
        things = [happened(name, identity=name) for name in names]
        ids = [thing.interaction_id for thing in things]
        self._call("record", "", lambda: len(self._store.record(things, FOLD, now=self._now)), ids)
        request = LinkRequest(identities=names, source="login")
        act = lambda: self._store.link(request, MERGE, now=self._now).state.customer_id  # noqa: E731
        self._call("link", self._new, act, names)

    def _erase(self) -> None:
        """Somebody comes, and is forgotten."""
        name = self._new
        thing = happened(name, identity=name)
        self._call(
            "touch",
            name,
            lambda: len(self._store.record([thing], FOLD, now=self._now)),
            [thing.interaction_id],
        )
        erase = lambda: self._store.erase(name, erasure_id=name, now=self._now).known  # noqa: E731
        self._call("erase", name, erase, thing.interaction_id)

    def _scrub(self) -> None:
        """Overwrite what was deleted, in the pages of the file itself."""
        with suppress(Unavailable):  # somebody is reading an older moment
            self._store.scrub()

    def _publish(self) -> None:
        version = self._new
        text = self._draw.randbytes(2_000).hex()
        catalog = CatalogFiles(version=version, files={"shop.toml": text})
        wanted = Publication(version=version, time=self._now, switch_time=self._now)
        act = lambda: self._store.publish_catalog(catalog, wanted)[0].sequence  # noqa: E731
        self._call("publish", version, act, text)

    def _note(self) -> None:
        value = str(self._count)
        self._call("note", self._name, lambda: self._store.put_progress(self._name, value), value)

    def _customer(self) -> str:
        return f"{self._name}-c{self._draw.randrange(5)}"

"""What a store must hold after a power cut; asks its file, and knows no ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec

from nba_engine.domain import CustomerState
from nba_engine.store import open_log, open_store
from tests.store.power_cut.workload import CEILING, FAR, LOG, STORE, Call

_decode_state = msgspec.msgpack.Decoder(CustomerState).decode

__all__ = ["Verdict", "judge"]

RESERVED, CONFIRMED, RELEASED, EXPIRED, OVERRUN = range(5)
_USED = {RESERVED, CONFIRMED, OVERRUN}
# what the caller was told → how the reservation must have ended
_TOLD = {"confirmed": {CONFIRMED}, "overrun": {OVERRUN}, "released": {RELEASED}}
_ENDS = {(RESERVED, CONFIRMED), (RESERVED, RELEASED), (RESERVED, EXPIRED)}
_RESERVATIONS = "SELECT reservation_id, status, holds, expires FROM reservations"
_CUSTOMERS = """
SELECT identity, state, (
  SELECT count(*) FROM interactions AS n WHERE n.customer = c.id AND n.type = 'purchase')
FROM identities AS i JOIN customers AS c ON c.id = i.customer
"""
_LATE = {(EXPIRED, CONFIRMED), (EXPIRED, OVERRUN)}


class Verdict(NamedTuple):
    """Acknowledged calls that count, those of which something is missing, and what else is wrong."""

    acknowledged: list[Call]
    lost: list[str]
    wrong: list[str]
    logged: set[str]  # decisions on record


def judge(folder: Path, journal: Sequence[Call], cut: int) -> Verdict:
    """Open store and log as anybody would, and hold them against what was acknowledged before."""
    try:
        return _judged(folder, journal, cut)
    except Exception as error:  # however the damage shows
        return Verdict([], [], [f"{type(error).__name__}: {error}"], set())


def _judged(folder: Path, journal: Sequence[Call], cut: int) -> Verdict:
    wrong: list[str] = []
    with closing(open_store(folder / STORE)) as store:
        if list(store.recount()) != list(store.usage_report()):
            wrong.append("the accounts do not equal their recount")
        store.put_progress("power", "back")
    known = [call for call in journal if call.began <= cut]
    acknowledged = [call for call in known if call.done is not None and call.done <= cut]
    with closing(apsw.Connection(str(folder / STORE))) as connection:
        found = _Found(connection)
    wrong += found.faults()
    lost = [what for call in acknowledged for what in found.missing(call)]
    wrong += found.unasked(known, acknowledged)
    logged, faults = _logged(folder / LOG, [call.key for call in known if call.kind == "log"])
    wrong += faults
    lost += [f"log {c.key}" for c in acknowledged if c.kind == "log" and c.key not in logged]
    return Verdict(acknowledged, lost, wrong, logged)


def _logged(file: Path, appended: Sequence[str]) -> tuple[set[str], list[str]]:
    """The decisions on record, and what is wrong with their file: a log may end early, no more."""
    if not file.exists():
        return set(), []
    with closing(open_log(file)):
        pass  # it opens, also if it was about to be made
    with closing(apsw.Connection(str(file))) as connection:
        wrong = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        ids = [
            row[0] for row in connection.execute("SELECT decision_id FROM decisions ORDER BY id")
        ]
    if ids != list(appended[: len(ids)]):
        wrong.append("the log has gaps")
    return set(ids), wrong


class _Found:
    """All that the file holds."""

    def __init__(self, connection: apsw.Connection) -> None:

        def read(statement: str) -> list[Any]:
            return connection.execute(statement).fetchall()

        self._wrong = [
            f"{check}: {row}"
            for check in ("integrity_check", "foreign_key_check")
            for row in read(f"PRAGMA {check}")
            if row != ("ok",)
        ]
        self._status: dict[str, int] = {}
        self._holds: dict[str, dict[str, int]] = {}
        self._running: set[str] = set()  # reserved, and not about to expire
        for name, status, holds, expires in read(_RESERVATIONS):
            self._status[name], self._holds[name] = status, json.loads(holds)
            if status == RESERVED and expires == FAR:
                self._running.add(name)
        self._accounts: dict[str, tuple[int, int]] = {
            row[0]: row[1:] for row in read("SELECT account, reserved, spent FROM accounts")
        }
        self._history: list[Any] = []
        if connection.table_exists(None, "fault_history"):
            self._history = read(
                "SELECT reservation_id, was, status, holds FROM fault_history ORDER BY seq"
            )
        self._interactions = {row[0] for row in read("SELECT interaction_id FROM interactions")}
        self._answers: dict[str, bytes | None] = dict(
            read("SELECT request_id, answer FROM decision_requests")
        )
        self._customers: dict[str, tuple[str, CustomerState]] = {}
        for identity, state, count in read(_CUSTOMERS):
            found = _decode_state(state)
            self._customers[identity] = found.customer_id, found
            if found.aggregates.get("purchases", 0) != count:
                self._wrong.append(f"{identity} counts {found.aggregates}, not {count}")
        self._publications: dict[str, int] = dict(
            read("SELECT version, sequence FROM publications")
        )
        self._erasures = {row[0] for row in read("SELECT erasure_id FROM erasures")}
        self._catalogs = {row[0] for row in read("SELECT version FROM catalogs")}
        self._notes: dict[str, str] = dict(read("SELECT name, value FROM progress"))

    def faults(self) -> list[str]:
        """What is wrong with the file, whatever was asked for."""
        return self._wrong + self._miscounted() + self._ended_twice()

    def _miscounted(self) -> list[str]:
        reserved: Counter[str] = Counter()
        spent: Counter[str] = Counter()
        for name, status in self._status.items():
            for account, amount in self._holds[name].items():
                reserved[account] += amount * (status == RESERVED)
                spent[account] += amount * (status in {CONFIRMED, OVERRUN})
        return [
            f"{account} says {counts}, counted {(reserved[account], spent[account])}"
            for account, counts in self._accounts.items()
            if counts != (reserved[account], spent[account])
        ]

    def _ended_twice(self) -> list[str]:
        """Follow the history: one end each, and no grant beyond what the shared accounts allow."""
        wrong = []
        status: dict[str, int] = {}
        used: Counter[str] = Counter()
        for name, was, now, holds in self._history:
            if was is None and name in status:
                wrong.append(f"{name} was granted twice")
            if was is not None and (status.get(name) != was or (was, now) not in _ENDS | _LATE):
                wrong.append(f"{name} went from {was} to {now}")
            status[name] = now
            shared = next(one for one in json.loads(holds) if one.startswith("hot"))
            used[shared] += (now in _USED) - (was in _USED)
            if was is None and used[shared] > CEILING:
                wrong.append(f"{name} was granted beyond the amount")
        if self._history and status != self._status:
            wrong.append("the history is not that of the reservations")
        return wrong

    def missing(self, call: Call) -> list[str]:
        """What an acknowledged call has the right to find."""
        kind, key, value, answer = call.kind, call.key, call.value, call.answer
        status = self._status.get(key)
        kept = True
        match kind:
            case "reserve":
                kept = (status is not None) == answer
            case "end" if value == "release":
                kept = key not in self._running
            case "end":
                kept = value in self._interactions and status in _TOLD.get(answer, {status})
            case "give up":
                kept = key not in self._running and key not in self._answers
            case "remember":
                answer, keep = value
                kept = self._answers.get(key) == answer
                kept = kept and (bool(keep) or key not in self._running)
            case "record":
                kept = set(value) <= self._interactions
            case "update":
                kept = self._attribute(key) >= value
            case "link":
                kept = {self._owner(name) for name in value} == {answer}
            case "publish":
                kept = self._publications.get(key) == answer and key in self._catalogs
            case "erase":
                kept = not self._owner(key) and value not in self._interactions
                kept = kept and answer and key in self._erasures
            case "note":
                kept = int(self._notes.get(key, -1)) >= int(value)
        return [] if kept else [f"{kind} {key}: {answer}, but {status}"]

    def unasked(self, known: Sequence[Call], acknowledged: Sequence[Call]) -> list[str]:
        """What is there, or has ended, although nobody asked for it."""
        asked = {call.key for call in known if call.kind == "reserve"}
        ended = {call.key for call in known if call.kind in {"end", "give up", "remember"}}
        granted = {c.key for c in acknowledged if c.kind == "reserve" and c.answer}
        happened = {one for call in known if call.kind in {"record", "touch"} for one in call.value}
        happened |= {call.value for call in known if call.kind == "end"}
        numbers: Counter[str] = Counter()
        for call in known:
            if call.kind == "update":
                numbers[call.key] = max(numbers[call.key], call.value)
        wrong = [f"nobody asked for {name}" for name in self._status.keys() - asked]
        wrong += [f"nobody recorded {name}" for name in self._interactions - happened]
        wrong += [
            f"{name} ended by itself: {self._status[name]}"
            for name in granted - ended
            if self._status.get(name) not in {RESERVED, EXPIRED, None}
        ]
        return wrong + [
            f"{identity} has {self._attribute(identity)} of {numbers[identity]}"
            for identity in self._customers
            if self._attribute(identity) > numbers[identity]
        ]

    def _owner(self, identity: str) -> str:
        found = self._customers.get(identity)
        return "" if found is None else found[0]

    def _attribute(self, identity: str) -> int:
        found = self._customers.get(identity)
        return -1 if found is None else int(found[1].attributes.get("n", -1))

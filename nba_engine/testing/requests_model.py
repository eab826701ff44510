"""Request ids against a small model: random attempts, answers, deaths, expiry, restarts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from nba_engine.domain import Claim, KnownRequest, Store
from nba_engine.errors import RequestTaken
from nba_engine.testing.customers_suite import NOW
from nba_engine.testing.requests_suite import reservation, reserved

__all__ = ["RequestsModel"]

LIVES, WINDOW = 3.0, 8.0
IDS = st.sampled_from(["q1", "q2"])
ATTEMPTS = st.sampled_from(["a", "b", "c"])


class Row(msgspec.Struct):
    """What the model knows of one request id."""

    attempt: str
    until: float
    expires: float
    held: set[str]
    answer: bytes | None = None


class RequestsModel(RuleBasedStateMachine):
    """Each rule does one thing to the store and to the model; they must agree."""

    open_named: Callable[[str], Store]
    names = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.name = f"requests{next(self.names)}"
        self.store = type(self).open_named(self.name)
        self.now = NOW
        self.rows: dict[str, Row] = {}
        self.reserved: set[str] = set()
        self.fresh = itertools.count()

    @classmethod
    def check(cls, open_named: Callable[[str], Store], **changes: Any) -> None:
        """Run the machine over stores that ``open_named`` opens, again for the same name.

        ``changes`` are those of `hypothesis.settings`.
        """
        given = {"max_examples": 40, "stateful_step_count": 30, "deadline": None}
        machine = type("Machine", (cls,), {"open_named": staticmethod(open_named)})
        run_state_machine_as_test(machine, settings=settings(**{**given, **changes}))

    @initialize(request=IDS)
    def start(self, request: str) -> None:
        self.reserve(request, "a", "", 2)

    def claim(self, request: str, attempt: str, follows: str) -> Claim:
        return Claim(
            request_id=request,
            fingerprint=b"body",
            decision_id=f"{request}.{attempt}",
            until=self.now + LIVES,
            expires=self.now + WINDOW,
            follows=f"{request}.{follows}" if follows else "",
        )

    def taken(self, request: str, attempt: str, follows: str) -> bool:
        """Whether the attempt has lost (or never had) the id; ends the one it replaces if not."""
        row = self.rows.get(request)
        if row is None:
            return bool(follows)
        if row.attempt == attempt:
            return row.answer is not None
        if follows == attempt:
            return True
        if row.expires > self.now and (row.answer is not None or row.attempt != follows):
            return True
        self.end(request)
        return False

    def end(self, request: str) -> None:
        self.reserved -= self.rows.pop(request).held

    @rule(request=IDS, attempt=ATTEMPTS, follows=ATTEMPTS | st.just(""), count=st.integers(0, 2))
    def reserve(self, request: str, attempt: str, follows: str, count: int) -> None:
        names = [f"r{next(self.fresh)}" for _ in range(count)]
        claim = self.claim(request, attempt, follows)
        wanted = [reservation(name) for name in names]
        if self.taken(request, attempt, follows):
            with pytest.raises(RequestTaken):
                self.store.reserve(wanted, now=self.now, claim=claim)
            return
        answers = self.store.reserve(wanted, now=self.now, claim=claim)
        assert all(answer.granted for answer in answers)
        row = self.rows.setdefault(request, Row(attempt, claim.until, claim.expires, set()))
        row.held.update(names)
        self.reserved.update(names)

    @rule(request=IDS, attempt=ATTEMPTS, follows=ATTEMPTS | st.just(""), keep=st.integers(0, 1))
    def remember(self, request: str, attempt: str, follows: str, keep: int) -> None:
        claim = self.claim(request, attempt, follows)
        row = self.rows.get(request)
        kept = sorted(row.held)[:keep] if row is not None else []
        answer = f"{attempt}{next(self.fresh)}".encode()
        if row is not None and row.attempt == attempt and row.answer is not None:
            self.store.remember(claim, answer, keep=kept, now=self.now)  # a repeat: nothing
            return
        if self.taken(request, attempt, follows):
            with pytest.raises(RequestTaken):
                self.store.remember(claim, answer, keep=kept, now=self.now)
            return
        self.store.remember(claim, answer, keep=kept, now=self.now)
        row = self.rows.setdefault(request, Row(attempt, claim.until, claim.expires, set()))
        self.reserved -= row.held - set(kept)
        row.held, row.answer, row.expires = set(), answer, claim.expires

    @rule(request=IDS, attempt=ATTEMPTS)
    def give_up(self, request: str, attempt: str) -> None:
        self.store.give_up(self.claim(request, attempt, ""), now=self.now)
        row = self.rows.get(request)
        if row is not None and row.attempt == attempt and row.answer is None:
            self.end(request)

    @rule(number=st.integers(0, 20))
    def release(self, number: int) -> None:
        self.store.release([f"r{number}"], now=self.now)
        self.reserved.discard(f"r{number}")

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        assert self.store.expire(now=self.now) == 0
        for request, row in list(self.rows.items()):
            dead = row.answer is None and row.until <= self.now
            if dead or (row.answer is not None and row.expires <= self.now):
                self.end(request)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = type(self).open_named(self.name)

    @invariant()
    def they_agree(self) -> None:
        assert reserved(self.store) == len(self.reserved)
        for request in ("q1", "q2"):
            row = self.rows.get(request)
            expected = None
            if row is not None and row.expires > self.now:
                expected = KnownRequest(
                    fingerprint=b"body",
                    decision_id=f"{request}.{row.attempt}",
                    until=row.until,
                    answer=row.answer,
                )
            assert self.store.request(request, now=self.now) == expected

    def teardown(self) -> None:
        self.store.close()

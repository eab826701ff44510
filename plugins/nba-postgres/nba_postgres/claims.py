"""Request ids, on rows that a transaction has read and locked: who holds one, and its answer.

The rules are those of `nba_engine.store.requests`; nothing here knows SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from nba_engine.domain import Answer, Claim, ReservationRequest
from nba_engine.errors import RequestTaken
from nba_postgres.book import Book

__all__ = ["Attempt", "Claims"]


class Attempt(msgspec.Struct, kw_only=True):
    """A row of ``decision_requests``."""

    fingerprint: bytes
    decision_id: str
    identity: str
    until: float
    expires: float
    held: list[str]
    answer: bytes | None = None

    @classmethod
    def of(cls, claim: Claim, answer: bytes | None = None) -> Attempt:
        """The row with which a claim begins."""
        return cls(
            fingerprint=claim.fingerprint,
            decision_id=claim.decision_id,
            identity=claim.identity,
            until=claim.until,
            expires=claim.expires,
            held=[],
            answer=answer,
        )


class Claims:
    """The request ids of one transaction; ``rows`` has None where there is no row.

    ``erased`` tells whether a decision was begun for a name that was erased since.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self.rows: dict[str, Attempt | None] = {}
        self.made: set[str] = set()  # rows that this transaction has inserted to lock the id
        self.changed: set[str] = set()
        self.erased: Callable[[str, str], bool] = lambda _decision_id, _name: False

    def reserve(
        self, claim: Claim, requests: Sequence[ReservationRequest], now: float
    ) -> list[Answer]:
        """Take the request id, note what is asked for, and reserve."""
        own = self._take(claim, self._book.time(now)) or self._put(claim)
        asked = [one.reservation_id for one in requests]
        if asked:
            own.held = list(dict.fromkeys([*own.held, *asked]))
            self.changed.add(claim.request_id)
        return self._book.reserve(requests, now)

    def remember(self, claim: Claim, answer: bytes, keep: Sequence[str], now: float) -> None:
        """Answer the request id, and release what the attempt holds without a use for it."""
        row = self.rows.get(claim.request_id)
        if row is not None and row.decision_id == claim.decision_id and row.answer is not None:
            return  # a repeat
        at = self._book.time(now)
        own = self._take(claim, at) or self._put(claim)
        self._release([one for one in own.held if one not in keep], at)
        own.expires, own.answer = claim.expires, answer
        self.changed.add(claim.request_id)

    def give_up(self, claim: Claim, now: float) -> None:
        """Free the request id and all that the attempt holds, if it is still the attempt's."""
        row = self.rows.get(claim.request_id)
        if row is not None and row.decision_id == claim.decision_id and row.answer is None:
            self.end(claim.request_id, self._book.time(now))

    def end(self, request_id: str, now: float) -> None:
        """Free a request id, and what its attempt holds if it came to no answer."""
        row = self.rows[request_id]
        if row is not None:
            if row.answer is None:
                self._release(row.held, now)
            self.rows[request_id] = None
            self.changed.add(request_id)

    def _take(self, claim: Claim, now: float) -> Attempt | None:
        """What this attempt has in the store; None: nothing, and nobody else has either now.

        Raises `RequestTaken`, before anything is changed, when it is not for this attempt to take.
        """
        row = self.rows.get(claim.request_id)
        if row is None:
            if claim.follows:
                raise RequestTaken("the request id was taken from this attempt")
            self._refuse_erased(claim)
            return None
        own = row.decision_id == claim.decision_id
        if own and row.answer is None:
            return row
        expired = row.expires <= now
        if own or claim.follows == claim.decision_id or (row.answer is not None and not expired):
            raise RequestTaken("the request id has an answer, or another attempt holds it")
        if not expired and row.decision_id != claim.follows:
            raise RequestTaken("another attempt holds the request id")
        self._refuse_erased(claim)
        self.end(claim.request_id, now)
        return None

    def _refuse_erased(self, claim: Claim) -> None:
        if claim.identity and self.erased(claim.decision_id, claim.identity):
            raise RequestTaken("the customer was erased meanwhile")

    def _put(self, claim: Claim) -> Attempt:
        self.changed.add(claim.request_id)
        row = self.rows[claim.request_id] = Attempt.of(claim)
        return row

    def _release(self, reservations: Sequence[str], now: float) -> None:
        for reservation in reservations:
            self._book.release(reservation, now)

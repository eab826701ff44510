"""The ledger of decisions that are only supposed: it starts from what is on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nba_engine.domain import (
    Answer,
    CustomerState,
    DecisionRecord,
    Evidence,
    Hold,
    ReservationRequest,
)
from nba_engine.engine.replay import RecordedReads

__all__ = ["SupposedReads"]

# accounts the decision never read → units used
Unread = Callable[[tuple[str, ...]], Mapping[str, int]]


class SupposedReads:
    """The record's profile, and a ledger that starts from the usage on record.

    What the decision read of an account, and what others had used when the ledger refused a
    request a moment later, are two numbers: the first is what reading sees, the second what
    reserving meets. Accounts that the decision never read are asked of ``unread``. ``shift`` is
    added to what was used. Grants are kept in ``granted``, by reservation.
    """

    def __init__(
        self,
        record: DecisionRecord,
        recorded: RecordedReads,
        unread: Unread,
        *,
        shift: Mapping[str, int] | None = None,
    ) -> None:
        self._recorded = recorded
        self._unread = unread
        self._shift = shift or {}
        self._read = {account: self._shifted(account, n) for account, n in record.usage.items()}
        self._meanwhile: dict[str, int] = {}  # used by others between reading and reserving
        self._own: dict[str, int] = {}
        self.granted: dict[str, tuple[Hold, ...]] = {}
        for account, used in recorded.refused.items():
            if account in record.usage:
                self._meanwhile[account] = used - record.usage[account]
            else:
                self._read[account] = self._shifted(account, used)

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        return self._recorded.customer(identity)

    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]:
        unread = tuple(account for account in accounts if account not in self._read)
        if unread:
            found = self._unread(unread)
            for account in unread:
                self._read[account] = self._shifted(account, found.get(account, 0))
        return {account: self._read[account] + self._own.get(account, 0) for account in accounts}

    def evidence(self) -> Evidence:
        return self._recorded.evidence()

    def reserve(
        self,
        requests: tuple[ReservationRequest, ...],
        *,
        now: float,  # noqa: ARG002
    ) -> tuple[Answer, ...]:
        return tuple(self._reserve(request) for request in requests)

    def release(
        self,
        reservations: tuple[str, ...],
        *,
        now: float,  # noqa: ARG002
    ) -> None:
        for reservation in reservations:
            for hold in self.granted.pop(reservation, ()):
                self._own[hold.account] -= hold.amount

    def _reserve(self, request: ReservationRequest) -> Answer:
        used = self.usage(tuple(hold.account for hold in request.holds))
        for hold in request.holds:
            room = hold.ceiling - used[hold.account] - self._meanwhile.get(hold.account, 0)
            if hold.amount > room:
                return Answer(
                    reservation_id=request.reservation_id,
                    granted=False,
                    refused_by=hold.limit,
                    room=room,
                )
        for hold in request.holds:
            self._own[hold.account] = self._own.get(hold.account, 0) + hold.amount
        self.granted[request.reservation_id] = request.holds
        return Answer(reservation_id=request.reservation_id, granted=True)

    def _shifted(self, account: str, used: int) -> int:
        return max(0, used + self._shift.get(account, 0)) if self._shift else used

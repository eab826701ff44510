"""Accounts, reservations and request ids of a `FakeStore`: the ledger's rules on dictionaries.

Values are immutable: a commit works on copies of the dictionaries, and swaps them in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from nba_engine.domain import (
    Answer,
    Claim,
    Hold,
    Reservation,
    ReservationRequest,
    Usage,
    of_customer,
    window_over,
)
from nba_engine.errors import RequestTaken

__all__ = ["FakeLedger", "Moved"]

Moved = Literal["confirmed", "released", "unchanged", "overrun", "unknown"]
_Status = Literal["reserved", "confirmed", "released", "expired"]


class _Spend(msgspec.Struct, frozen=True):
    time: float
    amount: int
    overrun: int = 0


class _Account(msgspec.Struct, frozen=True):
    limit: str
    rolls: float
    ceiling: int = 0
    reserved: int = 0
    spends: tuple[_Spend, ...] = ()

    def at(self, now: float) -> _Account:
        """The account without what fell out of its window."""
        if not self.rolls:
            return self
        kept = tuple(each for each in self.spends if each.time + self.rolls > now)
        return replace(self, spends=kept)

    @property
    def spent(self) -> int:
        return sum(spend.amount for spend in self.spends)

    @property
    def overrun(self) -> int:
        return sum(spend.overrun for spend in self.spends)

    @property
    def room(self) -> int:
        return self.ceiling - self.reserved - self.spent


class _Reservation(msgspec.Struct, frozen=True):
    customer: str
    decision: str
    expires: float
    holds: Mapping[str, int]
    status: _Status = "reserved"


class _Attempt(msgspec.Struct, frozen=True):
    claim: Claim
    held: tuple[str, ...] = ()
    answer: bytes | None = None


class FakeLedger:
    """One state of the ledger; `copy` it to try something."""

    def __init__(self, *, simulated: bool) -> None:
        self._simulated = simulated
        self._clock = float("-inf")
        self._accounts: dict[str, _Account] = {}
        self._reservations: dict[str, _Reservation] = {}
        self.attempts: dict[str, _Attempt] = {}
        self.windows_since: float | None = None

    def copy(self) -> FakeLedger:
        """The same state, to be changed."""
        other = FakeLedger(simulated=self._simulated)
        other._clock = self._clock
        other._accounts = dict(self._accounts)
        other._reservations = dict(self._reservations)
        other.attempts = dict(self.attempts)
        other.windows_since = self.windows_since
        return other

    def time(self, now: float) -> float:
        """The ledger's clock, which never runs backwards; a simulated one takes what it gets."""
        if self._simulated:
            return now
        self._clock = max(self._clock, now)
        return self._clock

    def reserve(self, requests: Sequence[ReservationRequest], now: float) -> list[Answer]:
        """Each request granted whole or refused, in their order."""
        self.expire(now)
        return [self._reserve(request, now) for request in requests]

    def _reserve(self, request: ReservationRequest, now: float) -> Answer:
        name = request.reservation_id
        before = self._reservations.get(name)
        if before is not None:
            granted = before.status not in {"released", "expired"}
            return Answer(reservation_id=name, granted=granted)
        holds = _by_account(request.holds)
        for hold in holds:
            known = self._accounts.get(hold.account)
            if known is not None and known.rolls and hold.rolls:
                self._accounts[hold.account] = replace(known, rolls=hold.rolls)
        self._let_fall(now)
        for hold in holds:
            gone = self._is_forgotten(hold.account)
            room = 0 if gone else replace(self._account(hold), ceiling=hold.ceiling).room
            if gone or hold.amount > room:
                return Answer(
                    reservation_id=name, granted=False, refused_by=hold.limit, room=max(0, room)
                )
        for hold in holds:
            account = self._account(hold)
            reserved = account.reserved + hold.amount
            self._accounts[hold.account] = replace(account, ceiling=hold.ceiling, reserved=reserved)
        held = {hold.account: hold.amount for hold in holds}
        self._reservations[name] = _Reservation(
            request.customer_id, request.decision_id, request.expires, held
        )
        return Answer(reservation_id=name, granted=True)

    def _account(self, hold: Hold) -> _Account:
        return self._accounts.get(hold.account) or _Account(hold.limit, hold.rolls)

    def _is_forgotten(self, account: str) -> bool:
        over = window_over(account)
        since = self.windows_since
        gone = since is not None and over is not None and over <= since
        return gone and account not in self._accounts

    def forget_windows(self, before: float) -> int:
        """Delete accounts whose windows ended before, and that hold nothing; how many."""
        self.windows_since = max(before, self.windows_since or before)
        gone = [
            name
            for name, one in self._accounts.items()
            if not one.reserved and (over := window_over(name)) is not None and over <= before
        ]
        for name in gone:
            del self._accounts[name]
        return len(gone)

    def _let_fall(self, now: float) -> None:
        for name, one in self._accounts.items():
            self._accounts[name] = one.at(now)

    def expire(self, now: float) -> int:
        """End what is due, let fall what left its window; how many ended."""
        self._let_fall(now)
        due = [
            name
            for name, one in self._reservations.items()
            if one.status == "reserved" and one.expires <= now
        ]
        for name in due:
            self._end(name, "expired")
        return len(due)

    def confirm(self, name: str, now: float) -> Moved:
        """The contact took place: what was reserved is spent, or charged after expiry."""
        one = self._reservations.get(name)
        if one is None:
            return "unknown"
        if one.status in {"confirmed", "released"}:
            return "unchanged"
        self.expire(now)
        late = self._reservations[name].status == "expired"
        if not late:
            self._end(name, "confirmed")
        else:
            self._reservations[name] = replace(one, status="confirmed")
        overrun = False
        for account, amount in one.holds.items():
            found = self._accounts.get(account)
            if found is None:
                continue  # forgotten with its window
            over = max(0, amount - max(0, found.room)) if late else 0
            overrun = overrun or over > 0
            spend = _Spend(now, amount, over)
            self._accounts[account] = replace(found, spends=(*found.spends, spend))
        return "overrun" if overrun else "confirmed"

    def release(self, name: str) -> Moved:
        """The contact did not take place: what was reserved is free."""
        one = self._reservations.get(name)
        if one is None:
            return "unknown"
        if one.status != "reserved":
            return "unchanged"
        self._end(name, "released")
        return "released"

    def _end(self, name: str, status: _Status) -> None:
        one = self._reservations[name]
        self._reservations[name] = replace(one, status=status)
        for account, amount in one.holds.items():
            if (found := self._accounts.get(account)) is not None:  # else it held nothing of it
                self._accounts[account] = replace(found, reserved=found.reserved - amount)

    def of(self, customer: str) -> Iterable[Reservation]:
        """A customer's reservations by name."""
        for name, one in sorted(self._reservations.items()):
            if one.customer == customer:
                yield Reservation(
                    reservation_id=name,
                    decision_id=one.decision,
                    status=one.status,
                    expires=one.expires,
                    holds=dict(one.holds),
                )

    def move(self, before: str, after: str) -> None:
        """Let what one customer reserved and spent count for another."""
        for name, one in list(self._reservations.items()):
            if one.customer != before:
                continue
            holds: dict[str, int] = {}
            for account, amount in one.holds.items():
                moved = of_customer(account, before, after)
                holds[moved] = holds.get(moved, 0) + amount
                if moved != account and account in self._accounts:
                    self._add(moved, self._accounts.pop(account))
            self._reservations[name] = replace(one, customer=after, holds=holds)

    def names(self) -> Iterable[str]:
        """Customers that have reservations, identities that have asked with an id."""
        yield from [one.customer for one in self._reservations.values() if one.customer]
        yield from [one.claim.identity for one in self.attempts.values() if one.claim.identity]

    def detach(self, names: Collection[str]) -> dict[str, int]:
        """Let reservations be nobody's; those, and accounts, that are these customers' alone go."""
        theirs = {k: one for k, one in self._reservations.items() if one.customer in names}
        own = {
            account
            for one in theirs.values()
            for account in one.holds
            if any(of_customer(account, name, "") != account for name in names)
        }
        for key, one in theirs.items():
            shared = {name: amount for name, amount in one.holds.items() if name not in own}
            if shared:
                self._reservations[key] = replace(one, customer="", holds=shared)
            else:
                del self._reservations[key]
        for account in own:
            self._accounts.pop(account, None)
        return {"reservations": len(theirs), "accounts": len(own)}

    def forget_attempts(self, names: Collection[str]) -> int:
        """Forget what these asked for with an id; open attempts give back what they hold."""
        theirs = [key for key, one in self.attempts.items() if one.claim.identity in names]
        for key in theirs:
            self._drop(key)
        return len(theirs)

    def _add(self, name: str, moved: _Account) -> None:
        kept = self._accounts.get(name)
        if kept is not None:
            moved = replace(
                kept,
                rolls=max(kept.rolls, moved.rolls),
                ceiling=min(kept.ceiling, moved.ceiling),
                reserved=kept.reserved + moved.reserved,
                spends=(*kept.spends, *moved.spends),
            )
        self._accounts[name] = moved

    def usage(self, now: float | None = None) -> Iterable[Usage]:
        """Every account by name, without what fell out of its window by ``now``."""
        for name, stored in sorted(self._accounts.items()):
            account = stored if now is None else stored.at(now)
            yield Usage(
                account=name,
                limit=account.limit,
                reserved=account.reserved,
                spent=account.spent,
                overrun=account.overrun,
                ceiling=account.ceiling,
            )

    def take(self, claim: Claim, asked: Sequence[str], now: float) -> None:
        """Take a request id and note what is asked for. Raises `RequestTaken`."""
        held = self._holding(claim, now)
        own = self.attempts.get(claim.request_id) or _Attempt(claim)
        noted = tuple(dict.fromkeys((*held, *asked)))
        self.attempts[claim.request_id] = replace(own, held=noted)

    def remember(self, claim: Claim, answer: bytes, keep: Sequence[str], now: float) -> None:
        """Answer a request id; what is held and not kept is released. Raises `RequestTaken`."""
        found = self.attempts.get(claim.request_id)
        own = found is not None and found.claim.decision_id == claim.decision_id
        if found is not None and own and found.answer is not None:
            return
        for name in self._holding(claim, now):
            if name not in keep:
                self.release(name)
        shown = found.claim if found is not None and own else claim
        answered = replace(shown, expires=claim.expires)
        self.attempts[claim.request_id] = _Attempt(answered, (), answer)

    def give_up(self, claim: Claim) -> None:
        """End an attempt without an answer, if the id is still its own."""
        found = self.attempts.get(claim.request_id)
        if found is None or found.answer is not None:
            return
        if found.claim.decision_id == claim.decision_id:
            self._drop(claim.request_id)

    def reap(self, now: float) -> None:
        """End attempts that died, forget answers that expired."""
        for name, attempt in list(self.attempts.items()):
            ends = attempt.claim.until if attempt.answer is None else attempt.claim.expires
            if ends <= now:
                self._drop(name)

    def _holding(self, claim: Claim, now: float) -> tuple[str, ...]:
        """What this attempt holds already; one that it may replace is gone then."""
        found = self.attempts.get(claim.request_id)
        if found is None:
            if claim.follows:
                raise RequestTaken("the request id was taken from this attempt")
            return ()
        holder, answered = found.claim.decision_id, found.answer is not None
        if holder == claim.decision_id and not answered:
            return found.held
        lost = claim.decision_id in {claim.follows, holder}
        alive = found.claim.expires > now
        if lost or (alive and (answered or holder != claim.follows)):
            raise RequestTaken("the request id has an answer, or another attempt holds it")
        self._drop(claim.request_id)
        return ()

    def _drop(self, request_id: str) -> None:
        for name in self.attempts.pop(request_id).held:
            self.release(name)


def _by_account(holds: Sequence[Hold]) -> list[Hold]:
    """One hold per account: amounts added, the lower ceiling."""
    merged: dict[str, Hold] = {}
    for hold in holds:
        before = merged.get(hold.account, replace(hold, amount=0))
        ceiling = min(before.ceiling, hold.ceiling)
        amount = before.amount + hold.amount
        merged[hold.account] = replace(before, amount=amount, ceiling=ceiling)
    return list(merged.values())

"""What every store must do with request ids: one attempt at a time holds one, one answer stays."""

from __future__ import annotations

import math
import threading

import msgspec
import pytest

from nba_engine.domain import (
    Claim,
    Consent,
    Hold,
    KnownRequest,
    ProfileUpdate,
    ReservationRequest,
    Store,
)
from nba_engine.errors import InvalidRequest, RequestTaken
from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore, happened, state_of

__all__ = ["RequestsSuite", "claim", "reservation"]

DAY = 86_400.0
AMPLE = Hold(account="cap/1", limit="cap", amount=1, ceiling=100)


def claim(attempt: str, *, follows: str = "", request_id: str = "q1") -> Claim:
    """An attempt at a request id that counts as alive for a minute."""
    return Claim(
        request_id=request_id,
        fingerprint=b"body",
        decision_id=attempt,
        until=NOW + 60,
        expires=NOW + DAY,
        follows=follows,
    )


def reservation(name: str, hold: Hold = AMPLE) -> ReservationRequest:
    """A request for one reservation that lives long."""
    return ReservationRequest(
        reservation_id=name, decision_id="d", customer_id="c", holds=(hold,), expires=NOW + 9 * DAY
    )


def known(attempt: str, answer: bytes | None = None) -> KnownRequest:
    """What a store says of an attempt made by `claim`."""
    return KnownRequest(fingerprint=b"body", decision_id=attempt, until=NOW + 60, answer=answer)


def reserved(store: Store) -> int:
    """What all reservations hold together."""
    return sum(usage.reserved for usage in store.usage_report())


class RequestsSuite:
    """Attempts, answers, and what becomes of the reservations of those that came to none."""

    def test_a_request_id_nobody_used_is_unknown(self, make_store: MakeStore) -> None:
        store = make_store()
        assert store.request("q1", now=NOW) is None
        assert store.request("q\ud800", now=NOW) is None

    def test_an_answer_is_remembered_over_a_restart(self, make_store: MakeStore) -> None:
        store = make_store()
        store.remember(claim("d1"), b"answer", now=NOW)
        assert store.request("q1", now=NOW) == known("d1", b"answer")
        store.close()
        assert make_store().request("q1", now=NOW) == known("d1", b"answer")

    def test_the_first_answer_stays(self, make_store: MakeStore) -> None:
        store = make_store()
        store.remember(claim("d1"), b"first", now=NOW)
        store.remember(claim("d1"), b"again", now=NOW)
        with pytest.raises(RequestTaken):
            store.remember(claim("d2"), b"second", now=NOW)
        assert store.request("q1", now=NOW) == known("d1", b"first")

    def test_the_first_reservation_takes_the_request_id(self, make_store: MakeStore) -> None:
        store = make_store()
        (answer,) = store.reserve([reservation("r1")], now=NOW, claim=claim("d1"))
        assert answer.granted
        assert store.request("q1", now=NOW) == known("d1")
        with pytest.raises(RequestTaken):
            store.reserve([reservation("r2")], now=NOW, claim=claim("d2"))
        with pytest.raises(RequestTaken):
            store.remember(claim("d2"), b"answer", now=NOW)
        assert reserved(store) == 1

    def test_other_request_ids_are_not_in_the_way(self, make_store: MakeStore) -> None:
        store = make_store()
        for name in ("q1", "q2"):
            held = claim(f"d-{name}", request_id=name)
            store.reserve([reservation(f"r-{name}")], now=NOW, claim=held)
            store.remember(held, name.encode(), keep=[f"r-{name}"], now=NOW)
        assert store.request("q2", now=NOW) == known("d-q2", b"q2")
        assert reserved(store) == 2

    def test_the_answer_releases_what_it_does_not_keep(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([reservation("r1"), reservation("r2")], now=NOW, claim=claim("d1"))
        store.reserve([reservation("r3")], now=NOW, claim=claim("d1", follows="d1"))
        assert reserved(store) == 3
        store.remember(claim("d1", follows="d1"), b"answer", keep=["r2"], now=NOW)
        assert reserved(store) == 1
        (result,) = store.record([happened(1, "impression", recommendation="r2")], FOLD, now=NOW)
        assert result.reservation == "confirmed"

    def test_reservations_without_a_claim_are_not_released(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([reservation("r1")], now=NOW)
        store.reserve([reservation("r2")], now=NOW, claim=claim("d1"))
        store.remember(claim("d1"), b"answer", now=NOW)
        assert reserved(store) == 1

    def test_a_refused_reservation_takes_the_id_and_holds_nothing(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        full = Hold(account="full/1", limit="full", amount=1, ceiling=0)
        (answer,) = store.reserve([reservation("r1", full)], now=NOW, claim=claim("d1"))
        assert not answer.granted
        assert store.request("q1", now=NOW) == known("d1")
        store.give_up(claim("d1"), now=NOW)
        assert reserved(store) == 0

    def test_a_repeated_reservation_is_held_once(self, make_store: MakeStore) -> None:
        store = make_store()
        for _ in range(2):
            store.reserve([reservation("r1")], now=NOW, claim=claim("d1"))
        assert reserved(store) == 1
        store.give_up(claim("d1"), now=NOW)
        assert reserved(store) == 0

    @pytest.mark.parametrize("restarts", [0, 1])
    def test_who_replaces_a_dead_attempt_frees_what_it_held(
        self, make_store: MakeStore, restarts: int
    ) -> None:
        store = make_store()
        store.reserve([reservation("r1"), reservation("r2")], now=NOW, claim=claim("dead"))
        for _ in range(restarts):
            store.close()
            store = make_store()
        store.reserve([], now=NOW, claim=claim("d2", follows="dead"))
        assert reserved(store) == 0
        assert store.request("q1", now=NOW) == known("d2")
        store.reserve([reservation("r3")], now=NOW, claim=claim("d2", follows="d2"))
        store.remember(claim("d2", follows="d2"), b"answer", keep=["r3"], now=NOW)
        assert reserved(store) == 1

    def test_an_attempt_that_was_replaced_can_do_nothing_more(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([reservation("r1")], now=NOW, claim=claim("slow"))
        store.reserve([reservation("r2")], now=NOW, claim=claim("d2", follows="slow"))
        slow = claim("slow", follows="slow")
        with pytest.raises(RequestTaken):
            store.reserve([reservation("r3")], now=NOW, claim=slow)
        with pytest.raises(RequestTaken):
            store.remember(slow, b"answer", keep=["r1"], now=NOW)
        store.give_up(slow, now=NOW)
        assert store.request("q1", now=NOW) == known("d2")
        assert reserved(store) == 1

    def test_only_the_latest_attempt_can_be_replaced(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([reservation("r1")], now=NOW, claim=claim("dead"))
        store.reserve([reservation("r2")], now=NOW, claim=claim("d2", follows="dead"))
        with pytest.raises(RequestTaken):
            store.reserve([reservation("r3")], now=NOW, claim=claim("d3", follows="dead"))
        assert store.request("q1", now=NOW) == known("d2")

    def test_an_answer_cannot_be_replaced(self, make_store: MakeStore) -> None:
        store = make_store()
        store.remember(claim("d1"), b"answer", now=NOW)
        with pytest.raises(RequestTaken):
            store.reserve([], now=NOW, claim=claim("d2", follows="d1"))
        with pytest.raises(RequestTaken):
            store.remember(claim("d2", follows="d1"), b"other", now=NOW)
        assert store.request("q1", now=NOW) == known("d1", b"answer")

    def test_after_its_answer_an_attempt_reserves_nothing(self, make_store: MakeStore) -> None:
        store = make_store()
        store.remember(claim("d1"), b"answer", now=NOW)
        for follows in ("", "d1"):
            with pytest.raises(RequestTaken):
                store.reserve([reservation("late")], now=NOW, claim=claim("d1", follows=follows))
        assert reserved(store) == 0

    def test_an_attempt_that_is_given_up_leaves_nothing(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([reservation("r1")], now=NOW, claim=claim("d1"))
        store.give_up(claim("d1"), now=NOW)
        store.give_up(claim("d1"), now=NOW)
        assert store.request("q1", now=NOW) is None
        assert reserved(store) == 0
        store.remember(claim("d2"), b"answer", now=NOW)
        assert store.request("q1", now=NOW) == known("d2", b"answer")

    def test_an_answer_cannot_be_given_up(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([reservation("r1")], now=NOW, claim=claim("d1"))
        store.remember(claim("d1"), b"answer", keep=["r1"], now=NOW)
        store.give_up(claim("d1"), now=NOW)
        assert store.request("q1", now=NOW) == known("d1", b"answer")
        assert reserved(store) == 1

    def test_after_its_window_a_request_id_is_new(self, make_store: MakeStore) -> None:
        store = make_store()
        store.remember(claim("d1"), b"old", now=NOW)
        later = NOW + DAY
        assert store.request("q1", now=later - 1) == known("d1", b"old")
        assert store.request("q1", now=later) is None
        again = msgspec.structs.replace(claim("d2"), expires=later + DAY)
        store.reserve([reservation("r1")], now=later, claim=again)
        store.remember(again, b"new", keep=["r1"], now=later)
        assert store.request("q1", now=later) == known("d2", b"new")
        assert reserved(store) == 1

    def test_what_expired_is_forgotten(self, make_store: MakeStore) -> None:
        store = make_store()
        for number in range(1_500):
            store.remember(claim(f"d{number}", request_id=f"q{number}"), b"answer", now=NOW)
        fresh = msgspec.structs.replace(claim("fresh"), request_id="fresh", expires=NOW + 2 * DAY)
        store.remember(fresh, b"answer", now=NOW)
        store.expire(now=NOW + DAY)
        assert store.request("q7", now=NOW) is None  # not even for those whose clock is behind
        assert store.request("q1499", now=NOW) is None
        assert store.request("fresh", now=NOW) == known("fresh", b"answer")

    def test_an_attempt_that_died_is_ended_and_its_holds_are_freed(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.reserve([reservation("r1")], now=NOW, claim=claim("d1"))
        store.expire(now=NOW + 59)
        assert store.request("q1", now=NOW) == known("d1")
        assert store.expire(now=NOW + 60) == 0  # released, not expired
        assert store.request("q1", now=NOW) is None
        assert reserved(store) == 0

    def test_an_attempt_that_was_ended_finds_out(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([reservation("r1")], now=NOW, claim=claim("slow"))
        store.expire(now=NOW + 60)
        slow = claim("slow", follows="slow")
        with pytest.raises(RequestTaken):
            store.remember(slow, b"answer", keep=["r1"], now=NOW + 61)
        with pytest.raises(RequestTaken):
            store.reserve([reservation("r2")], now=NOW + 61, claim=slow)
        assert reserved(store) == 0

    def test_what_is_released_is_free_again_and_only_once(self, make_store: MakeStore) -> None:
        store = make_store()
        store.reserve([reservation(f"r{n}") for n in range(3)], now=NOW)
        store.record([happened(1, "impression", recommendation="r0")], FOLD, now=NOW)
        for _ in range(2):
            store.release(["r0", "r1", "never"], now=NOW)
        (usage,) = store.usage_report()
        assert (usage.reserved, usage.spent) == (1, 1)
        store.release([], now=NOW)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"request_id": ""}, "claim.request_id"),
            ({"request_id": "q\ud800"}, "claim.request_id"),
            ({"decision_id": ""}, "claim.decision_id"),
            ({"until": math.nan}, "claim.until"),
            ({"expires": math.inf}, "claim.expires"),
        ],
    )
    def test_a_claim_that_cannot_be_stored_is_refused(
        self, make_store: MakeStore, change: dict[str, str | float], field: str
    ) -> None:
        store = make_store()
        bad = msgspec.structs.replace(claim("d1"), **change)
        for act in (
            lambda: store.reserve([reservation("r1")], now=NOW, claim=bad),
            lambda: store.remember(bad, b"answer", now=NOW),
        ):
            with pytest.raises(InvalidRequest) as refused:
                act()
            assert [one.field for one in refused.value.violations] == [field]
        assert reserved(store) == 0

    def test_of_many_attempts_at_once_one_holds_the_id(self, make_store: MakeStore) -> None:
        store = make_store()
        start = threading.Barrier(8)
        won: list[str] = []

        def try_it(attempt: str) -> None:
            start.wait()
            try:
                store.reserve([reservation(f"r-{attempt}")], now=NOW, claim=claim(attempt))
                store.remember(claim(attempt), b"answer", keep=[f"r-{attempt}"], now=NOW)
            except RequestTaken:
                return
            won.append(attempt)

        threads = [threading.Thread(target=try_it, args=(f"d{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert store.request("q1", now=NOW) == known(won[0], b"answer")
        assert reserved(store) == 1

    def test_the_repeat_of_an_update_may_arrive_later(self, make_store: MakeStore) -> None:
        store = make_store()
        for time in (5.0, 9.0):
            store.update(
                [
                    ProfileUpdate(
                        identity="crm:1",
                        consents={"marketing:email": Consent(granted=True, time=time)},
                        request_id="u1",
                        undated=("marketing:email",),
                    )
                ]
            )
        assert state_of(store).consents["marketing:email"].time == 5.0
        dated = ProfileUpdate(
            identity="crm:1",
            consents={"marketing:email": Consent(granted=True, time=9.0)},
            request_id="u1",
        )
        with pytest.raises(InvalidRequest) as refused:
            store.update([dated])
        assert refused.value.reason == "REQUEST_ID_REUSED"

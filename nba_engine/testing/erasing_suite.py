"""What every `nba_engine.domain.Store` must do when a customer is erased."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest

from nba_engine.domain import (
    FILES,
    LOG,
    SINKS,
    Claim,
    Consent,
    Held,
    Hold,
    LinkRequest,
    ProfileUpdate,
    ReservationRequest,
    Store,
    digest_of_name,
    id_time,
)
from nba_engine.errors import InvalidRequest, NotFound, RequestTaken
from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore, happened
from nba_engine.testing.ledger_suite import used

__all__ = ["ErasingSuite"]

LATER = NOW + 60.0


class ErasingSuite:
    """Nothing of the customer is left, nothing of others is touched, and it stays away."""

    def test_nothing_of_the_customer_is_left_under_any_identity(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        fill(store)
        erased = store.erase("cookie:1", erasure_id="e1", now=LATER)
        for name in ("crm:1", "cookie:1"):
            assert store.customer(name) is None
            assert store.identities(name) is None
            assert store.holdings(name) is None
        assert erased.known
        assert erased.pending == (LOG, SINKS, FILES)
        counted = {"customers": 1, "identities": 2, "links": 1, "consents": 1, "interactions": 2}
        assert {kind: erased.counts[kind] for kind in counted} == counted

    def test_it_stays_erased_after_a_restart_and_so_does_the_answer(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        fill(store)
        answer = store.erase("crm:1", erasure_id="e1", now=LATER)
        store.close()
        again = make_store()
        assert again.customer("crm:1") is None
        assert again.erase("crm:1", erasure_id="e1", now=LATER + 9) == answer
        assert list(again.erasures()) == [answer]

    def test_others_are_not_touched(self, make_store: MakeStore) -> None:
        store = make_store()
        fill(store)
        store.record([happened("o", identity="crm:2")], FOLD, now=NOW)
        before = store.customer("crm:2"), store.holdings("crm:2")
        store.erase("crm:1", now=LATER)
        assert (store.customer("crm:2"), store.holdings("crm:2")) == before

    def test_an_identity_of_nobody_is_answered_as_such(self, make_store: MakeStore) -> None:
        store = make_store()
        answer = store.erase("crm:nobody", now=NOW)
        assert (answer.known, answer.counts, answer.sequence) == (False, {}, 1)
        assert answer.erasure_id
        assert store.erase("crm:nobody", now=NOW).sequence == 2

    def test_an_id_that_stands_for_another_identity_is_refused(self, make_store: MakeStore) -> None:
        store = make_store()
        fill(store)
        store.erase("crm:2", erasure_id="e1", now=LATER)
        with pytest.raises(InvalidRequest) as refused:
            store.erase("crm:1", erasure_id="e1", now=LATER)
        assert refused.value.reason == "REQUEST_ID_REUSED"
        assert store.customer("crm:1") is not None
        with pytest.raises(InvalidRequest):
            store.erase("", now=LATER)

    def test_the_same_identity_is_a_new_customer_without_consents(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(simulated=False)
        fill(store)
        store.erase("crm:1", now=time.time())
        store.record([happened("new", time=time.time() + 1)], FOLD, now=time.time() + 1)
        found = store.customer("crm:1")
        assert found is not None
        assert (found[0].version, found[0].attributes, found[0].consents) == (1, {}, {})
        assert store.customer("cookie:1") is None

    def test_shared_limits_regain_no_room_and_the_customers_own_accounts_go(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        customer = fill(store)
        reserve(store, customer, "r1", "r2")
        confirm(store, "r1")
        store.erase("crm:1", now=LATER)
        assert used(store, "cap/1") == (1, 1, 0)
        assert [one.account for one in store.usage_report()] == ["cap/1"]

    def test_a_contact_that_is_under_way_still_counts(self, make_store: MakeStore) -> None:
        store = make_store()
        customer = fill(store)
        reserve(store, customer, "r1", "r2", "r3")
        store.erase("crm:1", now=LATER)
        items = [
            happened("c", "delivery", recommendation="r1", time=LATER + 1),
            happened("d", "reject", recommendation="r2", time=LATER + 1),
        ]
        results = store.record(items, FOLD, now=LATER + 1)
        assert [one.reservation for one in results] == ["confirmed", "released"]
        assert used(store, "cap/1") == (1, 1, 0)
        store.expire(now=NOW + 1e6)
        assert used(store, "cap/1") == (0, 1, 0)

    def test_what_was_reserved_while_it_was_unknown_goes_too(self, make_store: MakeStore) -> None:
        store = make_store()
        reserve(store, "crm:9", "r1")
        answer = store.erase("crm:9", now=LATER)
        assert (answer.known, answer.counts) == (False, {"reservations": 1, "accounts": 1})
        assert [one.account for one in store.usage_report()] == ["cap/1"]

    def test_a_decision_begun_before_reserves_nothing_and_one_begun_after_does(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        customer = fill(store)
        store.link(LinkRequest(identities=("crm:1", "crm:3")), lambda first, _: first, now=NOW)
        store.erase("crm:1", now=LATER)
        for name in (customer, "crm:1", "cookie:1", "crm:3"):
            assert not reserve(store, name, f"late {name}", began=LATER)
        assert used(store, "cap/1") == (0, 0, 0)
        assert reserve(store, "crm:1", "r1", began=LATER + 1)
        assert reserve(store, "crm:2", "r2", began=NOW)

    def test_of_two_decisions_at_once_only_the_one_begun_before_is_refused(
        self, make_store: MakeStore
    ) -> None:
        store = make_store(simulated=False)
        erased = store.erase("crm:new", now=LATER).time  # nobody yet, so the identity is the name
        asked = [wanted("crm:new", "r1", erased), wanted("crm:new", "r2", erased + 1)]
        assert [one.granted for one in store.reserve(asked, now=LATER + 1)] == [False, True]
        store.record([happened("n", identity="crm:new", time=erased)], FOLD, now=erased)
        late = wanted("crm:new", "r3", erased)
        assert not store.reserve([late], now=erased)[0].granted  # whoever it is by now

    def test_an_attempt_begun_before_leaves_no_answer_and_holds_nothing(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        customer = fill(store)
        claim = claimed("q1", began=NOW)
        holding = store.reserve([wanted(customer, "r1", NOW)], now=NOW, claim=claim)
        assert holding[0].granted
        store.erase("crm:1", now=LATER)
        assert used(store, "cap/1") == (0, 0, 0)
        own = msgspec.structs.replace(claim, follows=claim.decision_id)
        for late in (own, claim, claimed("q2", began=NOW)):
            with pytest.raises(RequestTaken):
                store.remember(late, b"Dear Ada", now=LATER)
            with pytest.raises(RequestTaken):
                store.reserve([], now=LATER, claim=late)
            assert store.request(late.request_id, now=LATER) is None
        store.remember(claimed("q1", began=LATER + 1), b"Welcome", now=LATER + 1)
        store.remember(claimed("q3", began=NOW, identity="crm:2"), b"Hello", now=LATER + 1)
        assert [known_answer(store, name) for name in ("q1", "q3")] == [b"Welcome", b"Hello"]

    def test_answers_that_were_remembered_are_gone(self, make_store: MakeStore) -> None:
        store = make_store()
        fill(store)
        store.remember(claimed("q1", began=NOW, identity="cookie:1"), b"Dear Ada", now=NOW)
        store.remember(claimed("q2", began=NOW, identity="crm:2"), b"Dear Bob", now=NOW)
        assert store.erase("crm:1", now=LATER).counts["decision_requests"] == 1
        assert known_answer(store, "q1") is None
        assert known_answer(store, "q2") == b"Dear Bob"

    def test_what_happened_before_does_not_bring_it_back(self, make_store: MakeStore) -> None:
        store = make_store(simulated=False)
        fill(store)
        erased = store.erase("crm:1", now=time.time())
        old = [
            happened("i"),
            happened("late", identity="cookie:1"),
            happened("o", identity="crm:2"),
        ]
        results = store.record(old, FOLD, now=erased.time)
        assert [one.status for one in results] == ["rejected", "rejected", "recorded"]
        assert "erased" in results[0].message
        assert store.customer("crm:1") is None
        store.record([happened("new", time=erased.time)], FOLD, now=erased.time)
        assert store.record([happened("late")], FOLD, now=erased.time)[0].status == "rejected"

    def test_repeats_of_updates_and_links_find_nobody(self, make_store: MakeStore) -> None:
        store = make_store()
        fill(store)
        store.erase("crm:1", now=LATER)
        (state,) = store.update([UPDATE])
        linked = store.link(LINK, lambda first, _: first, now=LATER)
        assert (state.customer_id, linked.state.customer_id, linked.identities) == ("", "", ())
        assert store.customer("crm:1") is None
        assert store.customer("cookie:1") is None

    def test_merged_customers_are_erased_with_all_that_was_theirs(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        customer = fill(store)
        store.record([happened("m", identity="web:7")], FOLD, now=NOW)
        other = store.identities("web:7")
        assert other is not None
        reserve(store, other.customer_id, "r1")
        store.link(LinkRequest(identities=("crm:1", "web:7")), both, now=NOW)
        store.erase("web:7", now=LATER)
        assert store.customer("crm:1") is None
        assert [one.account for one in store.usage_report()] == ["cap/1"]
        for name in (customer, other.customer_id, "web:7"):
            assert not reserve(store, name, f"late {name}", began=LATER)

    def test_names_are_given_until_only_the_files_are_pending(self, make_store: MakeStore) -> None:
        store = make_store()
        customer = fill(store)
        store.erase("crm:1", erasure_id="e1", now=LATER)
        (erased,) = store.erased_since()
        assert set(erased.names) == {"crm:1", "cookie:1", customer}
        store.note_erased("e1", {"decisions": 4}, pending=(SINKS, FILES))
        assert store.erased_since()[0].names
        store.note_erased("e1", {"sink copy": 2}, pending=(FILES,), kept=("sink queue",))
        (erased,) = store.erased_since()
        assert (erased.names, erased.pending) == ((), (FILES,))
        store.scrub()
        done = store.note_erased("e1", {}, pending=())
        assert (done.pending, done.kept) == ((), ("sink queue",))
        assert (done.counts["decisions"], done.counts["sink copy"]) == (4, 2)
        with pytest.raises(NotFound):
            store.note_erased("e2", {}, pending=())

    def test_who_was_erased_is_known_by_digests_that_name_nobody(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        customer = fill(store)
        store.erase("crm:1", now=LATER)
        store.erase("crm:5", now=LATER)
        first, second = store.erased_since()
        assert [one.sequence for one in (first, second)] == [1, 2]
        assert list(store.erased_since(1)) == [second]
        assert all(first.covers(name) for name in ("crm:1", "cookie:1", customer))
        assert not any(first.covers(name) for name in ("crm:2", "crm:5", ""))
        assert first.covers_decision(id_time(NOW) + "x", "x", "crm:1")
        assert not first.covers_decision(id_time(LATER + 1), "x", "crm:1")

    def test_a_copy_that_was_restored_carries_out_what_it_missed(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        fill(store)
        store.record([happened("o", identity="crm:2")], FOLD, now=NOW)
        store.erase("crm:2", now=LATER)
        (seen,) = store.erased_since()
        missed = msgspec.structs.replace(
            seen,
            erasure_id="missed",
            sequence=2,
            digests=frozenset([digest_of_name("cookie:1", seen.salt)]),
            names=(),
        )
        assert store.erase_again([seen, missed], now=LATER) == 1
        assert store.customer("crm:1") is None
        assert store.erase_again([seen, missed], now=LATER) == 0
        found = store.erased_since(1)[0]
        assert found.covers("crm:1")
        assert found.pending == (LOG, SINKS, FILES)
        other = msgspec.structs.replace(missed, erasure_id="x", salt=b"another store")
        with pytest.raises(InvalidRequest):
            store.erase_again([other], now=LATER)

    def test_what_arrives_meanwhile_is_erased_or_a_new_customers(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        fill(store)
        begun = threading.Barrier(3)

        def record(thread: int) -> None:
            begun.wait()
            for number in range(30):
                store.record([happened(f"{thread}-{number}", identity="crm:1")], FOLD, now=LATER)

        threads = [threading.Thread(target=record, args=(thread,)) for thread in range(2)]
        for thread in threads:
            thread.start()
        begun.wait()
        removed = store.erase("crm:1", now=LATER).counts["interactions"]
        for thread in threads:
            thread.join()
        held = store.holdings("crm:1")
        left = 0 if held is None else len(held.interactions)
        assert removed + left == 2 + 60
        found = store.customer("crm:1")
        assert (found is None) == (left == 0)
        if found is not None:
            assert held is not None
            assert found[0].aggregates == FOLD({}, held.interactions)


UPDATE = ProfileUpdate(
    identity="crm:1",
    attributes={"name": "Ada"},
    consents={"marketing:email": Consent(granted=True, time=NOW, source="form")},
    request_id="u1",
)
LINK = LinkRequest(identities=("crm:1", "cookie:1"), source="login", request_id="l1")


def fill(store: Store) -> str:
    """Customer crm:1, known as cookie:1, too, with something of everything; its id."""
    store.update([UPDATE])
    store.link(LINK, lambda first, _: first, now=NOW)
    items = [happened("i"), happened("j", identity="cookie:1")]
    store.record(items, FOLD, now=NOW)
    found = store.identities("crm:1")
    assert found is not None
    return found.customer_id


def both(first: Held, second: Held) -> Held:
    """A merge that adds versions, as far as this suite cares."""
    state = msgspec.structs.replace(first.state, version=first.state.version + second.state.version)
    return msgspec.structs.replace(first, state=state)


def wanted(customer: str, number: str, began: float) -> ReservationRequest:
    """One contact on a shared account and on the customer's own."""
    own = f"mine|customer={customer}|life"
    return ReservationRequest(
        reservation_id=number,
        decision_id=id_time(began) + "d",
        customer_id=customer,
        holds=(
            Hold(account="cap/1", limit="cap", amount=1, ceiling=9),
            Hold(account=own, limit="mine", amount=1, ceiling=9),
        ),
        expires=NOW + 1000.0,
    )


def reserve(store: Store, customer: str, *numbers: str, began: float = NOW) -> bool:
    """Reserve these for a decision begun at a time; whether all were granted."""
    requests = [wanted(customer, number, began) for number in numbers]
    return all(answer.granted for answer in store.reserve(requests, now=max(NOW, began)))


def confirm(store: Store, number: str) -> None:
    """The contact took place."""
    item = happened(f"c{number}", "delivery", identity="crm:1", recommendation=number)
    assert store.record([item], FOLD, now=NOW)[0].reservation == "confirmed"


def claimed(request_id: str, *, began: float, identity: str = "crm:1") -> Claim:
    """An attempt to decide for an identity."""
    return Claim(
        request_id=request_id,
        fingerprint=b"f",
        decision_id=f"{id_time(began)}{request_id}",
        until=NOW + 1e6,
        expires=NOW + 1e6,
        identity=identity,
    )


def known_answer(store: Store, request_id: str) -> bytes | None:
    """What is remembered of a request id."""
    known = store.request(request_id, now=LATER)
    return None if known is None else known.answer

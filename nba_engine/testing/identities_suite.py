"""What every `nba_engine.domain.Store` must do when identities turn out to be one customer."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from nba_engine.domain import (
    AggregateSpec,
    Consent,
    ConsentChange,
    Hold,
    Linked,
    LinkRequest,
    ProfileUpdate,
    ReservationRequest,
    Store,
    of_customer,
)
from nba_engine.domain.merging import merge_for
from nba_engine.errors import FailedPrecondition, InvalidRequest
from nba_engine.testing.customers_suite import FOLD, NOW, MakeStore, happened, state_of, update

MERGE = merge_for(
    {"visits": "sum", "pets": "union", "score": "max", "since": "min", "born": "first"},
    {
        "purchases": AggregateSpec(name="purchases", kind="count", types=("purchase",)),
        "categories": AggregateSpec(
            name="categories", kind="set", types=("purchase",), by="category"
        ),
    },
)


def link(
    store: Store, *identities: str, source: str = "", request_id: str = "", most: int = 50
) -> Linked:
    """Lead these identities to one customer."""
    request = LinkRequest(identities=identities, source=source, request_id=request_id, most=most)
    return store.link(request, MERGE, now=NOW)


def set_at(time: float, identity: str, **attributes: Any) -> ProfileUpdate:
    """Attributes set at a time."""
    return ProfileUpdate(identity=identity, attributes=attributes, time=time)


def said(identity: str, granted: bool, time: float, *, on: str = "m:email") -> ProfileUpdate:  # noqa: FBT001
    """A consent given or withdrawn."""
    consent = Consent(granted=granted, time=time, source="page")
    return ProfileUpdate(identity=identity, consents={on: consent})


def account_of(store: Store, identity: str) -> str:
    """The account of a customer for the limit ``cap``; an unknown one's bears the identity."""
    found = store.customer(identity)
    return of_customer("cap|customer=x|lifetime", "x", found[0].customer_id if found else identity)


def reserve(
    store: Store,
    number: int,
    identity: str,
    *,
    customer: str = "",
    ceiling: int = 3,
    rolls: float = 0.0,
    now: float = NOW,
) -> bool:
    """Reserve one contact for the customer as a decision read it; whether it was granted."""
    found = store.customer(identity)
    customer = customer or (found[0].customer_id if found else identity)
    account = of_customer("cap|customer=x|lifetime", "x", customer)
    hold = Hold(account=account, limit="cap", amount=1, ceiling=ceiling, rolls=rolls)
    shared = Hold(account="all|lifetime", limit="all", amount=1, ceiling=1_000)
    request = ReservationRequest(
        reservation_id=f"r{number}",
        decision_id="d",
        customer_id=customer,
        holds=(hold, shared),
        expires=now + 100,
    )
    return store.reserve([request], now=now)[0].granted


def told(store: Store, number: int, kind: str, *, now: float = NOW) -> str:
    """Tell what became of a recommendation; what became of its reservation."""
    item = happened(f"{kind}{number}", kind, recommendation=f"r{number}")
    return store.record([item], FOLD, now=now)[0].reservation


def used(store: Store, identity: str) -> tuple[int, int]:
    """(reserved, spent) of the customer's account."""
    name = account_of(store, identity)
    return next(
        ((one.reserved, one.spent) for one in store.usage_report("cap") if one.account == name),
        (0, 0),
    )


class IdentitiesSuite:
    """Links, merges, and what survives them."""

    def test_linked_identities_have_one_customer_the_one_known_longest(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update("crm:1", age=41), update("cookie:1", city="Bonn")])
        kept, gone = state_of(store, "crm:1"), state_of(store, "cookie:1")
        linked = link(store, "cookie:1", "crm:1")
        assert linked.state == state_of(store, "crm:1") == state_of(store, "cookie:1")
        assert linked.state.attributes == {"age": 41, "city": "Bonn"}
        assert linked.state.customer_id == kept.customer_id
        assert linked.merged == (gone.customer_id,)
        assert linked.identities == ("cookie:1", "crm:1")
        assert linked.state.version > max(kept.version, gone.version)

    def test_an_unknown_identity_becomes_that_of_the_customer(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update("crm:1", age=41)])
        before = state_of(store)
        assert link(store, "crm:1", "cookie:1", "mail:1").state == before
        assert state_of(store, "mail:1") == state_of(store, "cookie:1") == before

    def test_identities_that_are_all_unknown_become_a_new_customer(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        link(store, "crm:1", "cookie:1")
        assert state_of(store, "crm:1") == state_of(store, "cookie:1")

    def test_attributes_are_merged_by_their_rules(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update(
            [
                set_at(
                    5.0, "crm:1", visits=3, pets=["dog"], score=1.0, since=7, born="a", city="x"
                ),
                set_at(9.0, "c:1", visits=4, pets=["cat"], score=2.0, since=3, born="b", city="y"),
            ]
        )
        assert link(store, "crm:1", "c:1").state.attributes == {
            "visits": 7,
            "pets": ["cat", "dog"],
            "score": 2.0,
            "since": 3,
            "born": "a",
            "city": "y",
        }

    def test_an_attribute_that_was_set_again_later_is_the_latest(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([set_at(5.0, "crm:1", city="x"), set_at(9.0, "cookie:1", city="y")])
        store.update([set_at(11.0, "crm:1", city="x")])
        assert link(store, "crm:1", "cookie:1").state.attributes == {"city": "x"}

    def test_purchases_of_all_identities_count(self, make_store: MakeStore) -> None:
        store = make_store()
        store.record(
            [
                happened(1, identity="crm:1", category="milk"),
                happened(2, identity="cookie:1", category="wine"),
                happened(3, identity="cookie:1", category="milk"),
            ],
            FOLD,
            now=NOW,
        )
        link(store, "crm:1", "cookie:1")
        store.record([happened(4, identity="cookie:1", category="tea")], FOLD, now=NOW)
        aggregates = state_of(store, "crm:1").aggregates
        assert aggregates["purchases"] == 4
        assert sorted(aggregates["categories"]) == ["milk", "tea", "wine"]

    def test_a_repeated_interaction_counts_once_also_after_the_merge(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.record([happened(1), happened(2, identity="cookie:1")], FOLD, now=NOW)
        link(store, "crm:1", "cookie:1")
        store.record([happened(1), happened(2, identity="cookie:1")], FOLD, now=NOW)
        assert state_of(store).aggregates["purchases"] == 2

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    def test_links_in_any_order_give_the_same_customer(
        self, make_store: MakeStore, order: tuple[int, ...]
    ) -> None:
        store = make_store()
        for number in range(4):
            store.update(
                [
                    set_at(9.0 - number, f"x:{number}", city=f"c{number}", visits=number),
                    said(f"x:{number}", number != 2, float(number)),
                ]
            )
            reserve(store, number, f"x:{number}")
        pairs = [("x:0", "x:1"), ("x:2", "x:1"), ("x:3", "x:2")]
        for number in order:
            link(store, *pairs[number])
        state = state_of(store, "x:3")
        assert state.attributes == {"city": "c0", "visits": 6}
        assert state.consents == {"m:email": Consent(granted=False, time=2.0, source="page")}
        assert state.version == 4
        assert used(store, "x:2") == (4, 0)
        assert link(store, "x:0", "x:1", "x:2", "x:3").state == state

    def test_linking_again_changes_nothing(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update("crm:1", visits=3), update("cookie:1", visits=4)])
        link(store, "crm:1", "cookie:1")
        before = (store.customer("crm:1"), store.identities("crm:1"))
        assert link(store, "cookie:1", "crm:1").merged == ()
        assert (store.customer("crm:1"), store.identities("crm:1")) == before

    def test_the_repeat_of_a_link_has_no_second_effect(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update("crm:1", visits=3), update("cookie:1", visits=4)])
        first = link(store, "crm:1", "cookie:1", request_id="q1")
        again = link(store, "cookie:1", "crm:1", request_id="q1")
        assert again.state == first.state
        with pytest.raises(InvalidRequest) as refused:
            link(store, "crm:1", "crm:2", request_id="q1")
        assert refused.value.reason == "REQUEST_ID_REUSED"
        assert store.customer("crm:2") is None

    def test_too_many_identities_are_refused_and_nothing_is_changed(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([update("crm:1", a=1), update("crm:2", a=2), update("crm:3", a=3)])
        link(store, "crm:1", "crm:2", most=2)
        before = store.identities("crm:1")
        for more in (("crm:1", "crm:3"), ("crm:1", "crm:new")):
            with pytest.raises(FailedPrecondition) as refused:
                link(store, *more, most=2)
            assert refused.value.reason == "TOO_MANY_LINKS"
            assert refused.value.metadata == {"identities": "3", "max_links": "2"}
        assert store.identities("crm:1") == before
        assert state_of(store, "crm:3").attributes == {"a": 3}
        assert store.customer("crm:new") is None

    @pytest.mark.parametrize("bad", [(), ("crm:1",), ("crm:1", "crm:1"), ("crm:1", "")])
    def test_a_link_needs_two_identities(self, make_store: MakeStore, bad: tuple[str, ...]) -> None:
        store = make_store()
        with pytest.raises(InvalidRequest):
            link(store, *bad)
        assert store.customer("crm:1") is None

    def test_links_are_kept_with_time_and_source(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update("crm:1"), update("cookie:1")])
        gone = state_of(store, "cookie:1").customer_id
        link(store, "crm:1", "cookie:1", source="login")
        link(store, "cookie:1", "mail:1", source="newsletter")
        store.close()
        found = make_store().identities("mail:1")
        assert found is not None
        assert found.identities == ("cookie:1", "crm:1", "mail:1")
        assert [(one.time, one.source, one.identities, one.merged) for one in found.links] == [
            (NOW, "login", ("cookie:1", "crm:1"), (gone,)),
            (NOW, "newsletter", ("cookie:1", "mail:1"), ()),
        ]

    def test_nobody_has_no_identities(self, make_store: MakeStore) -> None:
        store = make_store()
        assert store.identities("crm:nobody") is None
        assert store.identities("crm:\ud800") is None

    @pytest.mark.parametrize("withdrawn", ["crm:1", "cookie:1"])
    @pytest.mark.parametrize("later", [True, False])
    def test_of_two_consents_the_stricter_counts(
        self,
        make_store: MakeStore,
        withdrawn: str,
        later: bool,  # noqa: FBT001
    ) -> None:
        store = make_store()
        for identity in ("crm:1", "cookie:1"):
            time = 9.0 if (identity == withdrawn) == later else 5.0
            store.update([said(identity, identity != withdrawn, time)])
        assert not link(store, "crm:1", "cookie:1").state.consents["m:email"].granted

    def test_a_withdrawal_for_all_channels_holds_against_a_consent_for_one(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([said("crm:1", True, 9.0), said("cookie:1", False, 5.0, on="m:*")])
        consents = link(store, "crm:1", "cookie:1").state.consents
        assert {word: one.granted for word, one in consents.items()} == {
            "m:*": False,
            "m:email": False,
        }

    def test_all_that_was_said_of_a_consent_is_kept(self, make_store: MakeStore) -> None:
        store = make_store()
        for granted, time in ((True, 5.0), (False, 9.0), (True, 7.0), (False, 9.0)):
            store.update([said("crm:1", granted, time)])
        store.update([said("cookie:1", True, 6.0)])
        store.update([said("cookie:1", True, 5.0)])  # word for word what crm:1 said
        link(store, "crm:1", "cookie:1")
        store.close()
        found = make_store().identities("crm:1")
        assert found is not None
        assert [(one.time, one.granted) for one in found.consents] == [
            (5.0, True),
            (6.0, True),
            (7.0, True),
            (9.0, False),
        ]
        assert found.consents[1] == ConsentChange(
            consent="m:email", granted=True, time=6.0, source="page", identity="cookie:1"
        )

    def test_the_repeat_of_an_update_may_bring_another_time(self, make_store: MakeStore) -> None:
        store = make_store()
        once = msgspec.structs.replace(set_at(5.0, "crm:1", age=1), request_id="q1")
        store.update([once])
        store.update([msgspec.structs.replace(once, time=9.0)])
        found = store.identities("crm:1")
        assert found is not None
        assert found.stamps == {"age": 5.0}

    def test_everything_that_is_kept_of_a_customer_can_be_read(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([set_at(5.0, "crm:1", age=41), update("crm:2")])
        mine = [happened(n, identity="cookie:1", category="milk") for n in range(2_300)]
        store.record([*mine, happened("x", identity="crm:2")], FOLD, now=NOW)
        for number, identity in enumerate(["crm:1", "cookie:1", "crm:2", "crm:1"]):
            reserve(store, number, identity)
        link(store, "crm:1", "cookie:1")
        assert told(store, 0, "impression") == "confirmed"
        found: list[Any] = []
        reservations: list[Any] = []
        after = 0
        while page := store.holdings("crm:1", after=after):
            found += page.interactions
            reservations += page.reservations
            after = page.more
            if not after:
                break
        impression = happened("impression0", "impression", recommendation="r0")
        assert found == [*mine, impression]
        account = account_of(store, "crm:1")
        assert [(one.reservation_id, one.status, one.holds) for one in reservations] == [
            ("r0", "confirmed", {account: 1, "all|lifetime": 1}),
            ("r1", "reserved", {account: 1, "all|lifetime": 1}),
            ("r3", "reserved", {account: 1, "all|lifetime": 1}),
        ]
        identities = store.identities("crm:1")
        assert identities is not None
        assert identities.stamps == {"age": 5.0}
        assert store.holdings("crm:nobody") is None
        assert store.holdings("crm:\ud800") is None

    def test_the_merge_is_handed_states_and_the_times_of_attributes(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([set_at(5.0, "crm:1", a=1, b=2), set_at(6.0, "cookie:1", a=3)])
        store.update([ProfileUpdate(identity="crm:1", remove=("b",), time=7.0)])
        seen: list[Any] = []

        def merge(one: Any, other: Any) -> Any:
            seen.append((dict(one.stamps), dict(other.stamps)))
            return msgspec.structs.replace(one, stamps={})

        store.link(LinkRequest(identities=("crm:1", "cookie:1")), merge, now=NOW)
        assert seen == [({"a": 5.0}, {"a": 6.0})]

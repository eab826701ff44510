"""What every `nba_engine.domain.Store` must do with customers and interactions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import pytest

from nba_engine.domain import (
    AggregateSpec,
    Consent,
    CustomerState,
    Interaction,
    ProfileUpdate,
    Store,
    Value,
)
from nba_engine.domain.algebra import fold_for
from nba_engine.errors import InvalidRequest

FOLD = fold_for(
    {
        "purchases": AggregateSpec(name="purchases", kind="count", types=("purchase",)),
        "categories": AggregateSpec(
            name="categories", kind="set", types=("purchase",), by="category"
        ),
    }
)
NOW = 1_000_000.0


class MakeStore(Protocol):
    """Opens the store of this test; a second call after `close` finds the same data."""

    def __call__(self, *, simulated: bool = True) -> Store: ...


def happened(
    number: int | str,
    kind: str = "purchase",
    *,
    identity: str = "crm:1",
    time: float = NOW,
    recommendation: str = "",
    **properties: Value,
) -> Interaction:
    """An interaction, by default a purchase of crm:1."""
    return Interaction(
        interaction_id=f"i{number}" if number != "" else "",
        identity=identity,
        type=kind,
        time=time,
        properties=properties,
        recommendation_id=recommendation,
    )


def update(identity: str = "crm:1", **attributes: Value) -> ProfileUpdate:
    """Attributes for one customer."""
    return ProfileUpdate(identity=identity, attributes=attributes)


def state_of(store: Store, identity: str = "crm:1") -> CustomerState:
    """The state of a customer who is there."""
    found = store.customer(identity)
    assert found is not None, identity
    return found[0]


def statuses(store: Store, interactions: Sequence[Interaction], *, now: float = NOW) -> list[str]:
    """Record these; what became of each."""
    return [result.status for result in store.record(interactions, FOLD, now=now)]


class CustomersSuite:
    """Customers and interactions; the ledger's part is in `ledger_suite`."""

    def test_an_unknown_identity_has_no_customer(self, make_store: MakeStore) -> None:
        store = make_store()
        assert store.customer("crm:nobody") is None
        assert store.customer("crm:\ud800") is None

    def test_an_update_creates_the_customer_and_returns_its_state(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        (state,) = store.update([update(age=41, city="Köln")])
        assert state.attributes == {"age": 41, "city": "Köln"}
        assert state.version == 1
        assert state_of(store) == state

    def test_the_bytes_of_a_customer_are_its_state_in_msgpack(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update(age=41, scores=[1.5, 2.5], by_day={"mon": 3})])
        store.record([happened(1, category="milk")], FOLD, now=NOW)
        found = store.customer("crm:1")
        assert found is not None
        assert msgspec.msgpack.decode(found[1], type=CustomerState) == found[0]

    def test_the_version_rises_with_every_commit_that_changes_something(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        for changed in (update(age=1), update(age=1), update(age=2)):
            store.update([changed])
        store.record([happened(1), happened(2)], FOLD, now=NOW)
        store.record([happened(1)], FOLD, now=NOW)
        store.record([happened(3, "view")], FOLD, now=NOW)  # which no aggregate counts
        assert state_of(store).version == 3

    def test_an_update_keeps_what_it_does_not_name(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update(age=41, city="Bonn", pets=["cat"])])
        store.update(
            [ProfileUpdate(identity="crm:1", attributes={"age": 42}, remove=("pets", "none"))]
        )
        assert state_of(store).attributes == {"age": 42, "city": "Bonn"}

    def test_what_is_meant_for_a_certain_customer_changes_and_creates_nobody_else(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        mine, other = store.update([update(age=41), update("crm:2", age=7)])
        meant = [
            ProfileUpdate(identity=identity, attributes={"age": 50}, customer_id=mine.customer_id)
            for identity in ("crm:1", "crm:2", "crm:3")
        ]
        changed, left, nobody = store.update(meant)
        assert changed.attributes == state_of(store).attributes == {"age": 50}
        assert left == state_of(store, "crm:2") == other
        assert (nobody.customer_id, store.customer("crm:3")) == ("", None)
        assert store.count_customers() == 2

    def test_null_attributes_are_dropped(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update(age=41)])
        store.update([update(age=None, city=None)])
        assert state_of(store).attributes == {"age": 41}

    def test_several_updates_of_one_customer_apply_in_their_order(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        first, other, last = store.update([update(a=1, b=1), update("crm:2"), update(b=2)])
        assert (first.attributes, last.attributes) == ({"a": 1, "b": 1}, {"a": 1, "b": 2})
        assert first.customer_id == last.customer_id != other.customer_id

    def test_of_two_consents_the_later_counts(self, make_store: MakeStore) -> None:
        store = make_store()
        key = "marketing:email"
        for granted, time in ((True, 5.0), (False, 9.0), (True, 7.0)):
            store.update(
                [
                    ProfileUpdate(
                        identity="crm:1", consents={key: Consent(granted=granted, time=time)}
                    )
                ]
            )
        assert state_of(store).consents == {key: Consent(granted=False, time=9.0)}

    @pytest.mark.parametrize("order", [(True, False), (False, True)])
    def test_at_the_same_time_the_withdrawal_of_consent_counts(
        self, make_store: MakeStore, order: tuple[bool, bool]
    ) -> None:
        store = make_store()
        for granted in order:
            consent = Consent(granted=granted, time=5.0)
            store.update([ProfileUpdate(identity="crm:1", consents={"m:e": consent})])
        assert not state_of(store).consents["m:e"].granted

    def test_a_repeated_update_has_no_second_effect(self, make_store: MakeStore) -> None:
        store = make_store()
        once = ProfileUpdate(identity="crm:1", attributes={"age": 1}, request_id="r1")
        store.update([once])
        store.update([update(age=2)])
        (repeated,) = store.update([once])
        assert repeated == state_of(store)
        assert repeated.attributes == {"age": 2}

    def test_a_request_id_with_another_body_is_refused_and_changes_nothing(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.update([ProfileUpdate(identity="crm:1", attributes={"age": 1}, request_id="r1")])
        other = ProfileUpdate(identity="crm:1", attributes={"age": 2}, request_id="r1")
        with pytest.raises(InvalidRequest) as refused:
            store.update([update("crm:2"), other])
        assert refused.value.violations[0].field == "updates[1].request_id"
        assert store.customer("crm:2") is None
        assert state_of(store).attributes == {"age": 1}

    @pytest.mark.parametrize(
        ("bad", "field"),
        [
            (update(""), "updates[1].identity"),
            (update("crm:\ud800"), "updates[1].identity"),
            (update(age=object()), "updates[1].attributes"),
            (ProfileUpdate(identity="crm:1", request_id="\ud800"), "updates[1].request_id"),
            (update(age=2**70), "updates[1].attributes"),
            (
                ProfileUpdate(identity="x", consents={"m:e": Consent(granted=True, time=math.nan)}),
                "updates[1].consents[m:e].time",
            ),
        ],
    )
    def test_an_update_that_cannot_be_stored_is_named_and_nothing_is_written(
        self, make_store: MakeStore, bad: ProfileUpdate, field: str
    ) -> None:
        store = make_store()
        with pytest.raises(InvalidRequest) as refused:
            store.update([update("crm:ok"), bad])
        assert [violation.field for violation in refused.value.violations] == [field]
        assert store.customer("crm:ok") is None

    def test_recording_is_seen_by_the_next_read(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update(age=1)])
        store.record([happened(1, category="milk")], FOLD, now=NOW)
        state = state_of(store)
        assert state.attributes == {"age": 1}
        assert state.aggregates["purchases"] == 1
        assert list(state.aggregates["categories"]) == ["milk"]

    def test_an_interaction_of_an_unknown_identity_makes_a_customer(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        store.record([happened(1, "view", identity="cookie:9f")], FOLD, now=NOW)
        assert state_of(store, "cookie:9f").version == 1

    def test_a_repeated_interaction_has_no_second_effect(self, make_store: MakeStore) -> None:
        store = make_store()
        assert statuses(store, [happened(1), happened(2), happened(1)]) == [
            "recorded",
            "recorded",
            "duplicate",
        ]
        assert statuses(store, [happened(2), happened(3)]) == ["duplicate", "recorded"]
        assert state_of(store).aggregates["purchases"] == 3

    def test_days_of_purchases_are_kept_to_the_bit(self, make_store: MakeStore) -> None:
        spec = AggregateSpec(name="days", kind="days", types=("purchase",), property="amount")
        fold = fold_for({"days": spec})
        items = [happened(n, time=NOW + 86_400.0 * 7 * n, amount=0.1 * n) for n in range(60)]
        store = make_store()
        store.record(items[30:], fold, now=NOW)
        store.record([*items[:30], items[45]], fold, now=NOW)
        assert state_of(store).aggregates == fold({}, items)

    def test_a_repeat_under_another_identity_makes_no_customer(self, make_store: MakeStore) -> None:
        store = make_store()
        store.record([happened(1)], FOLD, now=NOW)
        assert statuses(store, [happened(1, identity="crm:2")]) == ["duplicate"]
        assert store.customer("crm:2") is None

    def test_a_malformed_item_is_rejected_by_itself(self, make_store: MakeStore) -> None:
        store = make_store()
        bad: list[Interaction] = [
            happened(""),
            happened("x1", identity=""),
            happened("x2", ""),
            happened("x3", time=math.nan),
            happened("x4", time=-math.inf),
            happened("x5", identity="crm:\ud800"),
            happened("x6", amount=2**70),
            happened("x7", amount=object()),
            happened("x8", recommendation="\ud800"),
        ]
        results = store.record([happened(1), *bad, happened(2)], FOLD, now=NOW)
        assert [result.status for result in results] == [
            "recorded",
            *["rejected"] * len(bad),
            "recorded",
        ]
        assert all(result.message for result in results if result.status == "rejected")
        assert [result.interaction_id for result in results[1:-1]] == [
            item.interaction_id for item in bad
        ]
        assert state_of(store).aggregates["purchases"] == 2

    def test_a_rejected_item_can_be_recorded_once_it_is_mended(self, make_store: MakeStore) -> None:
        store = make_store()
        assert statuses(store, [happened(1, time=math.inf)]) == ["rejected"]
        assert statuses(store, [happened(1)]) == ["recorded"]

    def test_a_real_store_rejects_what_lies_days_ahead(self, make_store: MakeStore) -> None:
        store = make_store(simulated=False)
        day = 86_400.0
        ahead = [happened(1, time=NOW + day), happened(2, time=NOW + 1.1 * day)]
        assert statuses(store, ahead) == ["recorded", "rejected"]

    def test_null_properties_are_dropped(self, make_store: MakeStore) -> None:
        store = make_store()
        seen: list[dict[str, Value]] = []

        def fold(states: Any, interactions: Sequence[Interaction]) -> dict[str, object]:
            seen.extend(one.properties for one in interactions)
            return dict(states)

        store.record([happened(1, category=None, shop="a")], fold, now=NOW)
        assert seen == [{"shop": "a"}]

    def test_a_fold_that_raises_leaves_no_trace(self, make_store: MakeStore) -> None:
        store = make_store()

        def broken(states: Any, interactions: Sequence[Interaction]) -> dict[str, object]:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.record([happened(1, identity="crm:new")], broken, now=NOW)
        assert store.customer("crm:new") is None
        assert statuses(store, [happened(1, identity="crm:new")]) == ["recorded"]

    def test_interactions_of_many_customers_fold_into_each(self, make_store: MakeStore) -> None:
        store = make_store()
        store.record([happened(n, identity=f"crm:{n % 7}") for n in range(100)], FOLD, now=NOW)
        counts = [state_of(store, f"crm:{n}").aggregates["purchases"] for n in range(7)]
        assert counts == [15, 15, 14, 14, 14, 14, 14]

    def test_empty_calls_do_nothing(self, make_store: MakeStore) -> None:
        store = make_store()
        assert list(store.update([])) == []
        assert list(store.record([], FOLD, now=NOW)) == []
        assert list(store.reserve([], now=NOW)) == []
        assert dict(store.usage([])) == {}

    def test_bulk_writes_profiles_interactions_and_progress_together(
        self, make_store: MakeStore
    ) -> None:
        store = make_store()
        results = store.bulk(
            updates=[update(age=41), update("crm:2", age=5)],
            interactions=[happened(1), happened(2), happened(1)],
            fold=FOLD,
            now=NOW,
            progress=("purchases.csv", "row 3"),
        )
        assert [result.status for result in results] == ["recorded", "recorded", "duplicate"]
        state = state_of(store)
        assert (state.version, state.attributes, state.aggregates) == (
            1,
            {"age": 41},
            {"purchases": 2},
        )
        assert store.progress("purchases.csv") == "row 3"

    def test_a_bulk_load_that_fails_notes_no_progress(self, make_store: MakeStore) -> None:
        store = make_store()
        store.bulk(now=NOW, progress=("file", "row 1"))

        def broken(states: object, interactions: object) -> dict[str, object]:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.bulk(
                interactions=[happened(1)],
                fold=broken,
                now=NOW,
                progress=("file", "row 2"),
            )
        assert store.progress("file") == "row 1"

    def test_progress_is_there_after_a_restart(self, make_store: MakeStore) -> None:
        store = make_store()
        assert store.progress("file") is None
        store.bulk(updates=[update(age=1)], now=NOW, progress=("file", "row 1"))
        store.close()
        assert make_store().progress("file") == "row 1"

    def test_everything_is_there_after_a_restart(self, make_store: MakeStore) -> None:
        store = make_store()
        store.update([update(age=41)])
        store.record([happened(1, category="milk")], FOLD, now=NOW)
        before = store.customer("crm:1")
        store.close()
        store = make_store()
        assert store.customer("crm:1") == before
        assert statuses(store, [happened(1)]) == ["duplicate"]

    def test_a_store_remembers_whether_it_is_simulated(self, make_store: MakeStore) -> None:
        assert make_store(simulated=True).simulated

    def test_a_real_store_is_not_simulated(self, make_store: MakeStore) -> None:
        assert not make_store(simulated=False).simulated

    def test_closing_twice_is_allowed(self, make_store: MakeStore) -> None:
        store = make_store()
        store.close()
        store.close()

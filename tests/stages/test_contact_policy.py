from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba_engine.domain import Consent, ControlGroup, CustomerState, Deciding
from nba_engine.stages.contact_policy.contact_policy import ContactPolicy, ContactPolicySettings
from nba_engine.stages.contact_policy.control import in_control_group
from tests.stages.making import (
    NOW,
    Ledger,
    Materials,
    catalog,
    customer,
    deciding,
    dropped,
    run,
    sentence,
    surviving,
)

ACTIONS = "\n".join(
    f'[actions.{name}]\ncampaign = "{name}"\npause_after_reject = "1d"\n'
    'treatments.app = { channel = "app" }\n'
    'treatments.email = { channel = "email", cost = 0.4 }'
    for name in ("a", "b")
)
WEEK = "2017-11-06"


def policy(made: Deciding) -> ContactPolicy:
    return ContactPolicy(ContactPolicySettings(), Materials(made.catalog))


def limit(**fields: object) -> str:
    lines = {"scope": [], "measure": "contacts", "amount": 1, "window": "week", **fields}
    return "[limits.one]\n" + "\n".join(
        f"{name} = {value!r}" for name, value in lines.items() if name != "applies_to"
    )


@given(st.integers())
def test_the_share_of_the_control_group_is_all_or_nobody_at_the_ends(number: int) -> None:
    assert not in_control_group(ControlGroup(share=0.0), f"crm:{number}")
    assert in_control_group(ControlGroup(share=1.0), f"crm:{number}")


def test_the_control_group_has_its_share_is_stable_and_depends_on_the_salt() -> None:
    customers = [f"crm:{number}" for number in range(4000)]
    group = ControlGroup(share=0.1, salt="2017")
    inside = [one for one in customers if in_control_group(group, one)]
    assert 320 < len(inside) < 480
    assert inside == [one for one in customers if in_control_group(group, one)]
    larger = ControlGroup(share=0.2, salt="2017")
    assert all(in_control_group(larger, one) for one in inside)
    other = ControlGroup(share=0.1, salt="2018")
    assert sum(in_control_group(other, one) for one in inside) < len(inside) / 2


@pytest.mark.parametrize(
    ("consents", "allowed"),
    [
        ({}, False),
        ({"marketing:email": True}, True),
        ({"marketing:*": True}, True),
        ({"marketing:*": True, "marketing:email": False}, False),
        ({"marketing:email": False}, False),
        ({"service:email": True}, False),
        ({"marketing:app": True}, False),
    ],
)
def test_consent_is_for_a_purpose_and_a_channel(consents: dict[str, bool], allowed: bool) -> None:
    state = CustomerState(
        customer_id="crm:1",
        consents={word: Consent(granted=granted, time=0.0) for word, granted in consents.items()},
    )
    made = deciding(catalog(ACTIONS), "newsletter", "banner", state=state)
    run(policy(made), made)
    assert ("a.email" in surviving(made)) == allowed
    assert "a.app" in surviving(made)
    assert "nothing.email" in surviving(made)


def test_usage_is_read_once_for_all_limits_and_kept_for_the_log() -> None:
    more = limit() + "\n[limits.two]\nmeasure = 'money'\namount = 5\nwindow = 'lifetime'"
    ledger = Ledger(used={f"one|{WEEK}": 0})
    made = deciding(
        catalog(ACTIONS, more), "newsletter", state=customer("marketing:email"), reads=ledger
    )
    run(policy(made), made)
    assert ledger.asked == [(f"one|{WEEK}", "two|lifetime")]
    assert made.usage == {f"one|{WEEK}": 0, "two|lifetime": 0}


def test_accounts_that_no_surviving_candidate_draws_on_are_not_read() -> None:
    ledger = Ledger()
    shop = catalog(ACTIONS, limit() + '\napplies_to = { channels = ["email"] }')
    made = deciding(shop, "newsletter", "banner", reads=ledger)  # no consent to e-mail
    run(policy(made), made)
    assert ledger.asked == []
    made = deciding(shop, "banner", reads=ledger)
    run(policy(made), made)
    assert ledger.asked == []


@pytest.mark.parametrize(
    ("scope", "account"),
    [
        ([], f"one|{WEEK}"),
        (["customer"], f"one|customer=crm:1|{WEEK}"),
        (["campaign"], f"one|campaign=a|{WEEK}"),
        (["channel"], f"one|channel=app|{WEEK}"),
        (["action"], f"one|action=a|{WEEK}"),
        (["campaign", "customer"], f"one|campaign=a|customer=crm:1|{WEEK}"),
    ],
)
def test_a_full_account_drops_those_who_draw_on_it(scope: list[str], account: str) -> None:
    made = deciding(catalog(ACTIONS, limit(scope=scope)), reads=Ledger(used={account: 1}))
    run(policy(made), made)
    assert dropped(made)["a.app"] == "limit_exhausted"
    shared = "campaign" not in scope and "action" not in scope
    assert ("b.app" in dropped(made)) == shared


def test_names_with_the_separator_cannot_forge_an_account() -> None:
    state = CustomerState(customer_id="crm:1|2017-11-06%")
    made = deciding(catalog(ACTIONS, limit(scope=["customer"])), state=state)
    run(policy(made), made)
    assert list(made.usage) == [f"one|customer=crm:1%7C2017-11-06%25|{WEEK}"]


@pytest.mark.parametrize(("used", "fits"), [(0, True), (600_000, True), (600_001, False)])
def test_money_fits_up_to_the_last_micro(used: int, fits: bool) -> None:
    shop = catalog(ACTIONS, limit(measure="money", amount=1.0))
    made = deciding(
        shop,
        "newsletter",
        state=customer("marketing:email"),
        reads=Ledger(used={f"one|{WEEK}": used}),
    )
    run(policy(made), made)
    assert ("a.email" in surviving(made)) == fits


def test_a_rejected_action_pauses_and_only_that_one() -> None:
    state = customer(aggregates={"rejected_at": {"a": NOW - 3600.0, "b": NOW - 2 * 86_400.0}})
    made = deciding(catalog(ACTIONS), state=state)
    stage = policy(made)
    run(stage, made)
    assert dropped(made) == {"a.app": "paused_after_reject"}
    text, (change,) = sentence(stage, made, "a.app")
    assert "rejected it at 09:00 on 6 November 2017" in text
    assert change.value == NOW - 3600.0 + 86_400.0
    later = run(stage, deciding(made.catalog, state=state, now=change.value))
    assert "a.app" in surviving(later)


def test_nobody_in_the_control_group_is_asked_about_limits() -> None:
    ledger = Ledger()
    made = deciding(catalog(ACTIONS, limit(), "[control_group]\nshare = 1.0"), reads=ledger)
    run(policy(made), made)
    assert surviving(made) == ["nothing.app"]
    assert ledger.asked == []


DAIRY = '[control_groups.dairy]\nshare = 0.3\napplies_to = { actions = ["a"] }'


def test_a_control_group_of_some_actions_keeps_its_customers_from_these_alone() -> None:
    world = catalog(ACTIONS, DAIRY)
    held_back = 0
    for number in range(200):
        made = deciding(world, state=CustomerState(customer_id=f"crm:{number}"))
        run(policy(made), made)
        if made.control_groups == ("dairy",):
            held_back += 1
            assert dropped(made)["a.app"] == "control_group:dairy"
            assert "b.app" in surviving(made)
        else:
            assert made.control_groups == ()
            assert "a.app" in surviving(made)
    assert 40 < held_back < 80


def test_groups_with_salts_of_their_own_are_independent_and_the_id_is_the_salt() -> None:
    both = catalog(ACTIONS, DAIRY, DAIRY.replace("dairy", "other").replace('"a"', '"b"'))
    ids = [f"crm:{number}" for number in range(2000)]
    first, second = both.control_groups
    one = {c for c in ids if in_control_group(first, c)}
    two = {c for c in ids if in_control_group(second, c)}
    assert abs(len(one & two) - 180) < 60  # 0.3 × 0.3
    assert (first.salt, second.salt) == ("dairy", "other")


def test_leaving_the_group_is_the_change_that_an_explanation_names() -> None:
    made = deciding(catalog(ACTIONS, DAIRY.replace("0.3", "1.0")))
    stage = policy(made)
    run(stage, made)
    text, changes = sentence(stage, made, "a.app")
    assert "belongs to the control group “dairy” (100.0% of all), which never gets it" in text
    assert [(change.kind, change.target) for change in changes] == [("control_group", "dairy")]
    free = made.catalog.changed(without_control=["dairy"])
    again = deciding(free)
    run(policy(again), again)
    assert "a.app" in surviving(again)

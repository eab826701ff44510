"""A decision for any identity of a merged customer sees all that is known of all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.domain import Consent, Interaction, LinkRequest, ProfileUpdate
from nba_engine.engine import Engine
from nba_engine.engine.limits import usage_of_customer
from nba_engine.errors import FailedPrecondition, InvalidRequest, NotFound
from tests.engine.world import DAY, NOON, ask, shop

BOTH = ("crm:1", "cookie:1")


def link(engine: Engine, *identities: str) -> None:
    engine.link_identities(LinkRequest(identities=identities or BOTH, source="login"))


def bought(number: int, identity: str, category: str) -> Interaction:
    return Interaction(
        interaction_id=f"p{number}",
        identity=identity,
        type="purchase",
        time=NOON - DAY,
        properties={"category": category},
    )


def offered(engine: Engine, identity: str, place: str = "banner") -> set[str]:
    decision = engine.decide(ask(identity, place))
    return {one.action for one in decision.recommendations}


def test_purchases_of_all_identities_keep_offers_back_for_any(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        engine.record([bought(1, "cookie:1", "MILK")])
        assert "milk" in offered(engine, "crm:1")
        link(engine)
        for identity in BOTH:
            assert "milk" not in offered(engine, identity)


def test_limits_used_by_one_identity_are_used_for_all(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        consent = {"marketing:email": Consent(granted=True, time=NOON - DAY)}
        update = ProfileUpdate(
            identity="cookie:1", attributes={"first_name": "Ada"}, consents=consent
        )
        engine.update_profile(update)
        mails = [offered(engine, identity, "newsletter") for identity in BOTH]
        assert all(mails)  # one e-mail a week, each
        link(engine)
        for identity in BOTH:
            decision = engine.decide(ask(identity, "newsletter"))
            assert {one.action for one in decision.recommendations} == {"nothing"}
            assert decision.dropped["contact_policy/limit_exhausted"] > 0


def test_an_overhang_by_a_merge_is_reported(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        consent = {"marketing:email": Consent(granted=True, time=NOON - DAY)}
        update = ProfileUpdate(
            identity="cookie:1", attributes={"first_name": "Ada"}, consents=consent
        )
        engine.update_profile(update)
        for identity in BOTH:
            assert offered(engine, identity, "newsletter") != {"nothing"}
        link(engine)
        (found,) = usage_of_customer(
            engine.catalog,
            0,
            engine.store,
            engine.profile("cookie:1").customer_id,
            now=NOON,
            after="",
            most=10,
        )
        assert (found.usage.reserved, found.usage.ceiling) == (2, 1)
        assert list(engine.store.usage_report("email_week")) == [found.usage]


def test_a_withdrawal_by_one_identity_holds_for_all(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        consent = {"marketing:email": Consent(granted=False, time=NOON - 2 * DAY)}
        engine.update_profile(ProfileUpdate(identity="cookie:1", consents=consent))
        assert offered(engine, "crm:1", "newsletter") != {"nothing"}
        link(engine)
        assert offered(engine, "crm:1", "newsletter") == {"nothing"}


def test_a_value_that_was_set_later_is_the_latest_whoever_came_first(tmp_path: Path) -> None:
    moments = iter(range(100))
    with shop(tmp_path, clock=lambda: NOON + next(moments)) as engine:
        for identity, age in (("cookie:1", 20), ("crm:9", 30), ("crm:1", 41), ("cookie:1", 42)):
            engine.update_profile(ProfileUpdate(identity=identity, attributes={"age": age}))
        engine.load(updates=[ProfileUpdate(identity="crm:9", attributes={"age": 43})])
        link(engine)
        assert engine.profile("crm:1").attributes["age"] == 42
        link(engine, "crm:9", "crm:1")
        assert engine.profile("cookie:1").attributes["age"] == 43


def test_identities_tell_of_links_and_consents(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        link(engine)
        found = engine.identities("cookie:1")
        assert found.identities == ("cookie:1", "crm:1")
        assert [(one.time, one.source) for one in found.links] == [(NOON, "login")]
        assert [(one.consent, one.time) for one in found.consents] == [
            ("marketing:email", NOON - DAY)
        ]
        with pytest.raises(NotFound):
            engine.identities("crm:nobody")
        with pytest.raises(InvalidRequest):
            engine.identities("")


def test_the_settings_say_how_many_identities_are_too_many(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        limited = Engine(engine._snapshot, engine.store, engine.log, max_links=2)
        link(limited)
        with pytest.raises(FailedPrecondition) as refused:
            link(limited, "crm:1", "cookie:2")
        assert refused.value.reason == "TOO_MANY_LINKS"


def test_every_wrong_field_of_a_link_is_named(tmp_path: Path) -> None:
    wrong = LinkRequest(identities=("", "crm:1"), source="\n")
    with shop(tmp_path) as engine, pytest.raises(InvalidRequest) as refused:
        engine.link_identities(wrong)
    assert [v.field for v in refused.value.violations] == ["identities[0]", "source"]

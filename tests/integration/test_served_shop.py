"""The real engine behind the real server, as `nba serve` starts it."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1.catalog_service_pb2 import (
    GetCatalogRequest,
    ListActionsRequest,
    ValidateCatalogRequest,
)
from nba_engine._gen.nba.v1.catalog_service_pb2_grpc import CatalogServiceStub
from nba_engine._gen.nba.v1.decision_pb2 import Decision
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.interaction_pb2 import (
    INTERACTION_STATUS_DUPLICATE,
    INTERACTION_STATUS_RECORDED,
    RESERVATION_EFFECT_CONFIRMED,
    Interaction,
)
from nba_engine._gen.nba.v1.interaction_service_pb2 import RecordInteractionsRequest
from nba_engine._gen.nba.v1.interaction_service_pb2_grpc import InteractionServiceStub
from nba_engine._gen.nba.v1.profile_pb2 import Consent, Profile
from nba_engine._gen.nba.v1.profile_service_pb2 import GetProfileRequest, UpdateProfileRequest
from nba_engine._gen.nba.v1.profile_service_pb2_grpc import ProfileServiceStub
from nba_engine._gen.nba.v1.value_pb2 import ListValue, Value
from tests.integration.shop import Shop, serving_shop
from tests.server.small import Details


class Client:
    """All stubs over one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.decisions = DecisionServiceStub(channel)
        self.interactions = InteractionServiceStub(channel)
        self.profiles = ProfileServiceStub(channel)
        self.catalogs = CatalogServiceStub(channel)

    def decide(self, identity: str, *placements: str, **more: Any) -> Decision:
        wanted = [decisions.PlacementRequest(placement=name) for name in placements]
        request = decisions.DecideRequest(
            identity=identity, placements=wanted, include_funnel=True, **more
        )
        return self.decisions.Decide(request).decision

    def happened(self, number: str, identity: str, kind: str, **fields: Any) -> tuple[int, int]:
        moment = Timestamp()
        moment.GetCurrentTime()
        interaction = Interaction(
            interaction_id=number, identity=identity, type=kind, interaction_time=moment, **fields
        )
        (result,) = self.interactions.RecordInteractions(
            RecordInteractionsRequest(interactions=[interaction])
        ).results
        return result.status, result.reservation

    def adult(self, identity: str) -> None:
        self.profiles.UpdateProfile(
            UpdateProfileRequest(
                identity=identity,
                profile=Profile(
                    attributes={
                        "age": Value(int_value=44),
                        "illness": Value(string_value="migraine"),
                    },
                    consents=[Consent(purpose="marketing", channel="email", granted=True)],
                ),
            )
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serving_shop(tmp_path_factory.mktemp("shop")) as one:
        yield one


@pytest.fixture(scope="module")
def client(shop: Shop) -> Iterator[Client]:
    with grpc.insecure_channel(shop.address) as channel:
        yield Client(channel)


def actions(decision: Decision, placement: str) -> list[str]:
    return [r.action for r in decision.recommendations if r.placement == placement]


def test_somebody_unknown_gets_what_needs_no_profile(client: Client) -> None:
    decision = client.decide("cookie:1", "banner", "newsletter")
    assert not decision.known
    assert actions(decision, "banner") == ["milk", "bread"]
    assert actions(decision, "newsletter") == ["nothing"]
    dropped = sum(count.candidate_count for count in decision.funnel)
    assert decision.candidate_count == 8 == dropped + len(decision.recommendations)
    assert decision.recommendations[0].content["text"] == "Milk today"
    assert dict(decision.model_versions) == {"propensity": "made-up"}
    assert decision.currency_code == "EUR"
    assert list(decision.degraded_stages) == []


def test_a_profile_and_a_consent_open_what_was_closed(client: Client) -> None:
    client.adult("crm:1")
    decision = client.decide("crm:1", "banner", "newsletter")
    assert decision.known
    assert actions(decision, "banner")[0] == "wine"
    assert len(actions(decision, "newsletter")) == 1  # one mail a week
    assert not set(actions(decision, "newsletter")) & set(actions(decision, "banner"))


def test_the_next_decision_sees_what_was_just_bought(client: Client) -> None:
    client.adult("crm:2")
    assert "milk" in actions(client.decide("crm:2", "banner"), "banner")
    milk = {"category": Value(string_value="MILK")}
    first = client.happened("buy-1", "crm:2", "purchase", properties=milk)
    again = client.happened("buy-1", "crm:2", "purchase", properties=milk)
    assert (first[0], again[0]) == (INTERACTION_STATUS_RECORDED, INTERACTION_STATUS_DUPLICATE)
    assert "milk" not in actions(client.decide("crm:2", "banner"), "banner")
    profile = client.profiles.GetProfile(GetProfileRequest(identity="crm:2")).profile
    assert profile.aggregates["purchases"].map_value.values["MILK"].int_value == 1
    assert profile.aggregates["last_purchase"].HasField("timestamp_value")


def test_a_mail_that_went_out_uses_up_the_week(client: Client) -> None:
    client.adult("crm:3")
    (mail,) = client.decide("crm:3", "newsletter").recommendations
    assert mail.HasField("expire_time")
    told = client.happened("sent-1", "crm:3", "delivery", recommendation_id=mail.recommendation_id)
    assert told == (INTERACTION_STATUS_RECORDED, RESERVATION_EFFECT_CONFIRMED)
    decision = client.decide("crm:3", "newsletter")
    assert actions(decision, "newsletter") == ["nothing"]
    assert "limit_exhausted" in {count.reason for count in decision.funnel}


def test_a_decision_is_explained(client: Client) -> None:
    decision = client.decide("cookie:2", "banner")
    answer = client.decisions.ExplainDecision(
        decisions.ExplainDecisionRequest(decision_id=decision.decision_id)
    )
    assert answer.decision == decision
    assert len(answer.candidates) == decision.candidate_count
    (wine,) = [trace for trace in answer.candidates if trace.action == "wine"]
    assert (wine.stage, wine.reason) == ("eligibility", "not_eligible")
    assert "age" in wine.text
    assert answer.sentences
    of_wine = client.decisions.ExplainDecision(
        decisions.ExplainDecisionRequest(
            decision_id=decision.decision_id, treatments=[wine.treatment]
        )
    )
    assert list(of_wine.candidates) == [wine]
    assert of_wine.sentences == answer.sentences


def test_a_cart_in_the_context_is_looked_at(client: Client) -> None:
    cart = Value(list_value=ListValue(values=[Value(string_value="BREAD")]))
    assert actions(client.decide("cookie:3", "banner", context={"cart": cart}), "banner") == [
        "milk"
    ]


def test_the_catalog_is_shown_and_others_are_checked(client: Client, shop: Shop) -> None:
    answer = client.catalogs.GetCatalog(GetCatalogRequest())
    assert answer.catalog.action_count == 4
    listed = client.catalogs.ListActions(ListActionsRequest()).actions
    assert {action.id for action in listed} == {"milk", "bread", "wine", "nothing"}
    text = (shop.folder / "catalog" / "shop.toml").read_text("utf-8")
    validate = client.catalogs.ValidateCatalog
    assert not validate(ValidateCatalogRequest(files={"shop.toml": text})).mistakes
    broken = text.replace("customer.age", "customer.agge")
    (mistake,) = validate(ValidateCatalogRequest(files={"shop.toml": broken})).mistakes
    assert mistake.file.startswith("shop.toml")
    assert "agge" in mistake.message


@pytest.mark.parametrize(
    ("reason", "call"),
    [
        ("INVALID_REQUEST", lambda c: c.decide("42", "attic")),
        ("TIME_NOT_ALLOWED", lambda c: c.decide("crm:1", "banner", seed=1)),
        ("CUSTOMER_NOT_FOUND", lambda c: c.profiles.GetProfile(GetProfileRequest(identity="a:b"))),
        (
            "DECISION_NOT_FOUND",
            lambda c: c.decisions.ExplainDecision(
                decisions.ExplainDecisionRequest(decision_id="never")
            ),
        ),
    ],
)
def test_a_wrong_call_gets_its_reason(client: Client, reason: str, call: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(client)
    assert Details(caught.value).reason == reason


def test_a_store_that_cannot_be_written_is_unavailable_and_told_in_no_drivers_words(
    tmp_path: Path,
) -> None:
    with serving_shop(tmp_path) as shop, grpc.insecure_channel(shop.address) as channel:
        client = Client(channel)
        client.adult("crm:1")
        blocker = sqlite3.connect(tmp_path / "data" / "nba.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")  # as a backup that never ends would
        with pytest.raises(grpc.RpcError) as caught:
            client.adult("crm:1")
        blocker.execute("ROLLBACK")
        blocker.close()
        found = Details(caught.value)
        client.adult("crm:1")
    assert (found.reason, found.code) == ("UNAVAILABLE", grpc.StatusCode.UNAVAILABLE)
    assert found.retry is not None
    assert "SQL" not in (found.message or "")


def test_sigterm_ends_a_served_shop_in_order_and_the_log_tells_no_secret(tmp_path: Path) -> None:
    with serving_shop(tmp_path) as shop, grpc.insecure_channel(shop.address) as channel:
        client = Client(channel)
        client.adult("crm:1")
        decision_id = client.decide("crm:1", "banner").decision_id
        shop.process.send_signal(signal.SIGTERM)
        assert shop.process.wait() == 0
        lines = [shop.line() for _ in range(3)]
    assert [line["event"] for line in lines] == ["decision", "stopping", "stopped"]
    assert lines[0]["decision_id"] == decision_id
    assert "migraine" not in repr(lines)
    with sqlite3.connect(tmp_path / "data" / "decisions.db") as log:
        tables = [name for (name,) in log.execute("SELECT name FROM sqlite_master")]
    log.close()
    assert tables


def test_a_broken_catalog_stops_the_start_with_exit_code_78(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ended with 78"):  # noqa: SIM117 - what raises
        with serving_shop(tmp_path, NBA_SERVER__THREADS="none"):
            pass

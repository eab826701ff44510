"""Every method of both clients against a shop served for real."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from nba_engine._gen.nba.v1 import (
    catalog_service_pb2,
    decision_service_pb2,
    interaction_service_pb2,
    limit_service_pb2,
    profile_service_pb2,
)
from nba_engine.client import (
    AioClient,
    Client,
    Consent,
    DecideRequest,
    Interaction,
    InvalidRequest,
    NotFound,
    PlacementRequest,
)
from nba_engine.client.channels import RETRIED
from tests.client.both import KINDS, connected
from tests.integration.shop import Shop, serving_shop

FILES = (
    catalog_service_pb2,
    decision_service_pb2,
    interaction_service_pb2,
    limit_service_pb2,
    profile_service_pb2,
)
METHODS = {
    (service.full_name, method.name)
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
HEALTH = ("grpc.health.v1.Health", "Check")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serving_shop(tmp_path_factory.mktemp("shop")) as one:
        yield one


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, shop: Shop) -> Iterator[Any]:
    with connected(request.param, shop.address, timeout=10.0) as one:
        one.update_profile(
            "crm:1",
            attributes={"age": 44, "joined": datetime(2017, 3, 1, tzinfo=UTC)},
            consents=[Consent(purpose="marketing", channel="email", granted=True)],
        )
        yield one


def python_name(method: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method)[1:]


def test_both_clients_have_every_method_of_the_api_with_the_same_arguments() -> None:
    for _, method in METHODS:
        threads, loop = (getattr(kind, python_name(method)) for kind in (Client, AioClient))
        mine, its = inspect.signature(threads), inspect.signature(loop)
        assert list(mine.parameters) == list(its.parameters)
        defaults = [one.default for one in mine.parameters.values()]
        assert defaults == [one.default for one in its.parameters.values()]


def test_the_service_config_repeats_what_is_idempotent_and_nothing_else() -> None:
    decides = {("nba.v1.DecisionService", f"{how}Decide") for how in ("", "Batch", "Stream")}
    publishes = {("nba.v1.CatalogService", f"{how}Catalog") for how in ("Publish", "Rollback")}
    streams = {
        ("nba.v1.InteractionService", "StreamInteractions")
    }  # on a new stream, by the client
    assert set(RETRIED) == METHODS - decides - publishes - streams | {HEALTH}


def test_a_decision_comes_as_plain_values(client: Any) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    decision = client.decide("crm:1", ["banner", PlacementRequest("newsletter", slots=1)])
    assert decision.known
    assert before < decision.decide_time < datetime.now(UTC) + timedelta(seconds=5)
    assert decision.currency_code == "EUR"
    assert decision.model_versions == {"propensity": "made-up"}
    assert (decision.decided_by, decision.control_groups) == ("propensity", ())
    first = decision.recommendations_for("banner")[0]
    assert (first.action, first.treatment, first.channel) == ("wine", "wine.banner", "app")
    assert first.content == {"text": "Wine today"}
    assert first.value == Decimal(2) == first.value_micros / Decimal(1_000_000)
    assert isinstance(first.score, Decimal)
    assert len(decision.recommendations_for("newsletter")) == 1
    assert decision.funnel == ()


def test_a_context_is_looked_at_and_the_funnel_adds_up(client: Any) -> None:
    decision = client.decide("cookie:9", "banner", context={"cart": ["BREAD"]}, include_funnel=True)
    assert [one.action for one in decision.recommendations] == ["milk"]
    dropped = sum(count.candidate_count for count in decision.funnel)
    assert dropped + len(decision.recommendations) == decision.candidate_count
    assert "slate" in decision.stage_micros


def test_a_repeated_request_id_gets_the_first_answer(client: Any) -> None:
    name = f"client-test-{id(client)}"
    first = client.decide("crm:1", ["banner"], request_id=name)
    assert client.decide("crm:1", ["banner"], request_id=name) == first
    assert client.decide("crm:1", ["banner"]).decision_id != first.decision_id


def test_a_batch_has_a_result_for_each_and_a_failure_is_its_own(client: Any) -> None:
    requests = [
        DecideRequest(identity="crm:1", placements=["banner"]),
        DecideRequest(identity="crm:1", placements=["attic"]),
        DecideRequest(identity="cookie:1", placements="banner"),
    ]
    good, bad, other = client.batch_decide(requests)
    assert good.get().known
    assert not other.get().known
    assert bad.request is requests[1]
    with pytest.raises(InvalidRequest) as caught:
        bad.get()
    assert [one.field for one in caught.value.violations] == ["placements[0].placement"]


def test_a_decision_is_explained_from_all_its_pages(client: Any) -> None:
    decision = client.decide("cookie:2", ["banner", "newsletter"])
    whole = client.explain_decision(decision.decision_id)
    assert client.explain_decision(decision.decision_id, page_size=3) == whole
    assert len(whole.candidates) == decision.candidate_count == 8
    (wine,) = client.explain_decision(decision.decision_id, treatments=["wine.banner"]).candidates
    assert (wine.stage, wine.reason, wine.propensity) == ("eligibility", "not_eligible", None)
    (change,) = wine.changes
    assert (change.kind, change.target, change.value) == ("attribute", "age", 18)
    assert whole.decision.decision_id == decision.decision_id
    milk = next(trace for trace in whole.candidates if trace.recommended)
    assert milk.score is not None
    assert milk.cost == 0
    assert milk.value is not None
    assert whole.sentences


def test_interactions_are_recorded_once(client: Any) -> None:
    bought = Interaction(
        identity=f"crm:{id(client)}", type="purchase", properties={"category": "MILK"}
    )
    (first,) = client.record_interactions([bought])
    (again,) = client.record_interactions([bought])
    assert (first.status, again.status) == ("recorded", "duplicate")
    assert first.interaction_id == bought.interaction_id
    profile = client.get_profile(bought.identity)
    assert profile.aggregates["purchases"] == {"MILK": 1}
    assert profile.aggregates["last_purchase"] == bought.interaction_time


def test_an_interaction_tells_what_it_did_to_the_reservation(client: Any) -> None:
    identity = f"crm:mail{id(client)}"
    consent = Consent(purpose="marketing", channel="*", granted=True)
    client.update_profile(identity, attributes={"age": 30}, consents=[consent])
    (mail,) = client.decide(identity, ["newsletter"]).recommendations
    assert mail.expire_time is not None
    sent = Interaction(identity=identity, type="delivery", recommendation_id=mail.recommendation_id)
    (result,) = client.record_interactions([sent])
    assert result.reservation == "confirmed"


def test_a_profile_is_changed_in_part(client: Any) -> None:
    identity = f"crm:part{id(client)}"
    given = Consent(
        purpose="marketing",
        channel="email",
        granted=True,
        consent_time=datetime(2020, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
        source="call 7",
    )
    client.update_profile(identity, attributes={"age": 30, "first_name": "Ada"}, consents=[given])
    profile = client.update_profile(identity, attributes={"age": 31}, remove=["first_name"])
    assert profile.attributes == {"age": 31}
    assert profile.consents == (given,)
    assert profile.version == 2
    masked = client.update_profile(
        identity, attributes={"first_name": "Eve"}, update_mask=["attributes"]
    )
    assert masked.attributes == {"first_name": "Eve"}
    assert client.get_profile(identity) == masked


def test_linked_identities_are_one_customer(client: Any) -> None:
    word = uuid4().hex
    known, cookie = f"crm:{word}", f"cookie:{word}"
    client.update_profile(known, attributes={"age": 30})
    client.update_profile(cookie, attributes={"first_name": "Ada"})
    gone = client.get_profile(cookie).customer_id
    linked = client.link_identities([cookie, known, f"{cookie}b"], source="login")
    assert linked.profile.attributes == {"age": 30, "first_name": "Ada"}
    assert linked.identities == (cookie, f"{cookie}b", known)
    assert linked.merged_customer_ids == (gone,)
    assert client.get_profile(known) == client.get_profile(cookie) == linked.profile
    assert client.link_identities([known, cookie]).merged_customer_ids == ()


def test_a_customer_is_erased_and_asking_again_tells_when_all_is_done(client: Any) -> None:
    identity = f"crm:{uuid4().hex}"
    client.update_profile(identity, attributes={"age": 30})
    erasure = client.erase_profile(identity)
    assert erasure.known
    assert erasure.removed_counts["customers"] == 1
    pause = threading.Event()
    while not erasure.done:
        pause.wait(0.02)
        erasure = client.erase_profile(identity, request_id=erasure.erasure_id)
    assert (erasure.pending_places, erasure.kept_places) == ((), ())
    assert abs(datetime.now(UTC) - erasure.erase_time) < timedelta(minutes=1)
    with pytest.raises(NotFound):
        client.get_profile(identity)
    assert not client.erase_profile(identity).known
    with pytest.raises(InvalidRequest):
        client.erase_profile("crm:2", request_id=erasure.erasure_id)


def test_somebody_unknown_is_not_found(client: Any) -> None:
    with pytest.raises(NotFound) as caught:
        client.get_profile("crm:nobody")
    error = caught.value
    assert str(error) == "GetProfile: no customer is known by this identity"
    assert (error.reason, error.code) == ("CUSTOMER_NOT_FOUND", "NOT_FOUND")
    assert error.metadata["identity"] == "crm:nobody"
    assert error.request_id


def test_the_catalog_is_shown_in_plain_values(client: Any) -> None:
    catalog = client.get_catalog()
    assert (catalog.currency_code, catalog.time_zone) == ("EUR", "Europe/Berlin")
    email = next(channel for channel in catalog.channels if channel.id == "email")
    assert (email.direction, email.reservation_ttl) == ("outbound", timedelta(days=7))
    (limit,) = catalog.limits
    assert (limit.measure, limit.contacts, limit.money_micros) == ("contacts", 1.0, None)
    assert {one.name for one in catalog.attributes if one.sensitive} == {"illness"}
    assert {one.id: one.slots for one in catalog.placements} == {"banner": 3, "newsletter": 2}


def test_actions_are_listed_over_all_pages(client: Any) -> None:
    actions = list(client.list_actions(page_size=1))
    assert actions == list(client.list_actions())
    assert len(actions) == client.get_catalog().action_count == 4
    milk = next(action for action in actions if action.id == "milk")
    assert (milk.kind, milk.value, milk.owned_for) == ("offer", Decimal(1), timedelta(days=7))
    assert milk.attributes == {"category": "MILK"}
    assert (milk.objective, milk.reorder) == ("propensity", False)
    assert {one.channel: one.cost for one in milk.treatments}["email"] == Decimal("0.01")


def test_limits_are_listed_and_tell_what_was_used(client: Any) -> None:
    (mails,) = client.list_limits(page_size=1)
    assert (mails.id, mails.scope, mails.contacts) == ("mails", ("customer",), 1.0)
    assert (mails,) == client.get_catalog().limits
    identity = f"crm:limit{id(client)}"
    consent = Consent(purpose="marketing", channel="*", granted=True)
    client.update_profile(identity, attributes={"age": 30}, consents=[consent])
    assert list(client.get_limit_usage("mails", identity=identity)) == []
    client.decide(identity, ["newsletter"])
    (used,) = client.get_limit_usage("mails", identity=identity)
    assert (used.reserved, used.spent, used.overrun, used.ceiling, used.room) == (1, 0, 0, 1, 0)
    assert used.window_end - used.window_start >= timedelta(days=6, hours=23)
    assert used in list(client.get_limit_usage("mails", page_size=1))
    with pytest.raises(InvalidRequest):
        list(client.get_limit_usage("mials"))
    with pytest.raises(NotFound):
        list(client.get_limit_usage("mails", identity="crm:nobody"))


def test_mistakes_of_a_catalog_are_named(client: Any, shop: Shop) -> None:
    text = (shop.folder / "catalog" / "shop.toml").read_text("utf-8")
    assert client.validate_catalog({"shop.toml": text}) == []
    broken = text.replace("customer.age", "customer.agge")
    (mistake,) = client.validate_catalog({"shop.toml": broken})
    assert "agge" in str(mistake)
    assert str(mistake).startswith("shop.toml")


def test_mistakes_of_a_catalog_come_from_all_pages(client: Any) -> None:
    files = {f"{letter}.toml": f"[nonsense_{letter}]" for letter in "abc"}
    found = client.validate_catalog(files)
    assert {mistake.file.partition(":")[0] for mistake in found} >= set(files)
    assert client.validate_catalog(files, page_size=1) == found


def test_health_is_told_of_the_server_and_of_a_service(client: Any) -> None:
    assert client.health() == "serving"
    assert client.health("nba.v1.ProfileService") == "serving"
    with pytest.raises(NotFound):
        client.health("nba.v1.NoService")

from __future__ import annotations

import time
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from nba_engine._gen.nba.v1 import catalog_pb2, explanation_pb2
from nba_engine._gen.nba.v1 import catalog_service_pb2 as catalogs
from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1 import interaction_service_pb2 as interactions
from nba_engine._gen.nba.v1 import profile_service_pb2 as profiles
from nba_engine._gen.nba.v1.catalog_service_pb2_grpc import CatalogServiceStub
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.interaction_pb2 import (
    INTERACTION_STATUS_DUPLICATE,
    INTERACTION_STATUS_RECORDED,
    Interaction,
)
from nba_engine._gen.nba.v1.interaction_service_pb2_grpc import InteractionServiceStub
from nba_engine._gen.nba.v1.profile_pb2 import Consent, Profile
from nba_engine._gen.nba.v1.profile_service_pb2_grpc import ProfileServiceStub
from nba_engine._gen.nba.v1.value_pb2 import ListValue, Value
from tests.server.small import NOW, Details, Served, SmallEngine, serving

BANNER = decisions.PlacementRequest(placement="banner", slots=2)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(SmallEngine(simulated=True)) as one:
        yield one


def test_a_decision_comes_with_all_its_numbers(served: Served) -> None:
    decision = (
        DecisionServiceStub(served.channel)
        .Decide(decisions.DecideRequest(identity="crm:42", placements=[BANNER]))
        .decision
    )
    assert decision.decision_id
    assert (decision.catalog_version, decision.currency_code) == ("v1", "USD")
    assert dict(decision.model_versions) == {"propensity": "2017-11-06"}
    assert (decision.decided_by, list(decision.control_groups)) == ("propensity", ["held"])
    assert decision.decide_time.seconds == NOW
    assert (decision.candidate_count, list(decision.funnel)) == (5, [])
    first, second = decision.recommendations
    assert (first.treatment, second.treatment) == ("offer0.app", "offer1.app")
    assert (first.position, second.position) == (0, 1)
    assert (first.score_micros, first.value_micros, first.cost_micros) == (35_000, 900_000, 10_000)
    assert first.expire_time.ToMicroseconds() == (NOW + 90.5) * 1e6
    assert list(first.reason_codes) == ["best_value"]


def test_the_funnel_comes_when_asked_for(served: Served) -> None:
    request = decisions.DecideRequest(identity="a:1", placements=[BANNER], include_funnel=True)
    decision = DecisionServiceStub(served.channel).Decide(request).decision
    (count,) = decision.funnel
    assert (count.stage, count.reason, count.candidate_count) == ("slate", "outranked", 3)
    assert dict(decision.stage_micros) == {"slate": 5}


def test_context_time_and_seed_reach_the_engine(served: Served) -> None:
    cart = ListValue(values=[Value(string_value="milk"), Value(string_value="bread")])
    request = decisions.DecideRequest(
        identity="crm:42",
        placements=[BANNER],
        context={"cart": Value(list_value=cart), "minutes": Value(int_value=3)},
        request_id="mine",
        time=Timestamp(seconds=5, nanos=250_000_000),
        seed=7,
    )
    DecisionServiceStub(served.channel).Decide(request)
    (seen,) = served.engine.requests
    assert seen.context == {"cart": ["milk", "bread"], "minutes": 3.0}
    assert isinstance(seen.context["minutes"], float)
    assert (seen.request_id, seen.time, seen.seed) == ("mine", 5.25, 7)


def test_the_callers_deadline_reaches_the_engine(served: Served) -> None:
    stub = DecisionServiceStub(served.channel)
    before = time.monotonic()
    stub.Decide(decisions.DecideRequest(identity="a:1", placements=[BANNER]), timeout=30)
    stub.Decide(decisions.DecideRequest(identity="a:1", placements=[BANNER]))
    own, default = served.engine.deadlines
    assert own is not None
    assert default is not None
    assert before + 20 < own < before + 31
    assert before < default < before + 10


def test_an_explanation_is_paged(served: Served) -> None:
    stub = DecisionServiceStub(served.channel)
    request = decisions.DecideRequest(identity="a:1", placements=[BANNER])
    decision_id = stub.Decide(request).decision.decision_id
    names: list[str] = []
    token = ""
    while True:
        page = stub.ExplainDecision(
            decisions.ExplainDecisionRequest(decision_id=decision_id, page_size=2, page_token=token)
        )
        assert len(page.candidates) <= 2
        names += [trace.treatment for trace in page.candidates]
        token = page.next_page_token
        if not token:
            break
    assert names == [f"offer{n}.app" for n in range(5)]
    assert list(page.sentences) == ["Because it earns most."]
    assert page.decision.funnel[0].reason == "outranked"
    worth = {name: value.WhichOneof("kind") for name, value in page.customer_value.items()}
    assert worth == {
        "p_alive": "double_value",
        "purchase_days": "int_value",
        "win_back": "bool_value",
    }
    assert page.customer_value["p_alive"].double_value == 0.75


def test_an_explanation_tells_of_the_treatments_asked_for(served: Served) -> None:
    stub = DecisionServiceStub(served.channel)
    request = decisions.DecideRequest(identity="a:1", placements=[BANNER])
    decision_id = stub.Decide(request).decision.decision_id
    (trace,) = stub.ExplainDecision(
        decisions.ExplainDecisionRequest(decision_id=decision_id, treatments=["offer3.app"])
    ).candidates
    assert (trace.treatment, trace.recommended, trace.reason) == ("offer3.app", False, "outranked")
    assert (trace.propensity, trace.value_micros) == (0.05, 900_000)
    assert not trace.HasField("cost_micros")
    assert dict(trace.further_columns) == {"novelty": 1.5}
    assert trace.details["rank"].int_value == 3
    (change,) = trace.changes
    assert (change.kind, change.value.double_value) == (explanation_pb2.CHANGE_KIND_LEVER, 2.0)


def purchase(number: str) -> Interaction:
    return Interaction(
        interaction_id=number,
        identity="crm:7",
        type="purchase",
        interaction_time=Timestamp(seconds=100),
        properties={"category": Value(string_value="milk")},
    )


def test_interactions_are_recorded_once_and_change_the_profile(served: Served) -> None:
    request = interactions.RecordInteractionsRequest(
        interactions=[purchase("a"), purchase("b"), purchase("a")]
    )
    answer = InteractionServiceStub(served.channel).RecordInteractions(request)
    assert [result.interaction_id for result in answer.results] == ["a", "b", "a"]
    assert [result.status for result in answer.results] == [
        INTERACTION_STATUS_RECORDED,
        INTERACTION_STATUS_RECORDED,
        INTERACTION_STATUS_DUPLICATE,
    ]
    stub = ProfileServiceStub(served.channel)
    profile = stub.GetProfile(profiles.GetProfileRequest(identity="crm:7")).profile
    assert profile.aggregates["purchases"].int_value == 2
    assert profile.aggregates["last_purchase"].timestamp_value.seconds == 100


def update(served: Served, profile: Profile, *paths: str) -> profiles.UpdateProfileResponse:
    mask = FieldMask(paths=paths) if paths else None
    request = profiles.UpdateProfileRequest(identity="crm:7", profile=profile, update_mask=mask)
    return ProfileServiceStub(served.channel).UpdateProfile(request)


def test_an_update_without_a_mask_sets_what_is_given(served: Served) -> None:
    update(served, Profile(attributes={"age": Value(int_value=30)}))
    profile = update(served, Profile(attributes={"basket": Value(double_value=2.5)})).profile
    assert profile.attributes["age"].int_value == 30
    assert profile.attributes["basket"].double_value == 2.5
    assert profile.version == 2


def test_a_mask_sets_and_removes_single_attributes(served: Served) -> None:
    both = {"age": Value(int_value=30), "basket": Value(double_value=2.5)}
    update(served, Profile(attributes=both))
    changed = Profile(attributes={"age": Value(int_value=31), "joined": Value(int_value=0)})
    changed.attributes["joined"].timestamp_value.seconds = 9
    profile = update(served, changed, "attributes.age", "attributes.basket").profile
    assert {name: value.int_value for name, value in profile.attributes.items()} == {"age": 31}


def test_a_mask_of_all_attributes_replaces_them(served: Served) -> None:
    both = {"age": Value(int_value=30), "basket": Value(double_value=2.5)}
    update(served, Profile(attributes=both))
    kept = Profile(
        attributes={"age": Value(int_value=31)},
        consents=[Consent(purpose="marketing", channel="app", granted=True)],
    )
    profile = update(served, kept, "attributes").profile
    assert set(profile.attributes) == {"age"}
    assert list(profile.consents) == []


def test_consents_are_set_with_time_and_source(served: Served) -> None:
    given = Consent(
        purpose="marketing",
        channel="app",
        granted=True,
        consent_time=Timestamp(seconds=50),
        source="account page",
    )
    profile = update(served, Profile(consents=[given]), "consents").profile
    assert list(profile.consents) == [given]


def test_a_catalog_shows_what_it_declares(served: Served) -> None:
    answer = CatalogServiceStub(served.channel).GetCatalog(catalogs.GetCatalogRequest())
    catalog = answer.catalog
    assert (catalog.catalog_version, catalog.action_count, catalog.treatment_count) == ("v1", 5, 5)
    assert [a.name for a in catalog.attributes if a.sensitive] == ["diagnosis", "readings"]
    budget, week = catalog.limits
    assert (budget.WhichOneof("amount"), budget.money_micros) == ("money_micros", 12_500_000)
    assert (week.WhichOneof("amount"), week.contacts) == ("contacts", 2.0)
    assert catalog.channels[0].reservation_ttl.ToMilliseconds() == 90_500
    (group,) = catalog.control_groups
    assert (group.id, group.name, group.share) == ("held", "Held back", 0.1)


def test_actions_are_listed_by_pages_of_one_catalog(served: Served) -> None:
    stub = CatalogServiceStub(served.channel)
    first = stub.ListActions(catalogs.ListActionsRequest(page_size=3))
    rest = stub.ListActions(
        catalogs.ListActionsRequest(page_size=5000, page_token=first.next_page_token)
    )
    assert [a.id for a in (*first.actions, *rest.actions)] == [f"offer{n}" for n in range(5)]
    assert rest.next_page_token == ""
    assert first.actions[0].treatments[0].cost_micros == 10_000
    usual, held, *_ = first.actions
    assert (usual.objective, usual.reorder) == (catalog_pb2.OBJECTIVE_PROPENSITY, False)
    assert (held.objective, held.reorder) == (catalog_pb2.OBJECTIVE_UPLIFT, True)
    groups = [list(action.treatments[0].control_groups) for action in (usual, held)]
    assert groups == [[], ["held"]]
    served.engine.catalog.version = "v2"  # type: ignore[misc]
    with pytest.raises(grpc.RpcError) as caught:
        stub.ListActions(catalogs.ListActionsRequest(page_token=first.next_page_token))
    assert Details(caught.value).fields == ["page_token"]


def test_a_catalog_is_validated_file_by_file(served: Served) -> None:
    request = catalogs.ValidateCatalogRequest(files={"a.toml": "currency", "b.toml": ""})
    (mistake,) = CatalogServiceStub(served.channel).ValidateCatalog(request).mistakes
    assert (mistake.file, mistake.place, mistake.remedy) == ("b.toml", "catalog.currency", "add it")


def test_aggregates_are_told_as_of_the_time_asked_for(served: Served) -> None:
    stub = ProfileServiceStub(served.channel)
    update(served, Profile(attributes={"age": Value(int_value=30)}))
    request = profiles.GetProfileRequest(identity="crm:7", time=Timestamp(seconds=5))
    assert stub.GetProfile(request).profile.aggregates["purchases"].int_value == 0
    served.engine.small_store.simulated = False
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetProfile(request)
    assert Details(caught.value).reason == "TIME_NOT_ALLOWED"

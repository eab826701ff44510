from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from nba_engine._gen.nba.v1 import catalog_service_pb2 as catalogs
from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1 import interaction_service_pb2 as interactions
from nba_engine._gen.nba.v1 import profile_service_pb2 as profiles
from nba_engine._gen.nba.v1.interaction_pb2 import Interaction
from nba_engine._gen.nba.v1.profile_pb2 import Consent, Profile
from nba_engine._gen.nba.v1.value_pb2 import ListValue, MapValue, Value
from tests.server.small import Details, Served, SmallEngine, serving

NESTED = Value(list_value=ListValue(values=[Value(list_value=ListValue())]))
MIXED = ListValue(values=[Value(string_value="a"), Value(int_value=1)])


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(SmallEngine(simulated=True)) as one:
        yield one


def refusal(served: Served, method: str, request: Any) -> Details:
    call: Any = served.channel.unary_unary(
        f"/nba.v1.{method}", request_serializer=type(request).SerializeToString
    )
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    found = Details(caught.value)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    return found


def wanted(*names: str, slots: int = 0) -> list[decisions.PlacementRequest]:
    return [decisions.PlacementRequest(placement=name, slots=slots) for name in names]


DECIDE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing at all": ({}, ["identity", "placements"]),
    "no namespace": ({"identity": "42", "placements": wanted("banner")}, ["identity"]),
    "an odd namespace": ({"identity": "4 2:1", "placements": wanted("banner")}, ["identity"]),
    "no id": ({"identity": "crm:", "placements": wanted("banner")}, ["identity"]),
    "a long identity": (
        {"identity": "crm:" + "4" * 300, "placements": wanted("banner")},
        ["identity"],
    ),
    "a control character": (
        {"identity": "crm:4\n2", "placements": wanted("banner")},
        ["identity"],
    ),
    "unknown and repeated placements": (
        {"placements": wanted("banner", "bannner", "banner", "")},
        ["placements[1].placement", "placements[2].placement", "placements[3].placement"],
    ),
    "too many placements": ({"placements": wanted(*"abcdefghijklmnopq")}, ["placements"]),
    "negative slots": ({"placements": wanted("banner", slots=-1)}, ["placements[0].slots"]),
    "too many slots": ({"placements": wanted("banner", slots=33)}, ["placements[0].slots"]),
    "an undeclared fact": (
        {"context": {"weather": Value(string_value="rain")}},
        ['context["weather"]'],
    ),
    "a fact of the wrong type": (
        {"context": {"cart": Value(string_value="milk")}},
        ['context["cart"]'],
    ),
    "a list of the wrong type": (
        {"context": {"cart": Value(list_value=ListValue(values=[Value(int_value=1)]))}},
        ['context["cart"][0]'],
    ),
    "a fact without a value": ({"context": {"minutes": Value()}}, ['context["minutes"]']),
    "a number that is none": (
        {"context": {"minutes": Value(double_value=math.nan)}},
        ['context["minutes"]'],
    ),
    "too many facts": ({"context": {f"f{n}": Value() for n in range(65)}}, ["context"]),
    "a long request id": ({"request_id": "r" * 129}, ["request_id"]),
    "an odd request id": ({"request_id": "r\u00e9sum\u00e9"}, ["request_id"]),
    "a time out of range": ({"time": Timestamp(seconds=10**12)}, ["time"]),
    "a seed out of range": ({"seed": 2**63}, ["seed"]),
}


@pytest.mark.parametrize("case", DECIDE)
def test_a_malformed_decide_request_names_every_wrong_field(served: Served, case: str) -> None:
    fields, wrong = DECIDE[case]
    usual = {"identity": "crm:1", "placements": wanted("banner")} if fields else {}
    found = refusal(served, "DecisionService/Decide", decisions.DecideRequest(**(usual | fields)))
    assert found.fields == wrong
    assert len(found.descriptions) == len(wrong)


def test_a_misspelt_placement_gets_advice(served: Served) -> None:
    request = decisions.DecideRequest(identity="crm:1", placements=wanted("bannner"))
    found = refusal(served, "DecisionService/Decide", request)
    assert 'did you mean "banner"?' in found.descriptions[0]


def test_everything_wrong_is_told_at_once(served: Served) -> None:
    request = decisions.DecideRequest(
        identity="nobody",
        placements=wanted("attic", slots=99),
        context={"cart": Value(), "weather": Value(bool_value=True)},
        seed=2**64 - 1,
    )
    found = refusal(served, "DecisionService/Decide", request)
    assert sorted(found.fields) == [
        'context["cart"]',
        'context["weather"]',
        "identity",
        "placements[0].placement",
        "placements[0].slots",
        "seed",
    ]


INTERACTIONS: dict[str, tuple[list[Interaction], list[str]]] = {
    "none": ([], ["interactions"]),
    "too many": ([Interaction()] * 1001, ["interactions"]),
    "an empty one": (
        [Interaction()],
        [
            f"interactions[0].{name}"
            for name in ("interaction_id", "identity", "type", "interaction_time")
        ],
    ),
    "a bad one after a good one": (
        [
            Interaction(
                interaction_id=str(n),
                identity="crm:1",
                type="view",
                interaction_time=Timestamp(seconds=1, nanos=n * 10**9),
            )
            for n in range(2)
        ],
        ["interactions[1].interaction_time"],
    ),
    "odd properties": (
        [
            Interaction(
                interaction_id="1",
                identity="crm:1",
                type="t" * 65,
                interaction_time=Timestamp(),
                recommendation_id="r" * 129,
                properties={
                    "a": NESTED,
                    "b": Value(list_value=MIXED),
                    "c": Value(string_value="x" * 4097),
                    "d": Value(map_value=MapValue(values={"k" * 257: Value(int_value=1)})),
                    "e": Value(list_value=ListValue(values=[Value()] * 1001)),
                },
            )
        ],
        [
            "interactions[0].type",
            "interactions[0].recommendation_id",
            'interactions[0].properties["a"][0]',
            'interactions[0].properties["b"][1]',
            'interactions[0].properties["c"]',
            'interactions[0].properties["d"]',
            'interactions[0].properties["e"]',
        ],
    ),
}


@pytest.mark.parametrize("case", INTERACTIONS)
def test_malformed_interactions_are_named_and_nothing_is_recorded(
    served: Served, case: str
) -> None:
    entries, wrong = INTERACTIONS[case]
    request = interactions.RecordInteractionsRequest(interactions=entries)
    found = refusal(served, "InteractionService/RecordInteractions", request)
    assert sorted(found.fields) == sorted(wrong)
    assert served.engine.small_store.seen == set()


def consents(*names: str) -> Profile:
    return Profile(consents=[Consent(purpose="marketing", channel=name) for name in names])


UPDATES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an undeclared attribute": (
        {"profile": Profile(attributes={"agge": Value(int_value=1)})},
        ['profile.attributes["agge"]'],
    ),
    "a wrong type": (
        {"profile": Profile(attributes={"age": Value(double_value=1)})},
        ['profile.attributes["age"]'],
    ),
    "a map with a wrong value": (
        {
            "profile": Profile(
                attributes={
                    "readings": Value(map_value=MapValue(values={"hiv": Value(bool_value=True)}))
                }
            )
        },
        ['profile.attributes["readings"].values'],
    ),
    "unknown paths": (
        {"update_mask": FieldMask(paths=["consents", "attributes.agge", "version"])},
        ["update_mask", "update_mask"],
    ),
    "too many paths": (
        {"update_mask": FieldMask(paths=[f"attributes.a{n}" for n in range(257)])},
        ["update_mask"],
    ),
    "no UUID": ({"request_id": "again"}, ["request_id"]),
    "an unknown channel": ({"profile": consents("fax")}, ["profile.consents[0].channel"]),
    "a consent twice": ({"profile": consents("app", "app")}, ["profile.consents[1]"]),
    "a colon": (
        {"profile": Profile(consents=[Consent(purpose="a:b", channel="app")])},
        ["profile.consents[0].purpose"],
    ),
    "too many consents": ({"profile": consents(*["app"] * 65)}, ["profile.consents"]),
}


@pytest.mark.parametrize("case", UPDATES)
def test_a_malformed_update_names_every_wrong_field(served: Served, case: str) -> None:
    fields, wrong = UPDATES[case]
    request = profiles.UpdateProfileRequest(**({"identity": "crm:1"} | fields))
    assert refusal(served, "ProfileService/UpdateProfile", request).fields == wrong
    assert served.engine.updates == []


def test_no_error_text_repeats_a_sensitive_value(served: Served) -> None:
    readings = MapValue(values={"hiv-test": Value(string_value="positive")})
    request = profiles.UpdateProfileRequest(
        identity="crm:1",
        profile=Profile(
            attributes={
                "diagnosis": Value(list_value=ListValue(values=[Value(string_value="flu")])),
                "readings": Value(map_value=readings),
            }
        ),
    )
    found = refusal(served, "ProfileService/UpdateProfile", request)
    told = repr((found.message, found.fields, found.descriptions, found.metadata))
    assert len(found.fields) == 2
    assert not [secret for secret in ("flu", "hiv-test", "positive") if secret in told]


def test_the_other_methods_check_their_fields_too(served: Served) -> None:
    for method, request, wrong in (
        (
            "DecisionService/ExplainDecision",
            decisions.ExplainDecisionRequest(treatments=["t"] * 1001, page_size=-1, page_token="x"),
            ["decision_id", "treatments", "page_size", "page_token"],
        ),
        ("DecisionService/GetContactPlan", decisions.GetContactPlanRequest(), ["identity"]),
        ("ProfileService/GetProfile", profiles.GetProfileRequest(), ["identity"]),
        (
            "ProfileService/LinkIdentities",
            profiles.LinkIdentitiesRequest(
                identities=["crm:1", "ada"], source="s" * 257, request_id="again"
            ),
            ["identities[1]", "source", "request_id"],
        ),
        (
            "ProfileService/LinkIdentities",
            profiles.LinkIdentitiesRequest(identities=["crm:1"]),
            ["identities"],
        ),
        (
            "CatalogService/ListActions",
            catalogs.ListActionsRequest(page_size=-1, page_token="bm9uZQ=="),
            ["page_size", "page_token"],
        ),
        ("CatalogService/ValidateCatalog", catalogs.ValidateCatalogRequest(), ["files"]),
        (
            "CatalogService/ValidateCatalog",
            catalogs.ValidateCatalogRequest(files={"": "", "n" * 257: ""}),
            ["files[0]", "files[1]"],
        ),
    ):
        assert refusal(served, method, request).fields == wrong

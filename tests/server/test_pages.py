"""Pages by AIP-158: every entry once, whatever the sizes; tokens good for their own list only."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nba_engine._gen.nba.v1 import catalog_service_pb2 as catalogs
from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1.catalog_pb2 import Mistake
from nba_engine._gen.nba.v1.catalog_service_pb2_grpc import CatalogServiceStub
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine.server.convert import Violations, bound_to, read_page
from tests.server.small import Details, Served, SmallEngine, serving

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(SmallEngine(actions=7)) as one:
        yield one


def entry(number: int) -> Mistake:
    return Mistake(file=f"{number:04}")  # 6 bytes


@unhurried
@given(
    st.integers(0, 60),
    st.lists(st.integers(0, 12), min_size=1, max_size=5),
    st.integers(0, 40),
)
def test_pages_of_any_sizes_have_every_entry_once(total: int, sizes: list[int], room: int) -> None:
    items = list(range(total))
    found: list[str] = []
    token, asked = "", 0
    while True:
        violations = Violations()
        size = sizes[asked % len(sizes)]
        asked += 1
        page = read_page(size, token, bound_to("list"), violations, default=3, maximum=10)
        assert violations.found == []
        entries, token = page.of(items, entry, room=room)
        assert len(entries) <= (min(size, 10) or 3)
        assert len(entries) == 1 or sum(one.ByteSize() for one in entries) <= room
        found += [one.file for one in entries]
        if not token:
            break
        assert entries
    assert found == [f"{number:04}" for number in items]


@unhurried
@given(st.text(max_size=60))
def test_a_made_up_page_token_is_refused(token: str) -> None:
    violations = Violations()
    page = read_page(0, token, bound_to("v1"), violations, default=100, maximum=1000)
    assert page.start == 0
    assert bool(violations.found) == bool(token)


def test_what_a_token_is_bound_to_is_not_confused_by_how_it_is_cut() -> None:
    assert bound_to("ab", "c") != bound_to("a", "bc") != bound_to("abc")


def decided(served: Served) -> str:
    request = decisions.DecideRequest(
        identity="a:1", placements=[decisions.PlacementRequest(placement="banner")]
    )
    return DecisionServiceStub(served.channel).Decide(request).decision.decision_id


def refused(call: object, request: object) -> list[str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)  # type: ignore[operator]
    return Details(caught.value).fields


def test_a_token_of_an_explanation_is_good_for_the_same_decision_and_treatments(
    served: Served,
) -> None:
    explain = DecisionServiceStub(served.channel).ExplainDecision
    one, other = decided(served), decided(served)
    some = [f"offer{n}.app" for n in range(5)]
    asked = decisions.ExplainDecisionRequest(decision_id=one, treatments=some, page_size=2)
    token = explain(asked).next_page_token

    wrong = decisions.ExplainDecisionRequest(page_token=token, decision_id=one)
    assert refused(explain, wrong) == ["page_token"]
    wrong = decisions.ExplainDecisionRequest(page_token=token, decision_id=other, treatments=some)
    assert refused(explain, wrong) == ["page_token"]
    right = decisions.ExplainDecisionRequest(
        page_token=token, decision_id=one, treatments=some[::-1], page_size=9
    )
    page = explain(right)
    assert [trace.treatment for trace in page.candidates] == some[2:]
    assert page.next_page_token == ""


def test_mistakes_come_by_pages_of_the_same_files(served: Served) -> None:
    validate = CatalogServiceStub(served.channel).ValidateCatalog
    files = {f"{name}.toml": "" for name in "abcde"}
    first = validate(catalogs.ValidateCatalogRequest(files=files, page_size=3))
    rest = validate(
        catalogs.ValidateCatalogRequest(
            files=files, page_size=100_000, page_token=first.next_page_token
        )
    )
    names = [mistake.file for mistake in (*first.mistakes, *rest.mistakes)]
    assert sorted(names) == sorted(files)
    assert rest.next_page_token == ""
    other = catalogs.ValidateCatalogRequest(
        files={**files, "e.toml": " "}, page_token=first.next_page_token
    )
    assert refused(validate, other) == ["page_token"]


def test_a_page_that_would_not_fit_into_a_message_is_shorter() -> None:
    with serving(SmallEngine(actions=60), max_message_bytes=4096) as served:
        stub = CatalogServiceStub(served.channel)
        names: list[str] = []
        token, pages = "", 0
        while True:
            page = stub.ListActions(catalogs.ListActionsRequest(page_token=token))
            names += [action.id for action in page.actions]
            token, pages = page.next_page_token, pages + 1
            if not token:
                break
    assert names == [f"offer{number}" for number in range(60)]
    assert pages > 1


def test_every_list_of_the_api_is_paged_alike() -> None:
    for file in (catalogs, decisions):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                asked, answered = method.input_type, method.output_type
                paged = "page_token" in asked.fields_by_name
                assert paged == ("page_size" in asked.fields_by_name)
                assert paged == ("next_page_token" in answered.fields_by_name)
                assert paged == method.name.startswith(("List", "Explain", "Validate"))

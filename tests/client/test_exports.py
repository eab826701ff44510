"""`export_profile` of both clients against a shop served for real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nba_engine.client import Consent, Interaction, NotFound, ProfileEntry
from tests.client.both import KINDS, connected
from tests.integration.shop import Shop, serving_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serving_shop(tmp_path_factory.mktemp("shop")) as one:
        yield one


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, shop: Shop) -> Iterator[Any]:
    with connected(request.param, shop.address, timeout=10.0) as one:
        yield one


def test_everything_that_was_told_comes_back(client: Any) -> None:
    me, cookie = f"crm:{id(client)}", f"cookie:{id(client)}"
    said = Consent(purpose="marketing", channel="email", granted=True, source="page")
    client.update_profile(me, attributes={"age": 44}, consents=[said])
    client.record_interactions([Interaction(identity=cookie, type="view")])
    client.link_identities([me, cookie], source="login")
    decided = client.decide(me, ["banner"])
    entries = list(client.export_profile(me))
    assert isinstance(entries[0], ProfileEntry)
    kinds = [entry.kind for entry in entries]
    assert kinds[:5] == ["customer", "link", "consent", "interaction", "decision"]
    customer, link, consent, view, decision = (entry.content for entry in entries)
    assert customer["attributes"]["age"]["value"] == 44
    assert link["source"] == "login"
    assert (consent["consent"], consent["granted"]) == ("marketing:email", True)
    assert (view["type"], view["identity"]) == ("view", cookie)
    assert decision["decision_id"] == decided.decision_id
    assert decision["kind"] == "decision"


def test_nobody_has_no_export(client: Any) -> None:
    with pytest.raises(NotFound):
        list(client.export_profile("crm:nobody"))


def test_an_export_may_be_left_early(client: Any) -> None:
    client.update_profile("crm:left", attributes={"age": 44})
    entries = client.export_profile("crm:left")
    assert next(entries).kind == "customer"
    entries.close()
    assert client.get_profile("crm:left").version == 1

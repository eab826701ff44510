from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nba_engine.app import open_app
from nba_engine.domain import (
    Consent,
    DecisionRequest,
    Interaction,
    LinkRequest,
    PlacementRequest,
    ProfileUpdate,
)

if TYPE_CHECKING:
    from tests.cli.conftest import Nba


def decide(app: Any, identity: str) -> str:
    request = DecisionRequest(identity=identity, placements=(PlacementRequest("home"),))
    return str(app.engine.decide(request).decision_id)


def bought(number: int, identity: str) -> Interaction:
    return Interaction(
        interaction_id=f"i{number}",
        identity=identity,
        type="purchase",
        time=1_000.0 + number,
        properties={"category": "milk"},
    )


def live(shop: Path) -> list[str]:
    """A customer with a past under two identities, and a neighbor; the customer's decisions."""
    with open_app(shop) as app:
        engine = app.engine
        consent = Consent(granted=True, time=5.0, source="page")
        later = Consent(granted=False, time=9.0, source="call 7")
        decisions = [decide(app, "cookie:9f")]  # while it was nobody's
        engine.record([bought(n, "cookie:9f") for n in range(3)])
        decisions.append(decide(app, "cookie:9f"))
        for each in (consent, later):
            update = ProfileUpdate(
                identity="crm:42", attributes={"age": 41}, consents={"marketing:web": each}
            )
            engine.update_profile(update)
        decisions.append(decide(app, "crm:42"))
        engine.link_identities(LinkRequest(identities=("crm:42", "cookie:9f"), source="login"))
        decisions.append(decide(app, "crm:42"))
        engine.record([bought(9, "crm:neighbor")])
        decide(app, "crm:neighbor")
    return decisions


def test_everything_held_about_a_customer_is_in_the_file(shop: Path, nba: Nba) -> None:
    decisions = live(shop)
    out = shop.parent / "ada.json"
    assert nba("export", "crm:42", "-s", shop, "--out", out) == 0, nba.err
    found = json.loads(out.read_text())
    assert found["customer"]["attributes"] == {"age": 41}
    assert found["customer"]["aggregates"] == {"purchases": 3}
    assert found["attributes_set"]["age"] > 1e9
    assert found["identities"] == ["cookie:9f", "crm:42"]
    assert [(link["source"], len(link["merged"])) for link in found["links"]] == [("login", 1)]
    assert [(one["granted"], one["source"]) for one in found["consent_history"]] == [
        (True, "page"),
        (False, "call 7"),
    ]
    assert [one["interaction_id"] for one in found["interactions"]] == ["i0", "i1", "i2"]
    assert found["interactions"][0]["properties"] == {"category": "milk"}
    assert found["reservations"] == []
    assert [one["decision_id"] for one in found["decisions"]] == decisions
    assert found["decisions"][0]["profile"] is None
    assert found["decisions"][3]["profile"]["attributes"] == {"age": 41}
    assert found["decisions"][3]["recommendations"]
    assert "neighbor" not in out.read_text()
    assert "2 identities, 3 interactions, 0 reservations, 4 decisions" in nba.out


def test_a_file_that_is_there_is_replaced_and_only_its_owner_may_read_it(
    shop: Path, nba: Nba
) -> None:
    live(shop)
    out = shop.parent / "ada.json"
    out.write_text("something older")
    assert nba("export", "cookie:9f", "-s", shop, "--out", out) == 0
    assert json.loads(out.read_text())["identity"] == "cookie:9f"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [path.name for path in shop.parent.glob("ada*")] == ["ada.json"]


def test_nothing_is_written_of_somebody_unknown(shop: Path, nba: Nba) -> None:
    out = shop.parent / "nobody.json"
    assert nba("export", "crm:nobody", "-s", shop, "--out", out) == 1
    assert "no customer is known by this identity" in nba.err
    assert not out.exists()


def test_reservations_are_in_the_file(shop: Path, nba: Nba) -> None:
    catalog = shop.parent / "catalog" / "shop.toml"
    limit = """
[limits.day]
scope = ["customer"]
measure = "contacts"
amount = 5
window = "day"
"""
    catalog.write_text(catalog.read_text() + limit)
    live(shop)
    out = shop.parent / "ada.json"
    nba("export", "crm:42", "-s", shop, "--out", out)
    found = json.loads(out.read_text())
    offered = {
        one["recommendation_id"]
        for decision in found["decisions"]
        for one in decision["recommendations"]
        if one["action"] != "nothing"
    }
    assert {one["reservation_id"] for one in found["reservations"]} == offered != set()
    customer = found["customer"]["customer_id"]
    assert all(f"customer={customer}" in next(iter(o["holds"])) for o in found["reservations"])

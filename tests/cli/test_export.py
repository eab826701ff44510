from __future__ import annotations

import json
import stat
import time
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
from nba_engine.engine import table_of
from nba_engine.store import Mover

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


def exported(out: Path) -> dict[str, list[Any]]:
    """The lines of a file, by kind."""
    found: dict[str, list[Any]] = {}
    for line in out.read_text().splitlines():
        entry = json.loads(line)
        found.setdefault(entry.pop("kind"), []).append(entry)
    return found


def test_everything_held_about_a_customer_is_in_the_file(shop: Path, nba: Nba) -> None:
    decisions = live(shop)
    out = shop.parent / "ada.jsonl"
    assert nba("export", "crm:42", "-s", shop, "--out", out) == 0, nba.err
    found = exported(out)
    (customer,) = found["customer"]
    assert customer["attributes"]["age"]["value"] == 41
    assert customer["attributes"]["age"]["set_time"].startswith("20")
    assert customer["aggregates"] == {"purchases": {"value": 3, "state": 3}}
    assert customer["identities"] == ["cookie:9f", "crm:42"]
    assert customer["consents"]["marketing:web"] == {
        "granted": False,
        "time": "1970-01-01T00:00:09.000000+00:00",
        "source": "call 7",
    }
    assert [(link["source"], len(link["merged"])) for link in found["link"]] == [("login", 1)]
    assert [(one["granted"], one["source"]) for one in found["consent"]] == [
        (True, "page"),
        (False, "call 7"),
    ]
    assert [one["interaction_id"] for one in found["interaction"]] == ["i0", "i1", "i2"]
    assert found["interaction"][0]["properties"] == {"category": "milk"}
    assert found["interaction"][0]["time"] == "1970-01-01T00:16:40.000000+00:00"
    assert "reservation" not in found
    assert [one["decision_id"] for one in found["decision"]] == decisions
    assert found["decision"][0]["profile"] is None
    assert found["decision"][3]["profile"]["attributes"] == {"age": 41}
    assert found["decision"][3]["recommendations"]
    assert "neighbor" not in out.read_text()
    assert "1 customer, 1 link, 2 consents, 3 interactions, 4 decisions" in nba.out


def test_a_file_that_is_there_is_replaced_and_only_its_owner_may_read_it(
    shop: Path, nba: Nba
) -> None:
    live(shop)
    out = shop.parent / "ada.jsonl"
    out.write_text("something older")
    assert nba("export", "cookie:9f", "-s", shop, "--out", out) == 0
    assert len(exported(out)["customer"]) == 1
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [path.name for path in shop.parent.glob("ada*")] == ["ada.jsonl"]


def test_nothing_is_written_of_somebody_unknown(shop: Path, nba: Nba) -> None:
    out = shop.parent / "nobody.jsonl"
    assert nba("export", "crm:nobody", "-s", shop, "--out", out) == 1
    assert "no customer is known by this identity" in nba.err
    assert not out.exists()
    lost = shop.parent / "nowhere" / "nobody.jsonl"
    assert nba("export", "crm:nobody", "-s", shop, "--out", lost) == 2
    assert f"there is no folder {lost.parent}" in nba.err


def test_reservations_and_limits_are_in_the_file(shop: Path, nba: Nba) -> None:
    catalog = shop.parent / "catalog" / "shop.toml"
    limit = """
[limits.day]
scope = ["customer"]
measure = "contacts"
amount = 50
window = "day"
[limits.everybody]
scope = []
measure = "contacts"
amount = 500
window = "lifetime"
"""
    catalog.write_text(catalog.read_text() + limit)
    live(shop)
    out = shop.parent / "ada.jsonl"
    nba("export", "crm:42", "-s", shop, "--out", out)
    found = exported(out)
    offered = {
        one["recommendation_id"]
        for decision in found["decision"]
        for one in decision["recommendations"]
        if one["action"] != "nothing"
    }
    assert {one["reservation_id"] for one in found["reservation"]} == offered != set()
    customer = found["customer"][0]["customer_id"]
    for one in found["reservation"]:
        assert any(f"customer={customer}" in account for account in one["holds"])
        assert (one["status"], one["expire_time"][:2]) == ("reserved", "20")
    assert {one["limit"] for one in found["limit"]} == {"day"}  # the other is nobody's own
    assert sum(one["reserved"] for one in found["limit"]) == len(offered)
    assert all(one["window_end"] > one["window_start"] for one in found["limit"])


def test_what_was_moved_to_parquet_is_in_the_file(shop: Path, nba: Nba) -> None:
    decisions = live(shop)
    later = (time.time() + 86_400) // 86_400 * 86_400
    Mover(shop.parent / "data" / "decisions.db", table_of).move(later)
    out = shop.parent / "ada.jsonl"
    assert nba("export", "crm:42", "-s", shop, "--out", out) == 0, nba.err
    assert [one["decision_id"] for one in exported(out)["decision"]] == decisions

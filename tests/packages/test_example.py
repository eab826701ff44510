"""plugins/nba-example, as its users get it: from a wheel, beside the engine's wheel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.packages.environment import ROOT, Environment, build_wheels

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("example")]

SETTINGS = """
[models]
propensity = "plugin:habit"

[[pipeline]]
stage = "profile"
[[pipeline]]
stage = "eligibility"
[[pipeline]]
stage = "contact_policy"
[[pipeline]]
stage = "propensity"
[[pipeline]]
stage = "weekend"
settings = { tag = "weekend", boost = 20.0 }
[[pipeline]]
stage = "value"
[[pipeline]]
stage = "arbitration"
[[pipeline]]
stage = "slate"
"""

CATALOG = """
[catalog]
currency = "EUR"
time_zone = "Europe/Berlin"

[attributes.first_name]
type = "string"
[aggregates.purchases]
kind = "count"
types = ["purchase"]
by = "category"

[channels.phone]
name = "Text message"
kind = "sms"
[placements.phone]
channel = "phone"

[actions.nothing]
name = "Nothing"
kind = "nothing"
[actions.milk]
name = "Milk"
prior = 0.1
value = 1.0
attributes = { category = "dairy" }
treatments.phone = { channel = "phone", content = { text = "Hello $first_name, milk is here." } }
[actions.grill]
name = "Grill"
prior = 0.1
value = 2.0
tags = ["weekend"]
attributes = { category = "garden" }
treatments.phone = { channel = "phone", content = { text = "$first_name, light the fire!" } }
"""

# a simulated store, so that the test says which day it is; a customer who often buys milk
HISTORY = """
from nba_engine.app import open_app
from nba_engine.domain import Interaction, ProfileUpdate
from nba_engine.store import open_store

open_store("data/nba.db", simulated=True).close()
with open_app("nba.toml") as app:
    app.engine.update_profile(ProfileUpdate(identity="crm:1", attributes={"first_name": "Ann"}))
    app.engine.record(
        [
            Interaction(
                interaction_id=f"i{n}",
                identity="crm:1",
                type="purchase",
                time=1_500_000_000.0,
                properties={"category": "dairy"},
            )
            for n in range(10)
        ]
    )
"""


@pytest.fixture(scope="module")
def environment(engine_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("example")
    wheels = build_wheels(folder / "wheels", ROOT / "plugins" / "nba-example")
    return Environment(folder, [engine_wheel, *wheels])


@pytest.fixture(scope="module")
def shop(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "nba.toml").write_text(SETTINGS, "utf-8")
    (folder / "catalog").mkdir()
    (folder / "catalog" / "shop.toml").write_text(CATALOG, "utf-8")
    environment.run("python", "-c", HISTORY, cwd=folder)
    return folder


def decide(environment: Environment, shop: Path, day: str) -> dict[str, Any]:
    """The one recommendation of a decision on this day."""
    printed = environment.run(
        "nba", "decide", "crm:1", "--time", f"{day}T12:00", "--json", cwd=shop
    )
    (recommended,) = json.loads(printed[printed.index("{") :])["recommendations"]
    found: dict[str, Any] = recommended
    return found


def test_it_is_loaded_from_its_wheel(environment: Environment, shop: Path) -> None:
    where = "import nba_engine, nba_example; print(nba_engine.__file__, nba_example.__file__)"
    printed = environment.run("python", "-c", where, cwd=shop)
    assert str(ROOT) not in printed
    listed = environment.run("nba", "plugin", "list", cwd=shop)
    assert "nba-example" in listed
    assert "loaded" in listed


def test_settings_and_catalog_that_name_its_parts_have_no_mistakes(
    environment: Environment, shop: Path
) -> None:
    assert "no mistakes" in environment.run("nba", "check", cwd=shop)


def test_its_model_and_its_channel_take_part_in_a_decision(
    environment: Environment, shop: Path
) -> None:
    monday = decide(environment, shop, "2017-11-06")
    assert monday["action"] == "milk"
    assert monday["propensity"] == pytest.approx((10 * 0.1 + 10) / (10 + 10))
    assert monday["content"] == {"text": "Hello Ann, milk is here."}


def test_its_stage_takes_part_in_a_decision(environment: Environment, shop: Path) -> None:
    saturday = decide(environment, shop, "2017-11-11")
    assert (saturday["action"], saturday["weight"]) == ("grill", 20.0)
    assert saturday["content"] == {"text": "Ann, light the fire!"}
    assert decide(environment, shop, "2017-11-13")["action"] == "milk"

"""`nba diff`: what a marketer reads before publishing a catalog."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Nba

BUDGET = """
[limits.banners]
name = "Banners"
scope = []
measure = "contacts"
amount = 1
window = "lifetime"
"""


@pytest.fixture
def changed(nba: Nba, shop: Path) -> Path:
    """A copy of the shop's catalog, after three decisions."""
    people = shop.parent / "people.csv"
    people.write_text("identity,age\ncrm:1,41\ncrm:2,17\ncrm:3,50\n")
    nba("import", "profiles", people, "-s", shop)
    for number in (1, 2, 3):
        assert nba("decide", f"crm:{number}", "-s", shop) == 0
    folder = shop.parent / "new"
    shutil.copytree(shop.parent / "catalog", folder)
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "shop.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_changed_rule_shows_who_gets_another_action_and_why(
    nba: Nba, shop: Path, changed: Path
) -> None:
    edit(changed, "customer.age >= 18", "customer.age >= 45")
    before = (shop.parent / "data" / "decisions.db").read_bytes()

    assert nba("diff", "--catalog", changed, "-s", shop) == 0

    assert "3 decisions" in nba.out
    assert "1 (33.3%) with other actions" in nba.out
    assert "customers who get another action: 1 (33.3%) of 3" in nba.out
    assert ["wine", "2", "1", "-1"] in rows(nba.out)
    assert ["eligibility/not_eligible", "adults", "1"] in rows(nba.out)
    assert "− home: wine.banner   (now: eligibility/not_eligible (adults))" in nba.out
    assert "deciding" in nba.err
    assert (shop.parent / "data" / "decisions.db").read_bytes() == before


def test_a_new_limit_shows_what_is_taken_from_it(nba: Nba, shop: Path, changed: Path) -> None:
    edit(changed, "[rules.adults]", BUDGET + "[rules.adults]")
    assert nba("diff", "--catalog", changed, "-s", shop) == 0
    assert ["banners", "(contacts)", "0", "1", "+1"] in rows(nba.out)
    assert "limit_exhausted" in nba.out
    assert "banners" in nba.out
    assert "a limit that is not in the log starts empty" in " ".join(nba.out.split())


def test_everything_is_written_as_json(nba: Nba, shop: Path, changed: Path) -> None:
    edit(changed, "value = 9.0", "value = 0.01")
    file = shop.parent / "diff.json"
    assert nba("diff", "--catalog", changed, "-s", shop, "--limit", 2, "--json", file) == 0
    found = json.loads(file.read_text())
    assert (found["decisions"], found["other_actions"]) == (2, 1)
    assert found["catalog_before"] != found["catalog_after"]
    assert {"action": "wine", "before": 1, "after": 0} in found["actions"]
    assert found["lost"][0]["recommendations"] == 1
    assert len(found["examples"]) == 1


def test_the_catalog_in_force_changes_nothing(nba: Nba, shop: Path, changed: Path) -> None:
    assert nba("diff", "--catalog", changed, "-s", shop) == 0
    assert "This is the catalog in force" in nba.err
    assert "0 (0.0%) with other actions" in nba.out


def test_a_catalog_with_mistakes_is_refused_with_all_of_them(
    nba: Nba, shop: Path, changed: Path
) -> None:
    edit(changed, "customer.age >= 18", "customer.agge >= 18")
    assert nba("diff", "--catalog", changed, "-s", shop) == 78
    assert "agge" in nba.err


def test_no_decision_to_compare_and_requests_that_cannot_be_answered(
    nba: Nba, shop: Path, changed: Path
) -> None:
    assert nba("diff", "--catalog", changed, "-s", shop, "--since", "2100-01-01") == 0
    assert "No decision to compare." in nba.out
    edit(changed, "[placements.home]", "[placements.front]")
    assert nba("diff", "--catalog", changed, "-s", shop) == 0
    assert "3 decisions left out:" in nba.out
    assert "home" in nba.out

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nba_engine.catalog import read_folder
from nba_engine.errors import Mistake, MistakesFound

Mistakes = Callable[[Mapping[str, str]], tuple[Mistake, ...]]

CASES = tomllib.loads((Path(__file__).parent / "data/mistakes.toml").read_text())["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_each_mistake_is_found_once_with_its_place_and_a_remedy(
    case: dict[str, Any], shop: dict[str, str], mistakes: Mistakes
) -> None:
    files = dict(shop)
    expected_file = case.get("file", "more.toml")
    if "toml" in case:
        files["more.toml"] = case["toml"]
    else:
        old, new = case["replace"]
        (changed,) = [name for name, text in shop.items() if old in text]
        files[changed] = shop[changed].replace(old, new, 1)
        expected_file = case.get("file", changed)

    found = mistakes(files)

    assert len(found) == 1, "\n".join(map(str, found))
    (mistake,) = found
    assert mistake.file.partition(":")[0] == expected_file
    assert mistake.place.startswith(case["place"])
    assert ":" in case["place"] or mistake.place == case["place"]
    assert case["message"] in mistake.message
    assert mistake.remedy or ":" in mistake.place, "without a remedy"
    assert case.get("remedy", "") in mistake.remedy


def test_the_names_of_the_cases_are_distinct() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) > 100


def test_thirteen_mistakes_in_three_files_are_reported_in_one_run(
    shop: dict[str, str], mistakes: Mistakes
) -> None:
    files = dict(shop)
    files["a.toml"] = """
[actions.x]
priro = 0.1
prior = 2
owned_for = "long"
complements = ["cerael"]
treatments_from = "standart"
value = "customer.agge * 2.0"
"""
    files["b.toml"] = """
[limits.x]
measure = "money"
amount = -1
window = "yaer"
applies_to = { channels = ["fax"] }
[rules.x]
tier = "eligible"
when = "customer.agge > 3"
"""
    files["c.toml"] = "[aggregates.x]\nkind = 'set'\ntypes = []\n"

    found = {(mistake.file, mistake.place.partition(":")[0]) for mistake in mistakes(files)}

    assert found == {
        ("a.toml:3", "actions.x.priro"),
        ("a.toml:4", "actions.x.prior"),
        ("a.toml:5", "actions.x.owned_for"),
        ("a.toml:6", "actions.x.complements[0]"),
        ("a.toml:7", "actions.x.treatments_from"),
        ("a.toml:8", "actions.x.value"),
        ("b.toml:4", "limits.x.amount"),
        ("b.toml:5", "limits.x.window"),
        ("b.toml:6", "limits.x.applies_to.channels[0]"),
        ("b.toml:8", "rules.x.tier"),
        ("b.toml:9", "rules.x.when"),
        ("c.toml:1", "aggregates.x.by"),
        ("c.toml:3", "aggregates.x.types"),
    }


def test_a_syntax_error_is_told_with_line_and_column_and_hides_no_other_file(
    shop: dict[str, str], mistakes: Mistakes
) -> None:
    files = {
        **shop,
        "a.toml": "[actions.x\nname = 3",
        "b.toml": "[levers.x]\nfactr = 1\nfactor = 1",
    }

    found = mistakes(files)

    assert [(m.file, m.place) for m in found] == [
        ("a.toml", "1:11"),
        ("b.toml:2", "levers.x.factr"),
    ]
    assert found[0].message.startswith("not TOML: ")


def test_references_into_a_file_that_cannot_be_parsed_are_no_mistakes(
    shop: dict[str, str], mistakes: Mistakes
) -> None:
    files = {**shop, "actions.toml": shop["actions.toml"] + "\n[oops"}

    assert [mistake.file for mistake in mistakes(files)] == ["actions.toml"]


def test_rules_that_use_a_broken_attribute_do_not_hide_the_cause(
    shop: dict[str, str], mistakes: Mistakes
) -> None:
    files = dict(shop)
    files["base.toml"] = shop["base.toml"].replace('type = "int"', 'type = "integer"')

    assert [mistake.place for mistake in mistakes(files)] == ["attributes.age.type"]


def test_an_empty_catalog_says_what_it_needs(mistakes: Mistakes) -> None:
    assert [m.message for m in mistakes({})] == ["there are no files"]
    assert {m.place for m in mistakes({"a.toml": ""})} == {"channels", "placements", "actions"}


def test_a_folder_that_is_not_there_is_one_mistake() -> None:
    with pytest.raises(MistakesFound, match="such folder"):
        read_folder("/nowhere/at/all")

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from nba_engine.catalog import Vocabulary, load, read_folder
from nba_engine.domain import RuleFunction
from nba_engine.errors import MistakesFound

Files = dict[str, str]


def test_the_version_is_of_the_content_and_not_of_the_order_of_files(shop: Files) -> None:
    version = load(shop, Vocabulary()).version
    backwards = dict(reversed(list(shop.items())))
    changed = {**shop, "policy.toml": shop["policy.toml"].replace("amount = 2", "amount = 3")}

    assert re.fullmatch(r"[0-9a-f]{16}", version)
    assert load(backwards, Vocabulary()).version == version
    assert load(changed, Vocabulary()).version != version


def test_moving_text_from_one_file_to_another_is_another_version(shop: Files) -> None:
    first, second = {**shop, "y.toml": "# a\n# b"}, {**shop, "y.toml": "# a", "z.toml": "# b"}
    assert load(first, Vocabulary()).version != load(second, Vocabulary()).version


def test_a_catalog_keeps_the_files_it_was_made_of(shop: Files) -> None:
    assert load(shop, Vocabulary()).files == shop


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ('scope = ["customer"], window = "day"', "only limits that customers share"),
        ('window = "rolling 7d"', "has no end to spend by"),
        ('window = "lifetime"', "these actions have no season: "),
    ],
)
def test_a_pace_needs_a_shared_amount_and_an_end(shop: Files, limit: str, message: str) -> None:
    toml = f'limits.x = {{ measure = "contacts", amount = 9, pace = "even", {limit} }}'
    with pytest.raises(MistakesFound, match=message) as found:
        load({**shop, "more.toml": toml}, Vocabulary())
    assert [one.place for one in found.value.mistakes] == ["limits.x.pace"]


def test_plugins_add_functions_to_rules(shop: Files) -> None:
    files = {
        **shop,
        "x.toml": '[rules.x]\ntier = "eligibility"\nwhen = "is_even(customer.age)"',
    }
    is_even = RuleFunction(parameters=("int",), result="bool", call=lambda n: n % 2 == 0)

    table = load(files, Vocabulary(functions={"is_even": is_even})).rules["eligibility"]

    assert table.failing({"age": 20}, {}, 0.0) == 0
    assert table.failing({"age": 21}, {}, 0.0) & 1
    with pytest.raises(MistakesFound, match="is_even"):
        load(files, Vocabulary())


@pytest.mark.parametrize(
    ("toml", "place", "message"),
    [
        ("[channels.sms]", "channels.sms", "has no placement"),
        ("[actions.x]", "actions.x", "has no treatment"),
        ('treatment_sets.two.a = { channel = "email" }', "treatment_sets.two", "no action uses it"),
        (
            (
                'limits.x = { measure = "money", amount = 1, window = "day",'
                ' applies_to = { kinds = ["loyalty"] } }'
            ),
            "limits.x",
            "costs anything",
        ),
        (
            'rules.x = { tier = "suitability", when = "customer.last_store != \'a\'" }',
            "rules.x.when:1:1",
            "while customer.last_store is missing",
        ),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(
    shop: Files, toml: str, place: str, message: str
) -> None:
    (warning,) = load({**shop, "more.toml": toml}, Vocabulary()).warnings
    assert warning.file == "more.toml:1"
    assert warning.place == place
    assert message in warning.message
    assert warning.remedy


def test_many_conditions_that_no_table_answers_are_a_warning(shop: Files) -> None:
    rules = (
        f"[rules.r{n}]\ntier = 'suitability'\nwhen = 'customer.spent * {n}.5 > customer.avg_basket'"
        for n in range(501)
    )
    (warning,) = load({**shop, "more.toml": "\n".join(rules)}, Vocabulary()).warnings
    assert warning.place == "rules (suitability)"
    assert "501 conditions" in warning.message


def test_attributes_hold_whatever_rules_can_read(shop: Files) -> None:
    toml = """
[actions.x]
treatments_from = "standard"
[actions.x.attributes]
text = "a"
whole = 1
fraction = 0.5
yes = true
day = 1970-01-02T00:00:00Z
words = ["a", "b"]
numbers = [1, 2.5]
none = []
"""
    catalog = load({**shop, "more.toml": toml}, Vocabulary())
    assert catalog.actions[catalog.action_index["x"]].attributes == {
        "text": "a",
        "whole": 1,
        "fraction": 0.5,
        "yes": True,
        "day": 86_400.0,
        "words": ["a", "b"],
        "numbers": [1.0, 2.5],
        "none": [],
    }


def test_a_folder_is_read_by_name_and_only_its_toml_files(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_bytes(b"\xef\xbb\xbfb = 1")  # as some editors save UTF-8
    (tmp_path / "a.toml").write_text("a = 'ü'", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no")
    assert list(read_folder(tmp_path).items()) == [("a.toml", "a = 'ü'"), ("b.toml", "b = 1")]


def test_a_folder_that_cannot_be_read_is_told_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"a = '\xff'")
    (tmp_path / "b.toml").mkdir()
    with pytest.raises(MistakesFound) as found:
        read_folder(tmp_path)
    assert [mistake.file for mistake in found.value.mistakes] == ["a.toml", "b.toml"]
    assert "is not UTF-8 text (byte 5)" in found.value.mistakes[0].message
    assert "cannot be read" in found.value.mistakes[1].message


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(MistakesFound, match=r"there are no \*\.toml files"):
        read_folder(tmp_path)


def test_a_thousand_actions_and_rules_load_in_seconds(shop: Files) -> None:
    actions = [
        f"""[actions.a{n}]
group = "g{n % 40}"
campaign = "autumn"
tags = ["t{n % 100}"]
value = 1.5
treatments_from = "standard"
attributes = {{ category = "c{n % 300}", price = {n % 17 + 0.5} }}
[actions.a{n}.treatments.letter]
channel = "letter"
cost = 0.7
content = {{ text = "Dear customer {n}" }}
"""
        for n in range(1000)
    ]
    rules = [
        f"""[rules.r{n}]
tier = "{("eligibility", "applicability", "suitability")[n % 3]}"
when = "customer.age >= {n % 50} && customer.spent < {n}.5 && !(action.category in context.cart)"
applies_to = {{ tags = ["t{n % 100}"] }}
"""
        for n in range(1000)
    ]
    files = {**shop, "many.toml": "\n".join(actions + rules)}
    start = time.process_time()

    catalog = load(files, Vocabulary())

    assert len(catalog.actions) == 1006
    assert len(catalog.treatments) == 3012
    assert time.process_time() - start < 10  # about two seconds on a quiet core

"""Decision tables as files of a catalog: read, versioned, checked, and told in mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nba_engine.catalog import Vocabulary, load, load_leniently, read_folder
from nba_engine.errors import Mistake

Files = dict[str, str]
Mistakes = Callable[[Mapping[str, str]], tuple[Mistake, ...]]

RULE = """\
[rules.fit]
tier = "suitability"
table = "tables/fit.csv"
applies_to = { actions = ["milk"] }
"""
TABLE = "customer.age,action.id\n18..65,milk\n"


def with_table(shop: Files, text: str = TABLE, rule: str = RULE) -> Files:
    return {**shop, "more.toml": rule, "tables/fit.csv": text}


def test_tables_are_files_of_the_catalog_in_folders_below_it_too(tmp_path: Path) -> None:
    (tmp_path / "tables" / ".cache").mkdir(parents=True)
    (tmp_path / "a.toml").write_text("")
    (tmp_path / "top.csv").write_text("x")
    (tmp_path / "tables" / "fit.csv").write_bytes(b"\xef\xbb\xbf" + TABLE.encode())
    (tmp_path / "tables" / ".cache" / "old.csv").write_text("x")
    (tmp_path / "tables" / "notes.toml").write_text("not read")
    assert list(read_folder(tmp_path)) == ["a.toml", "tables/fit.csv", "top.csv"]
    assert read_folder(tmp_path)["tables/fit.csv"] == TABLE


def test_a_table_alone_makes_no_catalog(tmp_path: Path) -> None:
    (tmp_path / "top.csv").write_text(TABLE)
    with pytest.raises(Exception, match=r"there are no \*\.toml files"):
        read_folder(tmp_path)


def test_a_table_is_a_rule_of_its_tier(shop: Files) -> None:
    catalog = load(with_table(shop), Vocabulary())
    milk = next(i for i, t in enumerate(catalog.treatments) if t.action == "milk")
    (failed,) = catalog.rules["suitability"].explain(milk, {"age": 17}, {}, 0.0)
    assert (failed.rule, failed.text) == ("fit", "customer.age 18..65 (tables/fit.csv:2)")


def test_another_table_is_another_version(shop: Files) -> None:
    versions = {
        load(with_table(shop, text), Vocabulary()).version
        for text in (TABLE, TABLE.replace("65", "66"))
    }
    assert len(versions) == 2


def test_mistakes_name_file_row_and_column_with_the_folder(shop: Files) -> None:
    files = with_table(shop, "customer.age,customer.agge\n18-65,1\n")
    _, mistakes = load_leniently(files, Vocabulary(), folder="my/shop")
    assert [(m.file, m.place, m.message) for m in mistakes] == [
        ("my/shop/tables/fit.csv:1", "customer.agge", "undefined field 'agge' in customer"),
        ("my/shop/tables/fit.csv:2", "customer.age", "'18-65' is not a whole number"),
    ]
    assert str(mistakes[1]) == (
        "my/shop/tables/fit.csv:2: customer.age: '18-65' is not a whole number (write 18..65)"
    )


def test_a_table_that_two_rules_name_is_told_once(shop: Files, mistakes: Mistakes) -> None:
    twice = RULE + RULE.replace("rules.fit", "rules.again")
    assert len(mistakes(with_table(shop, "customer.age\nx\n", twice))) == 1


def test_headings_that_use_a_broken_attribute_do_not_hide_the_cause(
    shop: Files, mistakes: Mistakes
) -> None:
    files = with_table(shop)
    files["base.toml"] = shop["base.toml"].replace('type = "int"', 'type = "integer"')
    assert [mistake.place for mistake in mistakes(files)] == ["attributes.age.type"]


@pytest.mark.parametrize(
    ("rule", "place", "message", "remedy"),
    [
        (RULE.replace("fit.csv", "fitt.csv"), "table", "the catalog has no file", "fit.csv"),
        (RULE.replace("fit.csv", "fit.xlsx"), "table", "is not the name of a decision", ".csv"),
        (RULE.replace("tables/fit.csv", "../fit.csv"), "table", "the catalog has no file", "fit"),
        (RULE + 'when = "customer.age > 3"', "table", "condition in when, too", "two rules"),
        (RULE.replace("table =", "when ="), "when:1:", "unknown name 'tables'", ""),
        (RULE.replace('table = "tables/fit.csv"', ""), "when", "there is no condition", "table ="),
        (RULE.replace('"tables/fit.csv"', "3"), "table", "expected text", "quotes"),
    ],
)
def test_a_rule_without_a_right_condition_is_a_mistake(
    shop: Files, mistakes: Mistakes, rule: str, place: str, message: str, remedy: str
) -> None:
    if rule.startswith(RULE):
        rule = rule.replace("applies_to", 'when = "customer.age > 3"\napplies_to', 1)
        rule = rule.removesuffix('when = "customer.age > 3"')
    found = next(iter(mistakes(with_table(shop, rule=rule))))
    assert found.place.startswith(f"rules.fit.{place}")
    assert message in found.message
    assert remedy in found.remedy


def test_warnings_name_file_row_and_column(shop: Files) -> None:
    text = "customer.age,action.id\n18..65,milk\n70..,milk\n71..,mlik\n"
    files = {**with_table(shop, text), "tables/old.csv": "x"}
    warnings = {str(each) for each in load(files, Vocabulary()).warnings}
    assert {each for each in warnings if ".csv" in each} == {
        (
            "tables/fit.csv:3: customer.age: 66..69 lies between rows 2 and 3, and in no row "
            "(close the gap, unless it is meant)"
        ),
        (
            "tables/fit.csv:4: action.id: nothing that the rule is about has mlik "
            '(did you mean "milk"?)'
        ),
        "tables/old.csv:1: no rule uses this table (remove it)",
    }


def test_a_large_table_loads_in_seconds(shop: Files) -> None:
    columns = ["customer.age", "action.category", "action.price", "customer.purchases.MILK"]
    rows = [f"{n}..{n + 5},C{n % 100},> {n}.5,{n}" for n in range(999)]
    rows.append("1,FLUID MILK,-,-")
    files = with_table(shop, "\n".join([",".join(columns), *rows]))
    warnings = [str(each) for each in load(files, Vocabulary()).warnings]
    assert sum("rows without a use like these" in each for each in warnings) == 1

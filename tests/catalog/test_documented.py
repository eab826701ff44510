from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from nba_engine.catalog import (
    Vocabulary,
    contact_plan_schema,
    evidence,
    exploration,
    learning_schema,
    load,
    schema,
    slate_schema,
    value_schema,
)
from nba_engine.domain import (
    ActionKind,
    DeclaredKind,
    ExplorationMethod,
    Scope,
    Tier,
    Transform,
    WindowUnit,
)

PAGE = (Path(__file__).parents[2] / "docs/catalog.md").read_text()
SECTIONS = {
    "GeneralEntry": "[catalog]",
    "AttributeEntry": "[attributes.<name>]",
    "AggregateEntry": "[aggregates.<name>]",
    "ChannelEntry": "[channels.<id>]",
    "PlacementEntry": "[placements.<id>]",
    "ExplorationEntry": "[placements.<id>.exploration]",
    "ActionEntry": "[actions.<id>]",
    "TreatmentEntry": "[actions.<id>.treatments.<key>]",
    "RuleEntry": "[rules.<id>]",
    "Selector": "applies_to",
    "LimitEntry": "[limits.<id>]",
    "SlateRuleEntry": "[slate_rules.<id>]",
    "LeverEntry": "[levers.<id>]",
    "ControlGroupEntry": "[control_group]",
    "EvidenceEntry": "[evidence]",
    "ContactPlanEntry": "[contact_plan]",
    "ControlOfEntry": "[control_groups.<id>]",
    "ValueEntry": "[value]",
    "ValueModelEntry": "[value_model]",
    "OutcomeEntry": "[outcomes.<id>]",
    "FeatureEntry": "[features.<name>]",
}
STRUCTS = {
    name: getattr(module, name)
    for module in (
        schema,
        contact_plan_schema,
        exploration,
        evidence,
        learning_schema,
        slate_schema,
        value_schema,
    )
    for name in module.__all__
    if isinstance(getattr(module, name), type) and issubclass(getattr(module, name), msgspec.Struct)
}


def section(word: str) -> str:
    """The part of the page under the first heading that names ``word``."""
    for part in re.split(r"^## ", PAGE, flags=re.MULTILINE):
        if f"`{word}`" in part.partition("\n")[0]:
            return part
    pytest.fail(f"docs/catalog.md has no heading for {word}")


def test_every_kind_of_table_has_a_section() -> None:
    assert set(STRUCTS) == set(SECTIONS)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_tells_of_exactly_the_keys_there_are(name: str) -> None:
    text = section(SECTIONS[name])
    table = text.partition("| `kind` | is |")[0]  # what follows there are the kinds of aggregates
    rows = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    told = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert told == set(STRUCTS[name].__struct_fields__)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AttributeEntry", schema.TYPES),
        ("AggregateEntry", get_args(DeclaredKind)),
        ("ActionEntry", get_args(ActionKind)),
        ("RuleEntry", get_args(Tier)),
        ("ExplorationEntry", get_args(ExplorationMethod)),
        ("FeatureEntry", get_args(Transform)),
        ("LimitEntry", (*get_args(Scope), *get_args(WindowUnit))),
    ],
)
def test_the_page_tells_every_word_that_may_be_written(name: str, words: tuple[str, ...]) -> None:
    text = section(SECTIONS[name])
    assert [word for word in words if f"`{word}`" not in text] == []


def test_the_complete_example_is_a_catalog_without_warnings() -> None:
    example, *_ = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    catalog = load({"example.toml": example}, Vocabulary())
    assert [treatment.id for treatment in catalog.treatments] == ["wine.email", "nothing.email"]
    assert catalog.warnings == ()

"""docs/stages.md tells the stages, settings and reasons that there are."""

from __future__ import annotations

import re

import msgspec
import pytest

from nba_engine.engine import story
from nba_engine.stages import nba_stages
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "stages.md").read_text("utf-8")
STAGES = nba_stages()
ROWS = {
    name: (policy, set(re.findall(r"`(\w+)(?::<id>)?`", reasons)))
    for name, policy, reasons in re.findall(
        r"^\| \[`(\w+)`\]\(#\w+\) \| `(\w+)` \|(.*)\|$", PAGE, re.MULTILINE
    )
}


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0].partition("\n# ")[0]


def test_the_table_tells_every_stage_in_order_with_what_happens_when_it_fails() -> None:
    assert {name: policy for name, (policy, _) in ROWS.items()} == {
        name: factory.on_error for name, factory in STAGES.items()
    }
    assert list(ROWS) == list(STAGES)


def test_the_reasons_are_those_that_explanations_have_words_for() -> None:
    told = set().union(*(reasons for _, reasons in ROWS.values()))
    assert told == set(story._DROPPED) - {"stage_failed"}


@pytest.mark.parametrize("name", STAGES)
def test_the_section_of_a_stage_tells_exactly_its_settings(name: str) -> None:
    fields = {f.name: f.default for f in msgspec.structs.fields(STAGES[name].settings)}
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", section(name), re.MULTILINE))
    assert section(name)
    assert {key: value.strip('"') for key, value in rows.items()} == {
        key: "[]" if value == () else str(value) for key, value in fields.items()
    }

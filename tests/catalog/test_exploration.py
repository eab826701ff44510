"""How placements explore, and how actions learn, as catalogs say it."""

from __future__ import annotations

import pytest

from nba_engine.catalog import Vocabulary, load
from nba_engine.domain import EvidenceSpec, Exploration
from nba_engine.errors import MistakesFound

CATALOG = """
[channels.app]
[placements.banner]
channel = "app"
{}
[actions.nothing]
kind = "nothing"
"""


def exploration(text: str) -> Exploration | None:
    catalog = load({"a.toml": CATALOG.format(text)}, Vocabulary())
    return catalog.placements["banner"].exploration


def mistakes(text: str) -> list[str]:
    with pytest.raises(MistakesFound) as found:
        load({"a.toml": CATALOG.format(text)}, Vocabulary())
    return [f"{one.place}: {one.message}" for one in found.value.mistakes]


def test_a_placement_that_says_nothing_does_not_explore() -> None:
    assert exploration("") is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            'exploration = { method = "plackett_luce", temperature = 0.05 }',
            Exploration(method="plackett_luce", temperature=0.05),
        ),
        (
            'exploration = { method = "epsilon", share = 0.1 }',
            Exploration(method="epsilon", share=0.1),
        ),
    ],
)
def test_it_explores_as_it_says(text: str, wanted: Exploration) -> None:
    assert exploration(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{ temperature = 1.0 }", "placements.banner.exploration: 'method' is missing"),
        ('{ method = "plackett_luce" }', "exploration.temperature: plackett_luce needs it above 0"),
        ('{ method = "epsilon" }', "exploration.share: epsilon needs it above 0"),
        (
            '{ method = "epsilon", share = 0.1, temperature = 1.0 }',
            "exploration.temperature: means nothing to epsilon",
        ),
        ('{ method = "epsilon", share = 1.5 }', "exploration.share: 1.5 is out of range"),
        ('{ method = "greedy", share = 0.1 }', "'greedy' is not one of"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake(text: str, wanted: str) -> None:
    (found, *_) = mistakes(f"exploration = {text}")
    assert wanted in found


def test_a_catalog_without_evidence_has_none() -> None:
    assert load({"a.toml": CATALOG.format("")}, Vocabulary()).evidence is None


def test_evidence_is_there_as_soon_as_its_table_is() -> None:
    text = CATALOG.format("") + "[evidence]\ntrained = 200\n"
    spec = EvidenceSpec(start=50.0, group=100.0, trained=200)
    assert load({"a.toml": text}, Vocabulary()).evidence == spec


def test_evidence_cannot_start_at_nothing() -> None:
    with pytest.raises(MistakesFound, match=r"evidence\.start"):
        load({"a.toml": CATALOG.format("") + "[evidence]\nstart = 0\n"}, Vocabulary())

"""A catalog with mistakes: what is right of it is there to be checked further."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.catalog import Vocabulary, load_leniently, read_leniently
from nba_engine.domain import TIERS
from nba_engine.errors import Mistake

Shop = dict[str, str]


def found(files: Shop, *, complete: bool = True) -> list[Mistake]:
    return load_leniently(files, Vocabulary(), complete=complete)[1]


def test_a_catalog_without_mistakes_is_whole(shop: Shop) -> None:
    catalog, mistakes = load_leniently(shop, Vocabulary())
    assert mistakes == []
    assert catalog.files == shop


def test_treatments_remember_where_they_are_written(shop: Shop) -> None:
    catalog, _ = load_leniently(shop, Vocabulary())
    places = {(one.file, one.place) for one in catalog.treatments if one.action != "nothing"}
    assert ("actions.toml", "treatment_sets.standard.email") in places
    assert all(place.startswith(("treatment_sets.", "actions.")) for _, place in places)


def test_what_is_right_is_there_in_spite_of_mistakes(shop: Shop) -> None:
    more = (
        '[placements.odd]\nchannel = "emial"\n'
        '[rules.odd]\ntier = "eligibility"\nwhen = "customer.agee > 3"\n'
        '[catalog]\ntime_zone = "Mars"\n'
    )
    catalog, mistakes = load_leniently({**shop, "x.toml": more}, Vocabulary())
    assert len(mistakes) == 3
    assert "milk.email" in catalog.treatment_index
    assert set(catalog.rules) == set(TIERS)


def test_a_time_zone_that_there_is_not_leaves_a_usable_catalog(shop: Shop) -> None:
    files = {name: text.replace("America/New_York", "Mars") for name, text in shop.items()}
    catalog, mistakes = load_leniently(files, Vocabulary())
    assert {mistake.place for mistake in mistakes} == {"catalog.time_zone"}
    assert catalog.time_zone == "UTC"


def test_texts_that_use_what_is_broken_are_left_out(shop: Shop) -> None:
    more = (
        "[actions.x]\nattributes = { tone = [[1]], size = 2 }\n"
        'treatments.app = { channel = "app", content = '
        '{ a = "{{ action.tone }}", b = "{{ action.size }}" } }\n'
    )
    catalog, mistakes = load_leniently({**shop, "x.toml": more}, Vocabulary())
    assert [mistake.place for mistake in mistakes] == ["actions.x.attributes.tone"]
    assert list(catalog.treatments[catalog.treatment_index["x.app"]].content) == ["b"]


@pytest.mark.parametrize("broken", ["base.toml", "actions.toml", "policy.toml"])
def test_a_file_that_cannot_be_parsed_hides_no_mistake_of_the_others(
    shop: Shop, broken: str
) -> None:
    more = (
        '[limits.x]\nscope = ["customer"]\nmeasure = "contacts"\namount = -1\nwindow = "day"\n'
        '[rules.x]\ntier = "eligibility"\nwhen = "1 +"\n'
        '[rules.y]\ntier = "eligibility"\nwhen = "customer.known > 3"\n'
    )
    files = {**shop, broken: "[oops\n", "x.toml": more}
    assert [(one.file, one.place.partition(":")[0]) for one in found(files)] == [
        (broken, "1"),
        ("x.toml:4", "limits.x.amount"),
        ("x.toml:8", "rules.x.when"),
        ("x.toml:11", "rules.y.when"),
    ]


def test_what_a_file_that_was_not_read_may_hold_is_no_mistake(shop: Shop) -> None:
    for name in shop:
        assert found({name: shop[name]}, complete=False) == []


def test_files_are_named_with_their_folder_in_mistakes_and_warnings(shop: Shop) -> None:
    more = '[levers.x]\nfactr = 1\nfactor = 1\n[treatment_sets.unused.app]\nchannel = "app"\n'
    catalog, mistakes = load_leniently({**shop, "x.toml": more}, Vocabulary(), folder="my/shop")
    assert [mistake.file for mistake in mistakes] == ["my/shop/x.toml:2"]
    assert "my/shop/x.toml:4" in {warning.file for warning in catalog.warnings}
    empty = load_leniently({}, Vocabulary(), folder="my/shop")[1]
    assert [mistake.file for mistake in empty] == ["my/shop"]


def test_a_file_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a = 1")
    (tmp_path / "b.toml").write_bytes(b"\xff")
    files, mistakes = read_leniently(tmp_path, "shop")
    assert list(files) == ["a.toml"]
    assert [mistake.file for mistake in mistakes] == ["shop/b.toml"]

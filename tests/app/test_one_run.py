"""`check` names every mistake at once: no mistake hides another, none is told twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nba_engine.app import check, open_app
from nba_engine.app.check import prepared
from nba_engine.catalog import Catalog
from tests.app.folder import SETTINGS, write
from tests.engine.world import CATALOG
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

PROPENSITY = SETTINGS.replace('"prior"', '"propensity"\nsettings = { model = "MODEL" }')
CROSS_SELL = '[[pipeline]]\nstage = "cross_sell"\nsettings = { table = "complements" }\n'
MANIFEST = """
name = "m"
version = "1"
format = "onnx"
signature = "row"
[[features]]
name = "spent"
source = "customer.SOURCE"
[[features]]
name = "bought"
source = "customer.last_bought"
transform = "table"
key = "action.category"
table = "complements"
"""

# a wrong catalog → what is told of it
WRONG = {
    "a rule": ("customer.age >=", "customer.agge >=", "rules.adults.when"),
    "a dangling channel": (
        '[placements.newsletter]\nchannel = "email"',
        '[placements.newsletter]\nchannel = "emial"',
        "placements.newsletter.channel",
    ),
    "syntax": ("[context.cart]", "[context.cart", "14:"),
}


def told(path: Path) -> list[str]:
    return [str(mistake) for mistake in check(path, environ={})]


def find(lines: list[str], *words: str) -> str:
    (line,) = [line for line in lines if all(word in line for word in words)]
    return line


def model(folder: Path, source: str = "age") -> None:
    (folder / "model").mkdir()
    (folder / "model" / "manifest.toml").write_text(MANIFEST.replace("SOURCE", source))
    (folder / "model" / "model.onnx").write_bytes(b"junk")


@pytest.mark.parametrize("wrong", ["a rule", "a dangling channel"])
def test_a_mistake_in_the_catalog_hides_nothing(
    wrong: str, tmp_path: Path, distributions: Distributions
) -> None:
    old, new, place = WRONG[wrong]
    catalog = CATALOG.replace(old, new).replace("{{ action.name }}", "{{ action.nam }}")
    catalog = catalog.replace("amount = 1\n", "amount = -1\n")
    settings = PROPENSITY.replace("MODEL", "nope").replace(
        'stage = "value"', 'stage = "value"\nsettings = { x = 1 }'
    )
    settings += '[models]\nm = "model"\n[tables]\ncomplements = "junk.npz"\n'
    model(tmp_path)
    (tmp_path / "junk.npz").write_bytes(b"junk")
    lines = told(write(tmp_path, distributions, settings=settings, catalog=catalog))

    assert "catalog/shop.toml:" in find(lines, place)
    assert "negative" in find(lines, "limits.email_week.amount")
    assert "did you mean action.name?" in find(lines, "treatment_sets.standard.app.content.title")
    assert find(lines, "model.onnx")
    assert find(lines, "junk.npz")
    assert "models: m" in find(lines, "pipeline[3].settings.model", "'nope'")
    assert "unknown key" in find(lines, "pipeline[4].settings.x")
    assert len(lines) == 7


def test_a_catalog_file_that_cannot_be_parsed_hides_nothing_else(
    tmp_path: Path, distributions: Distributions
) -> None:
    settings = PROPENSITY.replace("MODEL", "nope") + '[models]\nm = "model"\n'
    model(tmp_path)
    path = write(tmp_path, distributions, settings=settings)
    (tmp_path / "catalog" / "broken.toml").write_text("[oops")
    (tmp_path / "catalog" / "unread.toml").write_bytes(b"\xff")
    shop = CATALOG.replace("{{ action.name }}", "{{ action.nam }}")
    (tmp_path / "catalog" / "shop.toml").write_text(shop)
    lines = told(path)
    assert find(lines, "catalog/broken.toml", "not TOML")
    assert find(lines, "catalog/unread.toml", "UTF-8")
    assert find(lines, "catalog/shop.toml:", "action.nam is missing")
    assert find(lines, "model.onnx")
    assert find(lines, "pipeline[3].settings.model")
    assert len(lines) == 5


def test_a_missing_catalog_is_told_once_and_hides_nothing(
    tmp_path: Path, distributions: Distributions
) -> None:
    settings = PROPENSITY.replace("MODEL", "nope") + '[catalog]\npath = "katalog"\n'
    lines = told(write(tmp_path, distributions, settings=settings))
    assert find(lines, "catalog.path", "there is no folder")
    assert find(lines, "pipeline[3].settings.model")
    assert len(lines) == 2


def test_a_model_and_a_table_that_are_not_there_are_told_once(
    tmp_path: Path, distributions: Distributions
) -> None:
    settings = PROPENSITY.replace("MODEL", "m") + CROSS_SELL
    settings += '[models]\nm = "gone"\n[tables]\ncomplements = "gone.npz"\n'
    lines = told(write(tmp_path, distributions, settings=settings))
    assert find(lines, "models.m", "there is no folder")
    assert find(lines, "tables.complements", "there is no file")
    assert len(lines) == 2


@pytest.mark.parametrize("section", ["models = 3\n", "models.m = 3\n"])
def test_a_model_whose_path_is_wrong_is_not_unknown_as_well(
    section: str, tmp_path: Path, distributions: Distributions
) -> None:
    settings = section + PROPENSITY.replace("MODEL", "m")
    (line,) = told(write(tmp_path, distributions, settings=settings))
    assert ":1: models" in line


def test_a_junk_table_is_no_mistake_of_the_model_that_uses_it(
    tmp_path: Path, distributions: Distributions
) -> None:
    settings = PROPENSITY.replace("MODEL", "m") + CROSS_SELL
    settings += '[models]\nm = "model"\n[tables]\ncomplements = "junk.npz"\n'
    model(tmp_path, source="agge")
    (tmp_path / "junk.npz").write_bytes(b"junk")
    lines = told(write(tmp_path, distributions, settings=settings))
    assert find(lines, "junk.npz")
    assert find(lines, "features[0].source", "customer.agge")
    assert find(lines, "model.onnx")
    assert len(lines) == 3


def test_an_unknown_table_is_told_at_the_setting_that_names_it(
    tmp_path: Path, distributions: Distributions
) -> None:
    (line,) = told(write(tmp_path, distributions, settings=SETTINGS + CROSS_SELL))
    assert "pipeline[7].settings.table: there is no table 'complements'" in line


@pytest.mark.parametrize(
    ("entry", "place"),
    [("stage = 3", "pipeline[7].stage"), ("on_error = 'drop'", "pipeline[7]")],
)
def test_an_entry_of_the_pipeline_without_a_stage_hides_no_other_entry(
    entry: str, place: str, tmp_path: Path, distributions: Distributions
) -> None:
    settings = SETTINGS.replace('"value"', '"vlaue"') + f"[[pipeline]]\n{entry}\n"
    lines = told(write(tmp_path, distributions, settings=settings))
    assert find(lines, f"{place}: ")
    assert find(lines, "pipeline[4].stage")
    assert len(lines) == 2


def test_no_stages_are_told_once(tmp_path: Path, distributions: Distributions) -> None:
    store = SETTINGS.partition("[[pipeline]]")[0]
    (line,) = told(write(tmp_path, distributions, settings=store))
    assert "there are no stages" in line


def test_a_channel_that_cannot_be_built_is_no_mistake_of_the_slate(
    tmp_path: Path, distributions: Distributions
) -> None:
    catalog = CATALOG.replace('name = "App"', 'name = "App"\nsettings = { widht = 3 }')
    (line,) = told(write(tmp_path, distributions, catalog=catalog))
    assert "catalog/shop.toml:" in line
    assert "channels.app.settings.widht" in line


def test_a_channel_that_fails_over_a_treatment_is_named_with_its_plugin(
    tmp_path: Path, distributions: Distributions
) -> None:
    code = (
        "from nba_engine.domain import ChannelFactory\n"
        'from nba_engine.plugin import hookimpl\nnba_plugin_api = "1.0"\n'
        "class Fax:\n    def prepare(self, treatment):\n        raise OSError('no paper')\n"
        "@hookimpl\ndef nba_channels():\n"
        "    return {'fax': ChannelFactory(build=lambda settings, catalog: Fax())}\n"
    )
    distributions.install("nba-fax", code, plugin="fax")
    catalog = CATALOG.replace('name = "E-mail"', 'name = "E-mail"\nkind = "fax"')
    lines = told(write(tmp_path, distributions, catalog=catalog))
    assert all("plugin 'fax' could not prepare" in line for line in lines)
    assert "OSError: no paper" in find(lines, "'milk.email'", "treatment_sets.standard.email")


def test_no_mistake_is_told_twice(tmp_path: Path, distributions: Distributions) -> None:
    old, new, _ = WRONG["syntax"]
    lines = told(write(tmp_path, distributions, catalog=CATALOG.replace(old, new)))
    assert max(Counter(lines).values()) == 1
    assert len(lines) == 1


def test_one_typo_in_a_set_of_many_actions_is_one_mistake(
    tmp_path: Path, distributions: Distributions
) -> None:
    many = "".join(f'[actions.a{n}]\ntreatments_from = "standard"\n' for n in range(150))
    catalog = CATALOG.replace("{{ action.name }}", "{{ action.nam }}") + many
    (line,) = told(write(tmp_path, distributions, catalog=catalog))
    assert "catalog/shop.toml:" in line
    assert "standard.app.content.title: action.nam is missing" in line


def test_a_catalog_sent_for_validation_is_named_as_it_was_sent(
    tmp_path: Path, distributions: Distributions
) -> None:
    sent = CATALOG.replace("{{ action.name }}", "{{ action.nam }}").replace("customer.age", "c.age")
    with open_app(write(tmp_path, distributions), environ={}) as app:
        found = app.engine.validate_catalog({"mine.toml": sent})
    assert {mistake.place.partition(":")[0] for mistake in found} == {
        "rules.adults.when",
        "treatment_sets.standard.app.content.title",
    }
    assert all(mistake.file.startswith("mine.toml:") for mistake in found)


def test_warnings_are_named_with_their_folder_from_where_the_settings_are(
    tmp_path: Path, distributions: Distributions, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = CATALOG + '[treatment_sets.unused.app]\nchannel = "app"\n'
    path = write(tmp_path, distributions, catalog=catalog)
    monkeypatch.chdir(tmp_path.parent)
    for given, shown in (
        (path, f"{tmp_path}/catalog/shop.toml:"),
        (path.relative_to(tmp_path.parent), f"{tmp_path.name}/catalog/shop.toml:"),
    ):
        snapshot = prepared(given, {}).snapshot
        assert snapshot is not None
        assert isinstance(snapshot.catalog, Catalog)
        assert [one.file.startswith(shown) for one in snapshot.catalog.warnings] == [True]

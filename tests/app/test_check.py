from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.app import check
from tests.app.folder import SETTINGS, write
from tests.engine.world import CATALOG
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]


def test_a_good_folder_has_no_mistakes_and_nothing_is_created(
    tmp_path: Path, distributions: Distributions
) -> None:
    path = write(tmp_path, distributions)
    before = sorted(each.name for each in tmp_path.iterdir())
    assert check(path, environ={}) == []
    after = sorted(each.name for each in tmp_path.iterdir() if each.name != "__pycache__")
    assert after == before


def test_one_run_finds_the_mistakes_of_every_part(
    tmp_path: Path, distributions: Distributions
) -> None:
    distributions.install("nba-broken", "raise RuntimeError('no license')", plugin="broken")
    (tmp_path / "bad-model").mkdir()
    (tmp_path / "bad.npz").write_bytes(b"junk")
    settings = (
        SETTINGS.replace('"value"', '"vlaue"').replace("sqlite:data", "sqlight:data")
        + '[[pipeline]]\nstage = "propensity"\nsettings = { modell = "x" }\n'
        + '[server]\nthreads = "many"\n'
        + '[models]\npropensity = "bad-model"\n[tables]\ncomplements = "bad.npz"\n'
        + '[plugins]\ndisabled = ["wether"]\n'
    )
    catalog = CATALOG.replace("{{ action.name }} for you", "{{ action.name for you")
    path = write(tmp_path, distributions, settings=settings, catalog=catalog)
    told = [str(mistake) for mistake in check(path, environ={})]

    def find(*words: str) -> str:
        (line,) = [line for line in told if all(word in line for word in words)]
        return line

    assert "nba.toml:" in find("server.threads")
    assert "no license" in find("plugin broken")
    assert "wether" in find("plugins.disabled")
    assert '"sqlite"' in find("store.url", "sqlight")
    assert '"value"' in find("pipeline[4].stage", "vlaue")
    assert "model" in find("pipeline[7].settings.modell")
    assert find("bad-model")
    assert find("bad.npz")
    assert "treatment_sets.standard.app.content.title" in find("catalog/shop.toml:")


def test_a_broken_catalog_does_not_hide_mistakes_of_the_pipeline(
    tmp_path: Path, distributions: Distributions
) -> None:
    path = write(
        tmp_path,
        distributions,
        settings=SETTINGS.replace('"arbitration"', '"arbitrage"'),
        catalog=CATALOG.replace("customer.age >=", "customer.agge >="),
    )
    told = "\n".join(str(mistake) for mistake in check(path, environ={}))
    assert "agge" in told
    assert '"arbitration"' in told


def test_a_model_that_no_setting_names_is_told(
    tmp_path: Path, distributions: Distributions
) -> None:
    settings = SETTINGS.replace('stage = "prior"', 'stage = "propensity"')
    path = write(tmp_path, distributions, settings=settings)
    (mistake,) = check(path, environ={})
    assert "there is no model 'propensity' under [models]" in mistake.message


@pytest.mark.parametrize("text", [None, "stage = [", b"\xff\xfe"])
def test_settings_that_cannot_be_read_are_one_clear_mistake(
    text: str | bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "nba.toml"
    if isinstance(text, str):
        path.write_text(text)
    elif text is not None:
        path.write_bytes(text)
    (mistake,) = check(path, environ={})
    assert mistake.file == str(path)


def test_channel_settings_and_a_channel_that_cannot_be_built_are_mistakes(
    tmp_path: Path, distributions: Distributions
) -> None:
    code = (
        "import msgspec\n"
        "from nba_engine.domain import ChannelFactory\n"
        'from nba_engine.plugin import hookimpl\nnba_plugin_api = "1.0"\n'
        "class Settings(msgspec.Struct, frozen=True):\n    sender: str = ''\n"
        "def build(settings, catalog):\n    raise OSError('no line')\n"
        "@hookimpl\ndef nba_channels():\n"
        "    return {'fax': ChannelFactory(build=build, settings=Settings)}\n"
    )
    distributions.install("nba-fax", code, plugin="fax")
    more = (
        '[channels.fax]\nname = "Fax"\nkind = "fax"\n'
        '[channels.telex]\nname = "Telex"\nkind = "fax"\nsettings = { sendr = "us" }\n'
    )
    path = write(tmp_path, distributions, catalog=CATALOG + more)
    told = "\n".join(str(mistake) for mistake in check(path, environ={}))
    assert "'fax' of plugin 'fax' could not be built: OSError: no line" in told
    assert "sendr" in told


def test_a_model_runtime_that_cannot_start_is_a_mistake_that_names_its_plugin(
    tmp_path: Path, distributions: Distributions
) -> None:
    code = (
        'from nba_engine.plugin import hookimpl\nnba_plugin_api = "1.0"\n'
        "def start():\n    raise OSError('no library')\n"
        "@hookimpl\ndef nba_model_runtimes():\n    return {'other': start}\n"
    )
    distributions.install("nba-runtime", code, plugin="runtime")
    (tmp_path / "model").mkdir()
    path = write(tmp_path, distributions, settings=SETTINGS + '[models]\nm = "model"\n')
    told = "\n".join(str(mistake) for mistake in check(path, environ={}))
    assert "'other' of plugin 'runtime' cannot start: OSError: no library" in told


def test_a_contact_plan_with_too_many_patterns_is_found_before_anybody_plans(
    tmp_path: Path, distributions: Distributions
) -> None:
    costs = "\n".join(
        f'[actions.cost{n}]\nvalue = 9.0\ntreatments.letter = {{ channel = "post", cost = {n / 100} }}'
        for n in range(40)
    )
    head = '[channels.post]\ndirection = "outbound"\n[placements.mail]\nchannel = "post"\n'
    plan = (
        '\n[contact_plan]\nperiod = "7d"\nplacements = ["mail"]\nperiods = {}\nmost_contacts = 3\n'
    )
    path = write(tmp_path, distributions, catalog=CATALOG + head + costs + plan.format(8))
    (mistake,) = check(path, environ={})
    told = str(mistake)
    line = 1 + (tmp_path / "catalog" / "shop.toml").read_text().split("\n").index("[contact_plan]")
    assert f"shop.toml:{line}: contact_plan" in told
    assert "40 different costs, 8 periods and chains of 3 make" in told
    assert "round the costs" in told
    (tmp_path / "catalog" / "shop.toml").write_text(CATALOG + head + costs + plan.format(2))
    assert check(path, environ={}) == []

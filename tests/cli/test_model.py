"""`nba model` on a shop that nobody serves: versions, promotions, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nba_engine.app import open_app
from nba_engine.domain import Feature
from nba_engine.learning import LogisticModel, Provenance, export_logistic
from nba_engine.models.registry import ModelRegistry
from tests.cli.conftest import Nba


def export(folder: Path, bias: float) -> Path:
    """A made-up model with one feature that the shop has."""
    model = LogisticModel(
        weights=np.array([10.0]),
        bias=bias,
        calibration=(1.0, 0.0),
        strength=1.0,
        validation_log_loss=0.0,
    )
    export_logistic(
        folder,
        model,
        name="propensity",
        version=f"bias {bias:g}",
        features=(Feature(name="prior", source="action.prior"),),
        held_out=np.random.default_rng(1).random((32, 1), dtype=np.float32),
        provenance=Provenance(metrics={"auc": 0.7 - bias / 100, "log_loss": 0.2}),
    )
    return folder


@pytest.fixture
def settings(shop: Path) -> Path:
    """The corner shop with a model of the registry."""
    text = shop.read_text().replace(
        '[[pipeline]]\nstage = "value"',
        '[[pipeline]]\nstage = "propensity"\n[[pipeline]]\nstage = "value"',
    )
    shop.write_text('[models]\npropensity = "registry:propensity"\n' + text)
    for name, bias in (("one", -3.0), ("two", -2.0)):
        export(shop.parent / name, bias)
    broken = shutil.copytree(shop.parent / "two", shop.parent / "broken")
    shutil.copy(shop.parent / "one" / "probes.npz", broken)
    return shop


def add(nba: Nba, settings: Path, name: str) -> str:
    code = nba("model", "add", "propensity", settings.parent / name, "-s", settings, "--note", name)
    assert code == 0
    version = nba.out.split()[-1]
    assert nba.out == f"model propensity: version {version}\n"
    return version


def test_versions_are_added_listed_promoted_and_rolled_back(nba: Nba, settings: Path) -> None:
    assert nba("model", "list", "-s", settings) == 0
    assert "holds no version" in nba.out
    one, two = add(nba, settings, "one"), add(nba, settings, "two")
    assert add(nba, settings, "two") == two

    assert nba("model", "promote", "propensity", one[:7], "-s", settings, "-m", "go") == 0
    assert nba.out == (
        f"model propensity: version {one} is promoted; the next server that starts decides with it\n"
    )
    with open_app(settings, environ={}, publish=True) as app:
        assert app.engine.model_versions == {"propensity": one}
    assert nba("model", "promote", "propensity", "-s", settings) == 0  # the one added last
    assert nba.out == f"model propensity: version {two} is in force\n"
    assert nba("model", "promote", "propensity", two, "-s", settings) == 0
    assert nba.out == f"model propensity: version {two} is promoted already: nothing changed\n"

    assert nba("model", "list", "-s", settings) == 0
    header, latest, earlier = nba.out.splitlines()
    assert header.split()[:3] == ["model", "version", "status"]
    assert latest.split()[:4] == ["propensity", two, "in", "force"]
    assert earlier.split()[:3] == ["propensity", one, "past"]

    assert nba("model", "rollback", "propensity", "-s", settings, "-m", "worse") == 0
    assert nba.out == f"model propensity: version {one} is in force\n"
    with open_app(settings, environ={}) as app:
        assert app.engine.model_versions == {"propensity": one}
        (latest_publication, *_) = app.engine.catalogs.history()
    assert latest_publication[0].origin == "model"
    assert latest_publication[0].comment == f"propensity {one}: worse"


def test_what_is_shown_tells_the_model_and_how_it_differs_from_the_promoted_one(
    nba: Nba, settings: Path
) -> None:
    one, two = add(nba, settings, "one"), add(nba, settings, "two")
    nba("model", "promote", "propensity", one, "-s", settings, "-m", "go", "--author", "ada")
    assert nba("model", "show", "propensity", two[:6], "-s", settings) == 0
    assert f"model propensity, version {two}" in nba.out
    words = [line.split() for line in nba.out.splitlines()]
    assert ["auc", "0.72", "0.73", "-0.01"] in words
    assert ["prior", "action.prior", "0"] in words
    assert nba("model", "show", "propensity", one, "-s", settings, "--json") == 0
    told = json.loads(nba.out)
    assert (told["version"], told["status"], told["note"]) == (one, "promoted", "one")
    assert told["manifest"]["metrics"] == {"auc": 0.73, "log_loss": 0.2}
    assert [(p["author"], p["comment"]) for p in told["promotions"]] == [("ada", "go")]
    assert nba("model", "list", "--json", "-s", settings) == 0
    assert [one["version"] for one in json.loads(nba.out)["propensity"]["versions"]] == [two, one]


def test_a_broken_model_is_neither_added_nor_promoted(nba: Nba, settings: Path) -> None:
    one = add(nba, settings, "one")
    nba("model", "promote", "propensity", one, "-s", settings)
    assert nba("model", "add", "propensity", settings.parent / "broken", "-s", settings) == 78
    assert "differs from the recorded probes" in nba.err
    registry = ModelRegistry(settings.parent / "registry")
    wrong = registry.add("propensity", settings.parent / "broken").version  # past the command
    assert nba("model", "promote", "propensity", wrong, "-s", settings) == 78
    assert "differs from the recorded probes" in nba.err
    assert [entry.version for entry in registry.history("propensity")] == [one]


def test_a_model_that_does_not_fit_the_catalog_is_not_promoted(nba: Nba, settings: Path) -> None:
    one = add(nba, settings, "one")
    manifest = settings.parent / "two" / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("action.prior", "customer.shoe_size"))
    two = add(nba, settings, "two")
    nba("model", "promote", "propensity", one, "-s", settings)
    assert nba("model", "promote", "propensity", two, "-s", settings) == 78
    assert "customer.shoe_size is not declared" in nba.err
    assert nba("check", "-s", settings) == 0


def test_what_there_is_not_is_one_sentence(nba: Nba, settings: Path) -> None:
    assert nba("check", "-s", settings) == 78
    assert "no version of the model 'propensity' is promoted" in nba.err
    assert "nba model promote propensity VERSION" in nba.err
    one = add(nba, settings, "one")
    assert nba("model", "promote", "propensity", "nonsense", "-s", settings) == 1
    assert "no version begins with 'nonsense'" in nba.err
    nba("model", "promote", "propensity", one, "-s", settings)
    assert nba("model", "rollback", "propensity", "-s", settings) == 1
    assert "before the one that is" in nba.err
    assert nba("model", "show", "unknown", "-s", settings) == 1


def test_a_name_that_no_settings_follow_is_promoted_and_says_so(nba: Nba, settings: Path) -> None:
    one = add(nba, settings, "one")
    nba("model", "promote", "propensity", one, "-s", settings)
    nba("model", "add", "spare", settings.parent / "two", "-s", settings)
    assert nba("model", "promote", "spare", "-s", settings) == 0
    assert 'no model of the settings is "registry:spare"' in nba.out

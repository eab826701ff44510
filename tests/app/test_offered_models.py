"""Models that plugins offer: `[models] name = "plugin:<offered>"`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.app import check, open_app
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.errors import MistakesFound
from tests.app.folder import SETTINGS, write
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

MODELS = """
from pathlib import Path
from nba_engine.domain import ModelFactory
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.plugin import hookimpl
from nba_engine.testing import FixedScorer

nba_plugin_api = "1.0"

def picky(catalog):
    raise MistakesFound([Mistake(file="x", place="y", message="no category anywhere")])

def broken(catalog):
    raise SystemExit("no license")

@hookimpl
def nba_models():
    return {
        "wine": ModelFactory(build=lambda c: FixedScorer(c, {"wine": 0.9}, otherwise=0.01)),
        "picky": ModelFactory(build=picky),
        "broken": ModelFactory(build=broken),
        "nowhere": Path("/there/is/no/such/folder"),
    }
"""


def folder(tmp_path: Path, distributions: Distributions, model: str) -> Path:
    distributions.install("nba-models", MODELS, plugin="models")
    settings = SETTINGS.replace('stage = "prior"', 'stage = "propensity"')
    settings += f'[models]\npropensity = "plugin:{model}"\n'
    return write(tmp_path, distributions, settings=settings)


def test_a_model_that_is_code_scores_and_its_version_is_part_of_the_decision(
    tmp_path: Path, distributions: Distributions
) -> None:
    with open_app(folder(tmp_path, distributions, "wine"), environ={}) as app:
        request = DecisionRequest(identity="crm:1", placements=(PlacementRequest("banner", 32),))
        decision = app.engine.decide(request)
        assert decision.model_versions == {"propensity": "fixed"}
        assert {one.propensity for one in decision.recommendations} == {0.01}  # too young for wine
        assert app.engine.explain(decision.decision_id).decision == decision


@pytest.mark.parametrize(
    ("model", "place", "told"),
    [
        ("wien", "models.propensity", "no plugin offers a model 'wien'"),
        ("picky", "y", "no category anywhere"),
        (
            "broken",
            "models.propensity",
            "model 'broken' of plugin 'models' could not be built: SystemExit: no license",
        ),
        ("nowhere", "", "/there/is/no/such/folder/manifest.toml"),
    ],
)
def test_a_model_that_cannot_be_had_is_one_mistake_with_its_place(
    tmp_path: Path, distributions: Distributions, model: str, place: str, told: str
) -> None:
    path = folder(tmp_path, distributions, model)
    found = check(path, environ={})
    assert len(found) == 1, found
    (mistake,) = found
    assert mistake.place == place
    assert told in str(mistake)
    if model == "wien":
        assert mistake.remedy == 'did you mean "wine"?'
        assert mistake.file.startswith(str(path))
    with pytest.raises(MistakesFound):
        open_app(path, environ={})

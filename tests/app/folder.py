"""A settings folder on disk: nba.toml, a catalog, and an installed plugin with the prior stage."""

from __future__ import annotations

from pathlib import Path

from tests.engine.world import CATALOG
from tests.plugin.distributions import Distributions

PRIOR = """
from nba_engine.domain import StageFactory
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"

class Prior:
    def __init__(self, settings, resources):
        self.prior = resources.catalog.prior

    def apply(self, deciding):
        candidates = deciding.candidates
        candidates["propensity"] = self.prior[candidates.index]

@hookimpl
def nba_stages():
    return {"prior": StageFactory(build=Prior)}
"""

SETTINGS = """
[store]
url = "sqlite:data/nba.db"
decision_log = "data/decisions.db"
[[pipeline]]
stage = "profile"
[[pipeline]]
stage = "eligibility"
[[pipeline]]
stage = "contact_policy"
[[pipeline]]
stage = "prior"
[[pipeline]]
stage = "value"
[[pipeline]]
stage = "arbitration"
[[pipeline]]
stage = "slate"
"""


def write(
    folder: Path,
    distributions: Distributions,
    *,
    settings: str = SETTINGS,
    catalog: str = CATALOG,
) -> Path:
    distributions.install("nba-prior", PRIOR, plugin="prior")
    (folder / "catalog").mkdir()
    (folder / "catalog" / "shop.toml").write_text(catalog)
    path = folder / "nba.toml"
    path.write_text(settings)
    return path

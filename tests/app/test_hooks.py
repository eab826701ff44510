"""Each hook, used by an installed plugin the way its documentation says."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.app import check, open_app
from nba_engine.domain import DecisionRequest, PlacementRequest, ProfileUpdate
from nba_engine.errors import MistakesFound
from tests.app.folder import SETTINGS, write
from tests.engine.world import CATALOG
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

STORE = """
from nba_engine.plugin import hookimpl
from nba_engine.store import open_store

nba_plugin_api = "1.0"

opened = []

def open_it(url, *, create, simulated):
    opened.append((url, create, simulated))
    return open_store(url.removeprefix("shelf:"), create=create, simulated=simulated)

@hookimpl
def nba_stores():
    return {"shelf": open_it}
"""

FUNCTION = """
from nba_engine.domain import RuleFunction
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"

@hookimpl
def nba_rule_functions():
    return {
        "is_even": RuleFunction(parameters=("int",), result="bool", call=lambda n: n % 2 == 0)
    }
"""

CHANNEL = """
from nba_engine.domain import ChannelFactory
from nba_engine.errors import RenderFailed
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"

class Shouting:
    def prepare(self, treatment):
        def render(seen):
            if "first_name" not in seen["customer"]:
                raise RenderFailed("nobody to shout at")
            return {"text": seen["customer"]["first_name"].upper()}
        return render

@hookimpl
def nba_channels():
    return {"shouting": ChannelFactory(build=lambda settings, catalog: Shouting())}
"""


def ask(identity: str, placement: str = "banner") -> DecisionRequest:
    return DecisionRequest(identity=identity, placements=(PlacementRequest(placement, 9),))


def test_a_store_of_a_plugin_is_opened_by_its_scheme(
    tmp_path: Path, distributions: Distributions
) -> None:
    distributions.install("nba-shelf", STORE, plugin="shelf")
    url = f"shelf:{tmp_path}/shelf.db"
    path = write(tmp_path, distributions, settings=SETTINGS.replace("sqlite:data/nba.db", url))
    assert check(path, environ={}) == []
    assert not (tmp_path / "shelf.db").exists()
    with open_app(path, environ={}) as app:
        assert app.engine.decide(ask("crm:1")).recommendations
    assert (tmp_path / "shelf.db").exists()


def test_a_rule_function_of_a_plugin_decides(tmp_path: Path, distributions: Distributions) -> None:
    distributions.install("nba-even", FUNCTION, plugin="even")
    catalog = CATALOG.replace("customer.age >= 18", "is_even(customer.age)")
    path = write(tmp_path, distributions, catalog=catalog)
    with open_app(path, environ={}) as app:
        for identity, age in (("crm:1", 40), ("crm:2", 41)):
            app.engine.update_profile(ProfileUpdate(identity=identity, attributes={"age": age}))
        even, odd = app.engine.decide(ask("crm:1")), app.engine.decide(ask("crm:2"))
    assert "wine" in {one.action for one in even.recommendations}
    assert "wine" not in {one.action for one in odd.recommendations}


def test_a_rule_function_that_nobody_offers_is_a_mistake(
    tmp_path: Path, distributions: Distributions
) -> None:
    catalog = CATALOG.replace("customer.age >= 18", "is_even(customer.age)")
    path = write(tmp_path, distributions, catalog=catalog)
    with pytest.raises(MistakesFound, match="is_even"):
        open_app(path, environ={})


def test_a_channel_of_a_plugin_renders_its_treatments(
    tmp_path: Path, distributions: Distributions
) -> None:
    distributions.install("nba-shouting", CHANNEL, plugin="shouting")
    catalog = CATALOG.replace('name = "App"', 'name = "App"\nkind = "shouting"')
    path = write(tmp_path, distributions, catalog=catalog)
    with open_app(path, environ={}) as app:
        update = ProfileUpdate(identity="crm:1", attributes={"first_name": "Ada"})
        app.engine.update_profile(update)
        named = app.engine.decide(ask("crm:1"))
        nameless = app.engine.decide(ask("crm:9"))
    assert named.recommendations[0].content == {"text": "ADA"}
    assert nameless.dropped["slate/render_failed"] > 0
    assert [one.action for one in nameless.recommendations] == ["nothing"]

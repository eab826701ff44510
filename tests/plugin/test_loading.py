from __future__ import annotations

import pytest

from nba_engine.errors import MistakesFound
from nba_engine.plugin import API_VERSION, Plugins, PluginStatus, hookimpl, load_plugins
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

HOOK = "from nba_engine.plugin import hookimpl\nnba_plugin_api = '1.0'\n"
STAGE = """
from nba_engine.domain import StageFactory
from nba_engine.plugin import hookimpl
nba_plugin_api = "1.0"
@hookimpl
def nba_stages():
    return {"%s": StageFactory(build=lambda settings, resources: None)}
"""


def status(plugins: Plugins, name: str) -> PluginStatus:
    return next(each for each in plugins.statuses if each.name == name)


def test_an_installed_plugin_is_found_and_fills_the_register(distributions: Distributions) -> None:
    distributions.install("nba-sunny", STAGE % "weather", plugin="sunny")
    plugins = load_plugins({})
    assert "weather" in plugins.require().stages
    assert plugins.register.stages.plugin("weather") == "sunny"
    assert status(plugins, "sunny") == PluginStatus(
        name="sunny",
        distribution="nba-sunny",
        version="1.2",
        api="1.0",
        hooks=("nba_stages",),
        loaded=True,
    )


BROKEN = {
    "raises_at_import": ("raise RuntimeError('no license')", "RuntimeError: no license"),
    "exits_at_import": ("import sys; sys.exit(3)", "SystemExit"),
    "does_not_parse": ("def (", "SyntaxError"),
    "misses_a_module": ("import there_is_no_such_module", "there_is_no_such_module"),
    "implements_nothing": ("nba_plugin_api = '1.0'", "implements no hook"),
    "misspells_a_hook": (
        (STAGE % "a").replace("def nba_stages", "def nba_stagse"),
        "no hook 'nba_stagse'; did you mean 'nba_stages'?",
    ),
    "takes_a_wrong_argument": ((STAGE % "a").replace("()", "(engine)", 1), "engine"),
    "raises_in_a_hook": (
        HOOK + "@hookimpl\ndef nba_stages():\n    return 1 / 0",
        "nba_stages failed: ZeroDivisionError",
    ),
    "exits_in_a_hook": (
        HOOK + "@hookimpl\ndef nba_stages():\n    raise SystemExit",
        "nba_stages failed: SystemExit",
    ),
    "returns_a_list": (
        HOOK + "@hookimpl\ndef nba_stages():\n    return ['a']",
        "returned list, not a mapping",
    ),
    "offers_something_else": (
        HOOK + "@hookimpl\ndef nba_stages():\n    return {'a': 1}",
        "nba_stages offers 'a', which is not a StageFactory",
    ),
    "names_no_api_version": (
        (STAGE % "a").replace('nba_plugin_api = "1.0"\n', ""),
        "does not say for which plugin API it was made",
    ),
    "names_no_version_at_all": (
        (STAGE % "a").replace('"1.0"', "1.0"),
        "its nba_plugin_api is 1.0, not a version",
    ),
    "is_made_for_a_later_minor_version": (
        (STAGE % "a").replace('"1.0"', '"1.1"'),
        "it was made for plugin API 1.1, this engine has 1.0",
    ),
    "is_made_for_another_major_version": (
        (STAGE % "a").replace('"1.0"', '"2.0"'),
        "it was made for plugin API 2.0, this engine has 1.0",
    ),
    "offers_a_relative_model_folder": (
        "from pathlib import Path\n" + HOOK + "@hookimpl\n"
        "def nba_models():\n    return {'a': Path('models/a')}",
        "which is not a ModelFactory or the absolute path of a model's folder",
    ),
    "wraps_a_hook": (
        (HOOK + "@hookimpl(wrapper=True)\ndef nba_stages():\n    return (yield)"),
        "wrapper",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_stops_the_start_and_is_named_with_its_problem(
    how: str, distributions: Distributions
) -> None:
    code, problem = BROKEN[how]
    distributions.install("nba-broken", code, plugin="broken")
    plugins = load_plugins({})
    with pytest.raises(MistakesFound) as caught:
        plugins.require()
    (mistake,) = caught.value.mistakes
    assert mistake.file == "plugin broken"
    assert mistake.place == "nba-broken 1.2"
    assert problem in mistake.message
    assert mistake.remedy
    assert not status(plugins, "broken").loaded
    assert problem in status(plugins, "broken").problem


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_plugin_that_is_optional_is_left_out(
    how: str, distributions: Distributions
) -> None:
    distributions.install("nba-broken", BROKEN[how][0], plugin="broken")
    distributions.install("nba-good", STAGE % "good", plugin="good")
    plugins = load_plugins({}, optional=["broken"])
    stages = plugins.require().stages  # other plugins may be installed here
    assert (stages.of("good"), stages.of("broken")) == (["good"], [])
    assert BROKEN[how][1] in status(plugins, "broken").problem


def test_an_entry_point_that_leads_to_none_is_broken(distributions: Distributions) -> None:
    distributions.install("nba-none", "plugin = None", plugin="none", target="nba_none:plugin")
    assert "leads to None" in status(load_plugins({}), "none").problem


def test_a_disabled_plugin_is_not_even_imported(distributions: Distributions) -> None:
    distributions.install("nba-broken", "raise SystemExit", plugin="broken")
    plugins = load_plugins({}, disabled=["broken"])
    plugins.require()
    assert status(plugins, "broken").problem == "disabled in the settings"


def test_disabling_a_plugin_that_is_not_there_is_a_mistake(distributions: Distributions) -> None:
    distributions.install("nba-sunny", STAGE % "weather", plugin="sunny")
    (mistake,) = load_plugins({}, disabled=["suny"]).mistakes
    assert mistake.place == "plugins.disabled"
    assert "'sunny'" in mistake.remedy


def test_two_plugins_that_offer_one_name_are_an_error_that_names_both(
    distributions: Distributions,
) -> None:
    distributions.install("nba-one", STAGE % "same", plugin="one")
    distributions.install("nba-two", STAGE % "same", plugin="two")
    with pytest.raises(MistakesFound) as caught:
        load_plugins({}).require()
    (mistake,) = caught.value.mistakes
    assert "stage 'same' is offered by both 'one' and 'two'" in mistake.message


def test_a_plugin_that_fails_half_way_leaves_nothing_in_the_register(
    distributions: Distributions,
) -> None:
    distributions.install("nba-one", STAGE % "same", plugin="one")
    code = (STAGE % "own") + (
        "@hookimpl\ndef nba_stores():\n    return {'mem': print}\n"
        "@hookimpl\ndef nba_commands(commands):\n    raise ValueError\n"
    )
    distributions.install("nba-two", code, plugin="two")
    plugins = load_plugins({}, optional=["two"])
    register = plugins.require()
    assert (register.stages.of("one"), register.stages.of("two")) == (["same"], [])
    assert register.stores.of("two") == []


def test_two_distributions_with_one_plugin_name_are_told_apart(
    distributions: Distributions,
) -> None:
    distributions.install("nba-one", STAGE % "first", plugin="same")
    distributions.install("nba-two", STAGE % "second", plugin="same")
    (mistake,) = load_plugins({}).mistakes
    assert "nba-one" in mistake.message
    assert "nba-two" in mistake.message


def test_commands_are_collected_from_a_group_of_the_plugins_own(
    distributions: Distributions,
) -> None:
    code = (
        f"import click\n{HOOK}"
        "@click.command()\ndef greet(): click.echo('hello')\n"
        "@hookimpl\ndef nba_commands(commands):\n"
        "    assert not commands.commands\n    commands.add_command(greet)\n"
    )
    distributions.install("nba-greeter", code, plugin="greeter")
    commands = load_plugins({}).require().commands
    assert commands.plugin("greet") == "greeter"
    assert commands["greet"].name == "greet"


def test_builtins_go_through_the_same_door() -> None:
    class Builtin:
        nba_plugin_api = API_VERSION

        @hookimpl
        def nba_stages(self) -> dict[str, object]:
            return {"a": object()}

    plugins = load_plugins({"builtin": Builtin()}, version="9")
    assert "not a StageFactory" in status(plugins, "builtin").problem
    assert status(plugins, "builtin").version == "9"

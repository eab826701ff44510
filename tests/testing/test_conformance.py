"""The conformance kit on plugins that are installed: good ones, bad ones, and the built-ins."""

from __future__ import annotations

import json

import pytest

from nba_engine.cli.main import run
from nba_engine.errors import NotFound
from nba_engine.testing.conformance import Promise, check
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

HEAD = """
import os, sys, time
from pathlib import Path
import msgspec
import numpy as np
from nba_engine.domain import *
from nba_engine.plugin import hookimpl
nba_plugin_api = "1.0"
"""

STAGES = (
    HEAD
    + """
class Careless:
    def __init__(self, settings, resources):
        self.calls = 0
        self.clock = time.time()
    def apply(self, deciding):
        self.calls += 1
        candidates = deciding.candidates
        candidates["weight"] = np.full(len(candidates), float(self.calls))
        deciding.now += 60.0

class Fine:
    def __init__(self, settings, resources): ...
    def apply(self, deciding): ...

@hookimpl
def nba_stages():
    return {"careless": StageFactory(build=Careless), "fine": StageFactory(build=Fine)}
"""
)


def sentences(name: str) -> dict[str, set[str]]:
    """Offer → the sentences that are not true of it."""
    failed: dict[str, set[str]] = {}
    report = check(name)
    assert not report.problem
    assert not report.passed
    for failure in report.failures:
        failed.setdefault(failure.name, set()).add(failure.sentence)
    return failed


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("uncovered")
def test_the_built_in_plugin_passes_its_own_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBA_MACHINE_EXAMPLES", "5")  # test_builtins.py runs the whole suite
    assert run(["plugin", "check", "builtin", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"]
    assert not report["problem"]
    kinds = {promise["kind"] for promise in report["promises"]}
    assert kinds == {
        "stage",
        "channel",
        "model-runtime",
        "store",
        "sink",
        "source",
        "rule-function",
        "batch-engine",
    }
    checked = {(one["kind"], one["name"]) for one in report["checks"]}
    measured = {(one["kind"], one["name"]) for one in report["costs"]}
    promised = {(one["kind"], one["name"]) for one in report["promises"]}
    assert checked == promised
    # what is beside decisions is not measured
    assert promised - measured == {
        ("source", "csv"),
        ("source", "jsonl"),
        ("batch-engine", "local"),
    }
    assert all(cost["with_median"] > 0 for cost in report["costs"])


@pytest.mark.timeout(120)
def test_the_plugins_of_this_repository_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugin", "check", "demo"]) == 0
    text = capsys.readouterr().out
    for told in ("plugin API 1.0", "model    starter", "command  demo", "passed: 12 checks"):
        assert told in text


@pytest.mark.timeout(120)
def test_a_careless_stage_is_told_what_it_breaks(distributions: Distributions) -> None:
    distributions.install("nba-careless", STAGES, plugin="careless")
    failed = sentences("careless")
    assert set(failed) == {"careless"}
    assert {
        "it leaves what it was given as it was",
        "the same input gives the same outcome on a stage built anew too",
        "four threads come to the outcome of one",
    } <= failed["careless"]


@pytest.mark.timeout(120)
def test_a_failure_is_printed_with_what_is_wrong_and_ends_with_1(
    distributions: Distributions, capsys: pytest.CaptureFixture[str]
) -> None:
    distributions.install("nba-careless", STAGES, plugin="careless")
    assert run(["plugin", "check", "careless"]) == 1
    text = capsys.readouterr().out
    assert "✗ stage careless: it leaves what it was given as it was" in text
    assert "the stage changed the time" in text
    assert "of 30 checks" in text


def test_an_unknown_name_is_wrong_usage_with_a_suggestion(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(NotFound, match="did you mean 'builtin'"):
        check("builtins")
    assert run(["plugin", "check", "builtins"]) == 2
    assert "did you mean 'builtin'?" in capsys.readouterr().err


def test_a_plugin_that_is_not_loaded_has_failed_and_says_why(distributions: Distributions) -> None:
    distributions.install("nba-broken", "raise ImportError('no license')", plugin="broken")
    report = check("broken")
    assert not report.passed
    assert "no license" in report.problem


ENDS = {
    "leaves": ("os._exit(7)", "ended with code 7"),
    "exits": ("sys.exit(3)", None),
    "hangs": ("time.sleep(1000)", "did not end within 20 seconds"),
}


ONE = STAGES.replace('"careless": StageFactory(build=Careless), ', "")


@pytest.fixture(params=ENDS)
def ending(request: pytest.FixtureRequest, distributions: Distributions) -> str:
    code = ONE.replace(
        "def apply(self, deciding): ...", f"def apply(self, d): {ENDS[request.param][0]}"
    )
    distributions.install("nba-ending", code, plugin="ending")
    return str(request.param)


@pytest.mark.timeout(120)
def test_a_stage_that_ends_the_process_or_hangs_has_failed(ending: str) -> None:
    report = check("ending", seconds=20.0 if ending == "hangs" else 100.0)
    assert not report.passed
    told = ENDS[ending][1]
    if told is None:
        assert any("SystemExit" in failure.message for failure in report.failures)
    else:
        assert told in report.problem
        assert "in the middle of: stage fine: " in report.problem


EXAMPLES = (
    HEAD
    + """
class Sum:
    def load(self, folder, manifest):
        if not (folder / manifest.file).read_bytes() == b"sum" * 8:
            from nba_engine.errors import Mistake, MistakesFound
            raise MistakesFound([Mistake(file=manifest.file, place="", message="is no sum")])
        if len(manifest.features) != 2:
            from nba_engine.errors import Mistake, MistakesFound
            raise MistakesFound([Mistake(file=manifest.file, place="", message="adds two")])
        return lambda rows: np.clip(rows.sum(axis=1), 0, 1)

class Checked:
    def load(self, folder, manifest):
        from nba_engine.errors import Mistake, MistakesFound
        try:
            return Sum().load(folder, manifest)
        except OSError as error:
            raise MistakesFound(
                [Mistake(file=manifest.file, place="", message=str(error))]
            ) from error

@hookimpl
def nba_model_runtimes():
    return {"sum": Checked}

def nba_conformance(folder):
    (folder / "model.sum").write_bytes(b"sum" * 8)
    return {
        "model-runtime sum": {
            "model_file": folder / "model.sum",
            "inputs": np.array([[0.1, 0.2], [0.0, 0.5]], dtype=np.float32),
            "expected": np.array([0.3, 0.5], dtype=np.float32),
        }
    }
"""
)


@pytest.mark.timeout(120)
def test_a_plugin_gives_examples_for_what_cannot_be_made_up(distributions: Distributions) -> None:
    distributions.install("nba-sum", EXAMPLES, plugin="sum")
    report = check("sum")
    assert report.passed, (report.problem, report.failures, report.costs)
    assert report.promises == (Promise(kind="model-runtime", name="sum"),)
    assert report.costs[0].with_median > 0


@pytest.mark.timeout(120)
def test_a_missing_example_is_named(distributions: Distributions) -> None:
    code = EXAMPLES.replace('"expected": np.array([0.3, 0.5], dtype=np.float32),', "")
    distributions.install("nba-sum", code, plugin="sum")
    report = check("sum")
    assert any("give a fixture `expected`" in failure.message for failure in report.failures)
    assert report.costs[0].problem == "LookupError: give expected as examples"


@pytest.mark.timeout(120)
def test_an_example_for_no_fixture_is_named_with_those_there_are(
    distributions: Distributions,
) -> None:
    distributions.install("nba-sum", EXAMPLES.replace('"expected"', '"outputs"'), plugin="sum")
    report = check("sum")
    assert "'outputs'" in report.problem
    assert "expected, folder, inputs" in report.problem

"""Models promoted while they serve: two processes, decisions all the time."""

from __future__ import annotations

import contextlib
import io
import math
import shutil
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from nba_engine.app import open_app
from nba_engine.cli.main import run
from nba_engine.client import Client, Decision
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.errors import FailedPrecondition
from nba_engine.learning import LogisticModel, export_logistic
from nba_engine.models.registry import ModelRegistry
from tests.integration.shop import FEATURES, make_shop

NBA = Path(sysconfig.get_path("scripts")) / "nba"
MILK = 0.1  # its prior, and that of bread
BIAS = {"low": -3.0, "high": -2.0}


def propensity(model: str) -> float:
    """Of milk, for somebody who bought nothing."""
    return 1.0 / (1.0 + math.exp(-(10.0 * MILK + BIAS[model])))


def export(folder: Path, bias: float) -> Path:
    """A made-up model of the shop."""
    model = LogisticModel(
        weights=np.array([10.0, 0.25]),
        bias=bias,
        calibration=(1.0, 0.0),
        strength=1.0,
        validation_log_loss=0.0,
    )
    rows = np.random.default_rng(7).random((64, len(FEATURES)), dtype=np.float32)
    export_logistic(
        folder, model, name="propensity", version="made-up", features=FEATURES, held_out=rows
    )
    return folder


class ShopWithModels:
    """The shop with a registry: versions low (promoted), high and broken."""

    def __init__(self, folder: Path) -> None:
        self.settings = make_shop(folder)
        text = self.settings.read_text()
        self.settings.write_text(text.replace('"models/propensity"', '"registry:propensity"'))
        self.registry = ModelRegistry(folder / "registry")
        self.versions = {
            name: self.registry.add("propensity", export(folder / "built" / name, bias)).version
            for name, bias in BIAS.items()
        }
        broken = shutil.copytree(folder / "built" / "high", folder / "built" / "broken")
        shutil.copy(folder / "built" / "low" / "probes.npz", broken)  # not of this export
        self.versions["broken"] = self.registry.add("propensity", broken).version
        self.registry.promote("propensity", self.versions["low"])

    def nba(self, *words: str) -> tuple[int, str]:
        """The exit code of `nba model`, and all that it printed."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run(["model", *words, "-s", str(self.settings)])
        return code, said.getvalue()


class Served:
    """`nba serve --processes`: its address, and its log as it grows, without decisions."""

    def __init__(self, process: subprocess.Popen[bytes], ready: Path) -> None:
        self.lines: list[dict[str, Any]] = []
        self._process = process
        self._reading = threading.Thread(target=self._read)  # else the pipe would fill up
        self._reading.start()
        until(lambda: ready.exists() or process.poll() is not None)
        self.address = ready.read_text("utf-8")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = orjson.loads(text)
            if line["event"] != "decided":
                self.lines.append(line)

    def switches(self) -> list[tuple[int, str, str]]:
        """Process, origin and author of every switch so far."""
        return [
            (line["process"], line["origin"], line["author"])
            for line in self.lines
            if line["event"] == "catalog in force"
        ]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reading.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def processes(settings: Path, number: int) -> Iterator[Served]:
    ready = settings.parent / f"ready-{time.monotonic_ns()}"
    command: list[str | Path] = [NBA, "serve", "-s", settings, "--ready-file", ready]
    command += ["--processes", str(number)]
    served = Served(subprocess.Popen(command, stdout=subprocess.PIPE), ready)
    try:
        yield served
    finally:
        served.close()


class Load:
    """Decides again and again, on threads, until `stop`."""

    def __init__(self, address: str, threads: int = 2) -> None:
        self.decisions: list[Decision] = []
        self.errors: list[BaseException] = []
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(address,)) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, address: str) -> None:
        while not self._stopping.is_set():
            try:
                with Client(address) as client:  # a connection is one process: change it
                    for number in range(20):
                        decision = client.decide(f"cookie:{number}", "banner", timeout=20.0)
                        self.decisions.append(decision)
                        self._stopping.wait(0.01)  # the machine has other things to do
            except BaseException as error:
                self.errors.append(error)
                return

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def load(address: str) -> Iterator[Load]:
    running = Load(address)
    try:
        yield running
    finally:
        running.stop()


def until(condition: Callable[[], bool]) -> None:
    ended = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ended
        time.sleep(0.02)


def scored_by(decision: Decision) -> str:
    """The model that its version says, after comparing what it scored with that."""
    return decision.model_versions["propensity"]


def check_whole(decisions: list[Decision], versions: dict[str, str]) -> None:
    """No decision saw two models: propensity and version are always of one."""
    of_version = {versions[name]: propensity(name) for name in BIAS}
    for decision in decisions:
        for one in decision.recommendations:
            if one.action in ("milk", "bread"):
                assert one.propensity == pytest.approx(of_version[scored_by(decision)], abs=1e-6)


@pytest.mark.timeout(120)
def test_promotion_refusal_and_rollback_under_load_over_two_processes(tmp_path: Path) -> None:
    shop = ShopWithModels(tmp_path)
    low, high, broken = (shop.versions[name] for name in ("low", "high", "broken"))
    with processes(shop.settings, 2) as served, load(served.address) as running:
        until(lambda: len(running.decisions) > 50)
        assert {scored_by(one) for one in running.decisions} == {low}
        first = running.decisions[0].decision_id

        # the command returns when it is in force
        done = shop.nba("promote", "propensity", high[:6], "-m", "better", "--author", "ada")
        assert done == (0, f"model propensity: version {high} is in force\n")
        until(lambda: len(served.switches()) == 2)
        assert sorted(served.switches()) == [(1, "model", "ada"), (2, "model", "ada")]
        seen = len(running.decisions)
        until(lambda: len(running.decisions) > seen + 50)
        # what had begun before the switch may end after it
        assert {scored_by(one) for one in running.decisions[seen + 10 :]} == {high}

        # the command tries it first: nothing changes
        code, said = shop.nba("promote", "propensity", broken)
        assert code == 78
        assert "differs from the recorded probes" in said
        assert [one.version for one in shop.registry.history("propensity")] == [low, high]

        # promoted from elsewhere: servers refuse it, say so, and go on
        shop.registry.promote("propensity", broken)
        until(lambda: shop.registry.history("propensity")[-1].refused is not None)
        with Client(served.address) as client:
            until(lambda: client.health("model:propensity") == "not_serving")
            assert client.health() == "serving"
        current = shop.registry.current("propensity")
        assert current is not None
        assert current.version == high
        assert "refused" in shop.nba("list")[1]
        assert "differs from the recorded probes" in shop.nba("show", "propensity", broken)[1]

        # promoted by a file alone, as `nba train` could: both processes take it
        shop.registry.rollback("propensity", low)
        until(lambda: len(served.switches()) == 4)
        assert sorted(served.switches()[2:]) == [(1, "model", ""), (2, "model", "")]
        with Client(served.address) as client:
            until(lambda: client.health("model:propensity") == "serving")
            seen = len(running.decisions)
            until(lambda: len(running.decisions) > seen + 20)
            assert {scored_by(one) for one in running.decisions[seen + 10 :]} == {low}
            # decided before two promotions, and in between
            assert client.explain_decision(first).decision.model_versions["propensity"] == low
            between = next(one for one in running.decisions if scored_by(one) == high)
            explained = client.explain_decision(between.decision_id)
            assert explained.decision.model_versions["propensity"] == high
    assert running.errors == []
    check_whole(running.decisions, shop.versions)


def test_a_start_with_a_promoted_model_that_is_broken_takes_the_one_before(tmp_path: Path) -> None:
    shop = ShopWithModels(tmp_path)
    low, broken = shop.versions["low"], shop.versions["broken"]
    with open_app(shop.settings, environ={}, publish=True):
        until(lambda: shop.registry.history("propensity")[-1].taken is not None)
    shop.registry.promote("propensity", broken)
    with open_app(shop.settings, environ={}, publish=True) as app:
        assert app.engine.model_versions == {"propensity": low}
    (_, refused) = shop.registry.history("propensity")
    assert refused.refused is not None


def test_a_decision_whose_model_is_gone_says_which(tmp_path: Path) -> None:
    shop = ShopWithModels(tmp_path)
    low, high = shop.versions["low"], shop.versions["high"]
    with open_app(shop.settings, environ={}, publish=True) as app:
        decision = app.engine.decide(
            DecisionRequest(identity="cookie:1", placements=(PlacementRequest("banner"),))
        )
    assert shop.nba("promote", "propensity", high)[0] == 0
    with open_app(shop.settings, environ={}) as app:
        assert app.engine.explain(decision.decision_id).decision.model_versions == {
            "propensity": low
        }
    shutil.rmtree(tmp_path / "registry" / "propensity" / "versions" / low)
    with (
        open_app(shop.settings, environ={}) as app,
        pytest.raises(FailedPrecondition, match=f"version '{low}' .* is gone"),
    ):
        app.engine.explain(decision.decision_id)
    assert "gone" in shop.nba("show", "propensity", low)[1]

"""Sinks behind a real engine: what arrives, and that a bad sink costs no decision."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nba_engine.app import check, open_app
from nba_engine.app.sinks import Sinks, SinkStatus, SinkThread
from nba_engine.domain import Decision, DecisionRequest, Interaction, PlacementRequest, SinkRecord
from nba_engine.errors import MistakesFound
from tests.app.folder import SETTINGS, write
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

LINES = """
[sinks.lines]
kind = "jsonl"
settings = { path = "out/lines.jsonl" }
"""

SINK = """
from nba_engine.domain import SinkFactory
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"
written = []

class Broken:
    def write(self, records):
        written.extend(records)
        raise SystemExit("the warehouse is away")
    def flush(self): ...
    def close(self): raise ValueError

def unopened(settings, folder):
    raise OSError("no route")

@hookimpl
def nba_sinks():
    return {
        "broken": SinkFactory(build=lambda settings, folder: Broken()),
        "unopened": SinkFactory(build=unopened),
    }
"""


def ask(identity: str = "crm:1", request_id: str = "") -> DecisionRequest:
    return DecisionRequest(
        identity=identity, placements=(PlacementRequest("banner"),), request_id=request_id
    )


def bought(number: int) -> Interaction:
    return Interaction(
        interaction_id=f"i{number}", identity="crm:1", type="purchase", time=time.time()
    )


def test_decisions_and_interactions_arrive_once_each(
    tmp_path: Path, distributions: Distributions
) -> None:
    path = write(tmp_path, distributions, settings=SETTINGS + LINES)
    with open_app(path, environ={}) as app:
        decisions = [app.engine.decide(ask(request_id="7")) for _ in range(3)]
        app.engine.record([bought(1), bought(2), bought(1), bought(-1)])
        app.engine.load(interactions=[bought(5)])
    lines = [json.loads(line) for line in (tmp_path / "out/lines.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == [decisions[0].decision_id, "i1", "i2", "i-1"]
    decision = lines[0]["data"]
    assert decision["candidates"] == decisions[0].candidates
    assert decision["recommendations"][0]["treatment"] == decisions[0].recommendations[0].treatment
    assert "content" not in decision["recommendations"][0]
    assert app.sinks.statuses == {"lines": SinkStatus(written=4, lost=0)}


def test_a_sink_that_fails_costs_no_decision_and_its_losses_are_counted_and_told(
    tmp_path: Path, distributions: Distributions, caplog: pytest.LogCaptureFixture
) -> None:
    distributions.install("nba-broken", SINK, plugin="broken")
    settings = SETTINGS + LINES + '[sinks.away]\nkind = "broken"\ntakes = ["decisions"]\n'
    path = write(tmp_path, distributions, settings=settings)
    with caplog.at_level(logging.WARNING, "nba_engine.sinks"), open_app(path, environ={}) as app:
        for _ in range(5):
            assert not app.engine.decide(ask()).degraded
    assert app.sinks.statuses["away"] == SinkStatus(written=0, lost=5)
    assert app.sinks.statuses["lines"] == SinkStatus(written=5, lost=0)
    assert "sink away: write failed: SystemExit" in caplog.text
    assert "5 records lost so far" in caplog.text
    assert "warehouse" not in caplog.text  # what a sink says may hold a record


class Held:
    """A sink that hangs until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.keys: list[str] = []

    def write(self, records: Sequence[SinkRecord]) -> None:
        self.entered.set()
        self.let_go.wait(30)
        self.keys += [record.key for record in records]

    def flush(self) -> None: ...

    def close(self) -> None: ...


def decided(sinks: Sinks, number: int) -> None:
    decision = Decision(
        decision_id=f"d{number}",
        customer_id="crm:1",
        known=True,
        time=0.0,
        catalog_version="",
        model_versions={},
        recommendations=(),
    )
    sinks.decided(ask(), decision)


def test_while_a_sink_hangs_its_queue_takes_what_fits_and_nobody_waits() -> None:
    held = Held()
    thread = SinkThread("held", held, ["decisions"], queue=3)
    sinks = Sinks({"held": thread})
    decided(sinks, 0)
    assert held.entered.wait(10)
    before = time.monotonic()
    for number in range(1, 1001):
        decided(sinks, number)
    assert time.monotonic() - before < 1.0
    assert thread.status == SinkStatus(written=0, lost=997)
    held.let_go.set()
    sinks.close()
    assert held.keys == ["d0", "d1", "d2", "d3"]
    assert thread.status == SinkStatus(written=4, lost=997)


def test_closing_leaves_a_sink_that_hangs_behind_and_says_what_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held = Held()
    thread = SinkThread("held", held, ["decisions"], queue=10)
    for number in range(4):
        decided(Sinks({"held": thread}), number)
        assert held.entered.wait(10)
    thread.close(0.05)
    assert "did not finish" in caplog.text
    assert thread.status.lost == 3
    held.let_go.set()


def test_a_sink_gets_only_what_it_takes() -> None:
    held = Held()
    held.let_go.set()
    sinks = Sinks({"held": SinkThread("held", held, ["interactions"], queue=10)})
    decided(sinks, 1)
    sinks.close()
    assert held.keys == []


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.005)


def test_a_sink_that_has_nothing_to_do_has_flushed(tmp_path: Path) -> None:
    flushed: list[int] = []

    class Counting(Held):
        def flush(self) -> None:
            flushed.append(len(self.keys))

    counting = Counting()
    counting.let_go.set()
    sinks = Sinks({"counting": SinkThread("counting", counting, ["decisions"], queue=10)})
    decided(sinks, 1)
    wait_for(lambda: flushed == [1])
    decided(sinks, 2)
    wait_for(lambda: flushed == [1, 2])
    sinks.close()


def test_mistakes_of_sinks_are_told_by_check_with_their_lines(
    tmp_path: Path, distributions: Distributions
) -> None:
    settings = SETTINGS + (
        '[sinks.a]\nkind = "jsonnl"\n'
        '[sinks.b]\nkind = "jsonl"\nsettings = { pth = "x", keep = 0 }\n'
    )
    path = write(tmp_path, distributions, settings=settings)
    told = [(mistake.place, mistake.remedy) for mistake in check(path, environ={})]
    assert told == [
        ("sinks.a.kind", 'did you mean "jsonl"?'),
        ("sinks.b.settings.pth", 'did you mean "path"?'),
        ("sinks.b.settings.keep", "write a number >= 1"),
    ]
    assert not (tmp_path / "data").exists()


def test_a_sink_that_cannot_be_opened_stops_the_start_and_names_its_plugin(
    tmp_path: Path, distributions: Distributions
) -> None:
    distributions.install("nba-broken", SINK, plugin="broken")
    path = write(
        tmp_path, distributions, settings=SETTINGS + LINES + '[sinks.it]\nkind = "unopened"\n'
    )
    with pytest.raises(MistakesFound) as found:
        open_app(path, environ={})
    (mistake,) = found.value.mistakes
    assert mistake.place == "sinks.it"
    assert "sink 'unopened' of plugin 'broken' could not be opened: OSError: no route" in str(
        mistake
    )
    assert not [t for t in threading.enumerate() if t.name.startswith("nba-sink")]

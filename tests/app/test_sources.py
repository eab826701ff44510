"""Sources behind a real engine: each record once, whatever fails; one process has the turn."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nba_engine.app import App, check, open_app
from nba_engine.app import intake as intake_module
from nba_engine.app.intake import Intake
from nba_engine.app.rejects import Rejects
from nba_engine.domain import Interaction, ProfileUpdate, Source, SourceBatch, SourceRecord
from nba_engine.engine import Rejected
from nba_engine.errors import Unavailable
from nba_engine.settings import SourceSettings
from tests.app.folder import SETTINGS, write
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

INBOX = """
[sources.shop]
kind = "jsonl"
poll_seconds = 0.01
[sources.shop.settings]
path = "inbox"
"""

SOURCE = """
from nba_engine.domain import SourceFactory
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"

def unopened(settings, folder):
    raise OSError("no route")

@hookimpl
def nba_sources():
    return {"unopened": SourceFactory(build=unopened)}
"""


def bought(number: int, **fields: Any) -> Interaction:
    given = {"interaction_id": f"i{number}", "identity": "crm:1", "type": "purchase", "time": 5.0}
    return Interaction(**{**given, **fields})


def line(number: int, **fields: Any) -> str:
    values = {"interaction_id": f"i{number}", "identity": "crm:1", "type": "purchase", "time": 5}
    return json.dumps(values | fields) + "\n"


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came to pass"
        time.sleep(0.005)


def purchases(app: App, identity: str = "crm:1") -> int:
    found = app.engine.store.customer(identity)
    return 0 if found is None else int(found[0].aggregates.get("purchases", 0))


@pytest.fixture
def settings(tmp_path: Path, distributions: Distributions) -> Path:
    (tmp_path / "inbox").mkdir()
    return write(tmp_path, distributions, settings=SETTINGS + INBOX)


def test_files_are_read_as_they_grow_and_go_on_after_a_restart(
    settings: Path, tmp_path: Path
) -> None:
    file = tmp_path / "inbox" / "a.jsonl"
    file.write_text("".join(map(line, range(3))))
    with open_app(settings, environ={}) as app:
        assert app.intakes.statuses["shop"].state == "starting"
        app.intakes.start()
        eventually(lambda: purchases(app) == 3)
        with file.open("a") as more:
            more.write(line(3) + line(3))
        eventually(lambda: app.intakes.statuses["shop"].duplicates == 1)
    with open_app(settings, environ={}) as app:
        (tmp_path / "inbox" / "b.jsonl").write_text(line(4))
        app.intakes.start()
        eventually(lambda: app.intakes.statuses["shop"].interactions == 1)
        assert purchases(app) == 5
        status = app.intakes.statuses["shop"]
        assert (status.interactions, status.duplicates, status.rejected) == (1, 0, 0)
    assert app.intakes.statuses["shop"].state == "closed"


def test_an_engine_that_does_not_serve_reads_no_source(settings: Path, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "a.jsonl").write_text(line(1))
    with open_app(settings, environ={}) as app:
        assert not [t.name for t in threading.enumerate() if t.name.startswith("nba-intake")]
        assert purchases(app) == 0


def test_sinks_get_what_sources_bring(tmp_path: Path, distributions: Distributions) -> None:
    sink = '[sinks.lines]\nkind = "jsonl"\nsettings = { path = "out.jsonl" }\n'
    path = write(tmp_path, distributions, settings=SETTINGS + INBOX + sink)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.jsonl").write_text(line(1) + line(1))
    with open_app(path, environ={}) as app:
        app.intakes.start()
        eventually(lambda: app.intakes.statuses["shop"].duplicates == 1)
    (told,) = (tmp_path / "out.jsonl").read_text().splitlines()
    assert json.loads(told)["key"] == "i1"


def test_bad_lines_go_to_the_rejects_with_place_and_reason(settings: Path, tmp_path: Path) -> None:
    bad = [
        line(2, identity="nobody"),
        "{oops\n",
        line(3, time=time.time() + 1e6),
        line(4, x=[[[[[[1]]]]]]),
    ]
    (tmp_path / "inbox" / "a.jsonl").write_text(line(1) + "".join(bad) + line(5))
    with open_app(settings, environ={}) as app:
        app.intakes.start()
        eventually(lambda: app.intakes.statuses["shop"].interactions == 2)
        assert app.intakes.statuses["shop"].rejected == 4
    told = [json.loads(one) for one in (tmp_path / "data/rejects.jsonl").read_text().splitlines()]
    assert [one["place"] for one in told] == [f"a.jsonl:{n}" for n in (2, 3, 4, 5)]
    assert {one["source"] for one in told} == {"shop"}
    assert "nobody" not in str(told)
    reasons = " ".join(one["problem"] for one in told)
    assert "identity: " in reasons
    assert "no JSON" in reasons
    assert "more than a day in the future" in reasons


class Scripted:
    """A source that does what it is told, step by step: batches, or what it raises."""

    def __init__(self, steps: Iterator[Any]) -> None:
        self.steps = steps
        self.closed = 0

    def read(self, positions: Callable[[str], str], **_: Any) -> SourceBatch | None:
        step = next(self.steps, None)
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            step = step()
        if isinstance(step, int):
            positions("")
            records = (SourceRecord(place=f"line {step}", interaction=bought(step)),)
            return SourceBatch(records=records, position=str(step))
        assert step is None or isinstance(step, SourceBatch)
        return step

    def close(self) -> None:
        self.closed += 1


@contextmanager
def reading(
    app: App, build: Callable[[], Source], tmp_path: Path, **wanted: Any
) -> Iterator[Intake]:
    given = SourceSettings(**{"kind": "it", "poll_seconds": 0.01, **wanted})
    rejects = Rejects(tmp_path / "rejects.jsonl")
    intake = Intake("it", given, build, app.engine, rejects, tmp_path / "it.lock")
    intake.start()
    try:
        yield intake
    finally:
        intake.close()


@pytest.fixture
def app(settings: Path) -> Iterator[App]:
    with open_app(settings, environ={}) as opened:
        yield opened


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(intake_module, "_LOOK_EVERY", 0.02)


def test_a_source_that_fails_is_opened_again_and_health_says_so(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps = iter([1, ValueError("a secret"), OSError(13, "no entry", "queue"), 2, SystemExit(3), 3])
    built: list[Scripted] = []

    def build() -> Scripted:
        built.append(Scripted(steps))
        if len(built) == 3:
            raise Unavailable("the broker is away")
        return built[-1]

    health: list[bool] = []
    with (
        caplog.at_level(logging.INFO, "nba_engine.sources"),
        reading(app, build, tmp_path) as intake,
    ):
        intake.watch(lambda _name, healthy: health.append(healthy))
        eventually(lambda: purchases(app) == 3)
        eventually(lambda: intake.status.state == "waiting")
        assert intake.status.failures == 0
    assert len(built) == 5
    assert [one.closed for one in built] == [1, 1, 0, 1, 1]
    assert health == [True, False, True, False, True]
    for words in ("it failed with ValueError, 1 in a row", "queue: no entry, 2 in a row"):
        assert f"source it: {words}" in caplog.text
    assert "source it: the broker is away, 3 in a row" in caplog.text
    assert caplog.text.count("source it answers again") == 2
    assert "secret" not in caplog.text


def test_a_source_that_hangs_is_left_and_what_it_brings_later_is_not_written(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    let_go = threading.Event()

    def late() -> int:
        let_go.wait(30)
        return 99

    steps = iter([1, late, 2])
    with reading(app, lambda: Scripted(steps), tmp_path, timeout_seconds=0.1) as intake:
        eventually(lambda: purchases(app) == 2)
        let_go.set()
        eventually(lambda: "nba-intake-it-read" not in [t.name for t in threading.enumerate()][:-1])
        eventually(lambda: intake.status.state == "waiting")
    assert "it did not answer for 0.1 s" in caplog.text
    assert app.engine.store.progress("source:it:") == "2"
    assert purchases(app) == 2


def test_not_more_than_some_calls_hang_at_once(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    let_go = threading.Event()

    def hang() -> None:
        let_go.wait(30)

    built: list[int] = []

    def build() -> Scripted:
        built.append(1)
        return Scripted(iter([hang]))

    with reading(app, build, tmp_path, timeout_seconds=0.02):
        eventually(lambda: "8 calls of it hang" in caplog.text)
        assert len(built) == 8
        let_go.set()
        eventually(lambda: len(built) > 8)


def test_a_store_that_is_away_loses_nothing(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk = app.engine.store.bulk
    failures = iter([False, True, True, False])

    def sometimes(**given: Any) -> Any:
        if next(failures, False):
            raise Unavailable("the disk is away")
        return bulk(**given)

    monkeypatch.setattr(app.engine.store, "bulk", sometimes)

    class Counting:
        def read(self, positions: Callable[[str], str], **_: Any) -> SourceBatch | None:
            number = int(positions("") or 0) + 1
            if number > 5:
                return None
            record = SourceRecord(place=str(number), interaction=bought(number))
            return SourceBatch(records=(record,), position=str(number))

        def close(self) -> None: ...

    with reading(app, Counting, tmp_path) as intake:
        eventually(lambda: purchases(app) == 5)
        eventually(lambda: intake.status.state == "waiting")
        assert intake.status.duplicates == 0


def test_of_two_processes_one_reads_and_the_other_goes_on_when_it_ends(
    app: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nba_engine.sources")
    steps = iter([1, 2])
    with reading(app, lambda: Scripted(iter([])), tmp_path) as first:
        eventually(lambda: first.status.state == "waiting")
        with reading(app, lambda: Scripted(steps), tmp_path) as second:
            eventually(lambda: second.status.state == "elsewhere")
            assert second.status.healthy
            assert caplog.text.count("source it: this process reads it") == 1
            first.close()
            eventually(lambda: purchases(app) == 2)
    assert caplog.text.count("source it: this process reads it") == 2


def test_a_position_that_somebody_else_moved_is_not_moved_back(app: App, tmp_path: Path) -> None:
    def elsewhere() -> SourceBatch:
        app.engine.load(interactions=[bought(7)], progress=("source:it:", "70"))
        return SourceBatch(records=(SourceRecord(place="1", interaction=bought(2)),), position="2")

    with reading(app, lambda: Scripted(iter([1, elsewhere])), tmp_path) as intake:
        eventually(lambda: intake.status.failures >= 1)
        assert "somebody else reads it, too" in intake.status.problem
    assert app.engine.store.progress("source:it:") == "70"
    assert purchases(app) == 2


def test_a_source_that_knows_where_it_is_need_not_ask_each_time(app: App, tmp_path: Path) -> None:
    def batches() -> Iterator[SourceBatch]:
        for number in range(4):
            records = (SourceRecord(place=f"{number}", interaction=bought(number)),)
            yield SourceBatch(records=records, part=f"p{number % 2}", position=f"{number}")

    with reading(app, lambda: Scripted(batches()), tmp_path) as intake:
        eventually(lambda: purchases(app) == 4 or intake.status.failures > 0)
        assert intake.status.problem == ""
    assert app.engine.store.progress("source:it:p1") == "3"


def test_profiles_and_interactions_of_a_batch_are_written_together(
    app: App, tmp_path: Path
) -> None:
    records = (
        SourceRecord(place="1", update=ProfileUpdate(identity="crm:1", attributes={"age": 41})),
        SourceRecord(place="2", update=ProfileUpdate(identity="crm:1", attributes={"agee": 41})),
        SourceRecord(place="3", interaction=bought(1)),
        SourceRecord(place="4"),
    )
    batch = SourceBatch(records=records, position="4", part="p")
    with reading(app, lambda: Scripted(iter([batch])), tmp_path) as intake:
        eventually(lambda: intake.status.updates == 1)
        assert (intake.status.interactions, intake.status.rejected) == (1, 2)
    assert app.engine.profile("crm:1").attributes == {"age": 41}
    told = [json.loads(one) for one in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [one["place"] for one in told] == ["2", "4"]
    assert told[0]["problem"].startswith("attributes[agee]: ")


def test_the_file_of_rejects_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nba_engine.app.rejects.ROTATE_BYTES", 500)
    rejects = Rejects(tmp_path / "data" / "rejects.jsonl")
    for number in range(20):
        rejects.write("it", [Rejected(f"a:{number}", "no JSON")])
    kept = (tmp_path / "data" / "rejects.jsonl").read_text().splitlines()
    before = (tmp_path / "data" / "rejects.jsonl.1").read_text().splitlines()
    assert json.loads(kept[-1])["place"] == "a:19"
    assert len(before) > 1
    assert (tmp_path / "data" / "rejects.jsonl.1").stat().st_size <= 500


def test_every_mistake_is_found_without_opening_anything(
    tmp_path: Path, distributions: Distributions
) -> None:
    distributions.install("nba-unopened", SOURCE, plugin="unopened")
    wrong = """
[sources.a]
kind = "jsnl"
[sources.b]
kind = "csv"
batch = 0
[sources.b.settings]
pth = "x"
[sources.c]
[sources.d]
kind = "unopened"
"""
    path = write(tmp_path, distributions, settings=SETTINGS + wrong)
    found = {mistake.place: mistake for mistake in check(path, environ={})}
    assert set(found) == {
        "sources.a.kind",
        "sources.b.batch",
        "sources.b.settings.pth",
        "sources.c",
    }
    assert 'did you mean "jsonl"?' in found["sources.a.kind"].remedy


def test_a_source_that_cannot_be_opened_is_no_reason_not_to_start(
    tmp_path: Path, distributions: Distributions
) -> None:
    distributions.install("nba-unopened", SOURCE, plugin="unopened")
    path = write(tmp_path, distributions, settings=SETTINGS + '[sources.d]\nkind = "unopened"\n')
    with open_app(path, environ={}) as app:
        app.intakes.start()
        eventually(lambda: app.intakes.statuses["d"].failures > 1)
        assert app.intakes.statuses["d"].problem == "it failed with OSError"

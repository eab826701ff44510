"""Processes that are started, started again and stopped together; the children are scripts."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from nba_engine.processes import Plan

CHILD = Path(__file__).with_name("child.py")
Start = Callable[..., "Supervised"]


class Supervised:
    """A supervisor in a process of its own, and what it logs."""

    def __init__(self, plan: Plan) -> None:
        text = msgspec.json.encode(plan).decode()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nba_engine.processes", text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def until(self, event: str, **fields: object) -> dict[str, Any]:
        """The next line of this event (and these fields)."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found: dict[str, Any] = orjson.loads(line)
            if found["event"] == event and fields.items() <= found.items():
                return found
        raise AssertionError(f"no {event!r} any more")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Supervised] = []

    def one(processes: int = 3, listen: str = "127.0.0.1:0", **does: str) -> Supervised:
        for number, words in does.items():
            (tmp_path / f"{number.removeprefix('process_')}.does").write_text(words)
        plan = Plan(
            command=(sys.executable, str(CHILD), str(tmp_path)),
            listen=listen,
            processes=processes,
            grace_seconds=0.1,
            ready_file=str(tmp_path / "ready"),
        )
        started.append(Supervised(plan))
        return started[-1]

    yield one
    for supervised in started:
        if supervised.process.poll() is None:
            supervised.process.kill()
        supervised.process.communicate()


def test_the_ready_file_has_the_address_once_all_are_ready(start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    supervised = start(process_3="wait")
    supervised.until("process ready", process=2)
    with (tmp_path / "gate").open("w"):  # the third has come as far as here
        assert not (tmp_path / "ready").exists()
    listen = supervised.until("all processes ready")["listen"]
    assert supervised.end() == 0
    assert (tmp_path / "ready").read_text() == listen
    assert not listen.endswith(":0")


def test_a_process_that_is_killed_is_started_again_with_its_number(start: Start) -> None:
    supervised = start()
    pid = supervised.until("process ready", process=2)["pid"]
    supervised.until("all processes ready")
    os.kill(pid, signal.SIGKILL)
    told = supervised.until("process ended and is started again")
    assert (told["process"], told["how"], told["level"]) == (2, "SIGKILL", "warning")
    assert supervised.until("process ready")["process"] == 2
    assert supervised.end() == 0


def test_one_that_keeps_dying_is_started_after_longer_and_longer_pauses(start: Start) -> None:
    supervised = start(2, process_2="ready die die die ready")
    pid = supervised.until("process ready", process=2)["pid"]
    os.kill(pid, signal.SIGKILL)
    pauses = [supervised.until("process ended and is started again")["seconds"] for _ in range(4)]
    assert pauses == [0.1, 0.2, 0.4, 0.8]
    supervised.until("process ready", process=2)
    assert supervised.end() == 0


def test_a_first_process_that_fails_ends_all_with_its_exit_code(start: Start) -> None:
    supervised = start(process_1="crash")
    assert supervised.until("processes do not start")["how"] == "exit code 78"
    assert supervised.process.wait() == 78


def test_a_later_process_that_fails_at_the_start_ends_all(start: Start, tmp_path: Path) -> None:
    supervised = start(process_2="crash")
    assert supervised.until("processes do not start")["process"] == 2
    assert supervised.process.wait() == 78
    assert not (tmp_path / "ready").exists()


def test_a_start_that_dies_again_and_again_is_given_up(start: Start) -> None:
    supervised = start(process_1="die")
    told = supervised.until("processes do not start")
    assert (told["attempts"], told["how"], told["level"]) == (5, "SIGKILL", "error")
    assert supervised.process.wait() == 1


def test_a_process_that_does_not_stop_in_time_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervised = start(2, process_2="hang")
    supervised.until("all processes ready")
    assert supervised.end() == 1
    supervised.until("processes did not stop in time and are killed")


def test_a_second_signal_kills(start: Start) -> None:
    supervised = start(2, process_2="hang")
    supervised.until("all processes ready")
    supervised.process.send_signal(signal.SIGINT)
    supervised.until("got SIGTERM", process=2)  # Ctrl-C reaches children as one SIGTERM
    assert supervised.end(signal.SIGINT) == 128 + signal.SIGINT


def test_sighup_is_passed_on(start: Start) -> None:
    supervised = start(2)
    supervised.until("all processes ready")
    supervised.process.send_signal(signal.SIGHUP)
    assert {supervised.until("got SIGHUP")["process"] for _ in range(2)} == {1, 2}
    assert supervised.end() == 0


def test_children_end_when_the_supervisor_is_killed(start: Start, tmp_path: Path) -> None:
    supervised = start(2)
    supervised.until("all processes ready")
    handles = [os.pidfd_open(int((tmp_path / f"{n}.pid").read_text())) for n in (1, 2)]
    supervised.process.kill()
    for handle in handles:
        assert select.select([handle], [], [], 20.0)[0]  # readable: it has ended
        os.close(handle)


def test_an_address_where_others_listen_is_refused(start: Start) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as a server of ours has it
        other.bind(("127.0.0.1", 0))
        other.listen()
        supervised = start(listen=f"127.0.0.1:{other.getsockname()[1]}")
        _, error = supervised.process.communicate()
    assert b"the address is in use" in error
    assert supervised.process.returncode == 1

"""Signals to `nba serve`, on whatever thread they come in."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import signal, sys, threading
from nba_engine.server.serve import wait_for_signal

main = threading.get_ident()
told = threading.Event()

def waiting():
    frame = sys._current_frames()[main]
    return frame.f_code.co_name == "wait_for_signal"

def send():
    for number in (signal.SIGHUP, signal.SIGTERM):
        while not waiting():
            pass
        signal.pthread_kill(threading.get_ident(), number)
        if number == signal.SIGHUP:
            told.wait()

thread = threading.Thread(target=send, daemon=True)
print(wait_for_signal(thread.start, hangup=told.set), told.is_set())
"""


def test_a_signal_that_another_thread_gets_is_heard_all_the_same() -> None:
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.stdout, done.stderr) == ("SIGTERM True\n", "")

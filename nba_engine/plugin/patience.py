"""Says which plugin keeps the start waiting: one that hangs in its import says nothing itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from nba_engine.plugin.whereabouts import line_of

__all__ = ["told_when_slow"]

_FIRST = 5.0  # seconds until the first word; the next come after twice the time each

_log = logging.getLogger("nba_engine.start")


@contextmanager
def told_when_slow(what: str, *, first: float = _FIRST) -> Iterator[None]:
    """Warn while the body takes long: ``what`` it is doing, for how long, and at which line.

    Nothing is broken off: a plugin may have good reasons, and code that runs cannot be stopped.
    """
    done = threading.Event()
    arguments = (what, threading.get_ident(), done, first)
    teller = threading.Thread(target=_tell, args=arguments, name="nba-patience", daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _tell(what: str, thread: int, done: threading.Event, wait: float) -> None:
    started = time.monotonic()
    while not done.wait(wait):
        seconds = time.monotonic() - started
        _log.warning("still %s, for %.3g s by now, at %s", what, seconds, line_of(thread))
        wait = seconds

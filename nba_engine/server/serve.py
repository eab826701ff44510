"""Serving until a signal comes: what `nba serve` does."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from nba_engine.processes import Child
from nba_engine.server.logging import capture_standard_logging, make_logger
from nba_engine.server.protocols import Decides, Follows, Reads
from nba_engine.server.publishing import reload_folder
from nba_engine.server.server import Server
from nba_engine.settings import Settings

__all__ = ["serve", "wait_for_signal"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(
    engine: Decides,
    settings: Settings,
    *,
    ready_file: Path | None = None,
    child: Child | None = None,
    sources: Reads | None = None,
    models: Follows | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully. Call it on the main thread.

    SIGHUP publishes what lies in the catalog folder.

    ``ready_file`` gets ``host:port`` once the server answers. As a ``child`` it is one of several
    processes at that address. ``sources`` are read from then on, and stopped by whoever made them.
    ``models`` tells which promoted models were refused.
    """
    if child is None:
        logger = make_logger(settings.logging)
    else:
        logger = make_logger(settings.logging, stream=child.output(settings.logging.format))
        logger = logger.bind(process=child.number)
    capture_standard_logging(logger)
    server = Server(engine, settings.server, logger, reuse_port=child is not None)

    def ready() -> None:
        # catalog, models and modules stay as long as the process: among the objects to look through
        # they make a full collection of the decision benchmark's world stop everyone for 58 ms
        gc.collect()
        gc.freeze()
        server.start()
        if ready_file is not None:
            partial = ready_file.with_name(f"{ready_file.name}.partial")
            partial.write_text(server.address, "utf-8")
            partial.replace(ready_file)
        if child is not None:
            child.tell_ready()
        if models is not None:
            models.watch(server.model_is)
        if sources is not None:
            sources.watch(server.source_is)
            sources.start()

    name = wait_for_signal(ready, hangup=lambda: reload_folder(engine.catalogs, logger))
    logger.info("stopping", signal=name, grace_seconds=settings.server.grace_seconds)
    server.stop()


def wait_for_signal(ready: Callable[[], None], *, hangup: Callable[[], None]) -> str:
    """Run ``ready``, then block until SIGTERM or SIGINT; its name. Each SIGHUP runs ``hangup``.

    From then on the signals have their former meaning again: a second one ends the process.
    """
    # The number is written by the interpreter's own handler, on whatever thread the signal comes in:
    # one in Python would wait for this thread, which may be about to wait for the pipe.
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)  # set_wakeup_fd asks for it

    def awake(_number: int, _frame: FrameType | None) -> None:
        """Keep the signal from ending the process."""

    former = {number: signal.signal(number, awake) for number in _SIGNALS}
    before = signal.set_wakeup_fd(write_end)
    try:
        ready()
        while (number := os.read(read_end, 1)[0]) not in (signal.SIGTERM, signal.SIGINT):
            if number == signal.SIGHUP:
                hangup()
    finally:
        signal.set_wakeup_fd(before)
        for each, handler in former.items():
            signal.signal(each, handler)
        os.close(read_end)
        os.close(write_end)
    return signal.Signals(number).name

"""The structured log: one line per decision and per failed call, JSON straight to bytes."""

from __future__ import annotations

import logging
import sys
from typing import Any, BinaryIO, TextIO, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from nba_engine.settings import LoggingSettings

__all__ = ["capture_standard_logging", "make_logger"]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def make_logger(
    settings: LoggingSettings, *, stream: BinaryIO | TextIO | None = None
) -> FilteringBoundLogger:
    """A logger of its own: nothing global is configured.

    ``json`` writes one object per line to ``stream`` (binary; standard output), without Python's
    ``logging`` in between, which costs four times as much; ``console`` writes lines for people.
    """
    level = _LEVELS[settings.level]
    stamp: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    target: object
    if settings.format == "json":
        target = structlog.BytesLogger(cast("BinaryIO", stream or sys.stdout.buffer))
        stamp.append(structlog.processors.JSONRenderer(serializer=_to_json))
    else:
        target = structlog.PrintLogger(cast("TextIO", stream or sys.stdout))
        stamp.append(structlog.dev.ConsoleRenderer(colors=False))
    logger: FilteringBoundLogger = structlog.wrap_logger(
        target, processors=stamp, wrapper_class=structlog.make_filtering_bound_logger(level)
    )
    return logger.bind()


def _to_json(event: Any, **_options: Any) -> bytes:
    return orjson.dumps(event, default=str)


class _Forward(logging.Handler):
    """Hands records of Python's ``logging`` to the structured log."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        # no exception text: gRPC logs the text of whatever a handler raised
        self._logger.log(
            min(record.levelno, logging.CRITICAL),
            "library",
            library=record.name,
            message=record.msg if record.exc_info else record.getMessage(),
        )


def capture_standard_logging(logger: FilteringBoundLogger) -> None:
    """Send what libraries log through ``logging`` (warnings and worse) to the structured log."""
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward(logger)], force=True)

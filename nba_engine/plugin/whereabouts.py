"""Where a thread is: what a log needs to find whoever hangs."""

from __future__ import annotations

import sys
import sysconfig
from types import FrameType

__all__ = ["line_of"]

_LIBRARY = sysconfig.get_path("stdlib")


def line_of(thread: int) -> str:
    """The innermost line of a thread (by `threading.get_ident`) outside the standard library."""
    innermost = sys._current_frames().get(thread)  # noqa: SLF001 - there is no other way
    if innermost is None:
        return "an unknown place"
    frame: FrameType | None = innermost
    while frame is not None and _is_library(frame.f_code.co_filename):
        frame = frame.f_back
    frame = frame or innermost
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_library(file: str) -> bool:
    return file.startswith((_LIBRARY, "<frozen ")) and "-packages" not in file

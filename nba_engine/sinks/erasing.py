"""Removes a customer's lines from files of the sink ``jsonl``."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from nba_engine.domain import Erased

__all__ = ["erase_lines"]

AHEAD = 86_400.0  # seconds that the time of an interaction may be ahead of who records it


class _Data(msgspec.Struct):
    customer_id: str = ""
    identity: str = ""


class _Line(msgspec.Struct):
    """What tells whose line it is; the rest is not looked at."""

    topic: str
    key: str
    time: float
    data: _Data


_decode = msgspec.json.Decoder(_Line).decode


def erase_lines(file: Path, erased: Erased) -> int:
    """Rewrite a file without a customer's lines, if it has any; how many.

    It is the old file or the new one, whenever the process dies. Lines that cannot be read stay.
    Raises `OSError`.
    """
    removed = 0
    draft = file.with_name(f".{file.name}.erasing")
    with file.open("rb") as reading, draft.open("wb") as writing:
        for line in reading:
            if _is_theirs(line, erased):
                removed += 1
            else:
                writing.write(line)
        writing.flush()
        os.fsync(writing.fileno())
    if not removed:
        draft.unlink()
        return 0
    draft.chmod(file.stat().st_mode & 0o777)
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return removed


def _is_theirs(line: bytes, erased: Erased) -> bool:
    try:
        found = _decode(line)
    except msgspec.MsgspecError:
        return False
    if found.topic == "decisions":
        return erased.covers_decision(found.key, found.data.customer_id)
    return found.time < erased.time + AHEAD and erased.covers(found.data.identity)

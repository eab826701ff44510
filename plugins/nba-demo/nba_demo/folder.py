"""The demo's folder: built beside its place and moved there whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nba_engine.errors import FailedPrecondition

__all__ = ["building"]

_MARK = ".nba-demo"


@contextmanager
def building(out: Path) -> Iterator[Path]:
    """A fresh folder that takes the place of ``out`` when the block ends without an error.

    Raises `FailedPrecondition` when something else than an earlier demo is there.
    """
    if out.exists() and any(out.iterdir()) and not (out / _MARK).exists():
        raise FailedPrecondition(f"{out} holds something else than a demo; choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    (unfinished / _MARK).write_text("written by `nba demo`; replaced by the next run\n", "utf-8")
    try:
        yield unfinished
        if out.exists():
            old = out.with_name(f".{out.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            out.rename(old)
            unfinished.rename(out)
            shutil.rmtree(old, ignore_errors=True)
        else:
            unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)

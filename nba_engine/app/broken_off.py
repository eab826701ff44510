"""A run over many customers that can be broken off: what is written down of it, and gone on with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from nba_engine.errors import FailedPrecondition

__all__ = ["differing", "differs", "parted", "read_begun", "write_begun"]

_T = TypeVar("_T")


def read_begun(file: Path, type_: type[_T]) -> _T | None:
    """What was written down; None: nothing was. Raises `FailedPrecondition`: it cannot be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=type_)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise FailedPrecondition(f"{file} cannot be read ({error}); --fresh begins anew") from error


def write_begun(file: Path, value: object) -> None:
    """Write it down; what was there is replaced at once, or stays."""
    draft = file.with_suffix(".draft")
    with draft.open("wb") as opened:
        opened.write(msgspec.json.encode(value))
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)


def differing(wanted: msgspec.Struct, begun: msgspec.Struct) -> list[str]:
    """The fields in which what is asked for is not what was begun."""
    names = wanted.__struct_fields__
    return [name for name in names if getattr(wanted, name) != getattr(begun, name)]


def differs(folder: Path, names: Iterable[str]) -> FailedPrecondition:
    """The error for a run that asks for something else."""
    return FailedPrecondition(
        f"{folder} is of a run that was broken off and differs in {', '.join(names)}; "
        "--fresh begins anew"
    )


def parted(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Lists of ``size`` items, the last one shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some

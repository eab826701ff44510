"""What went wrong in a worker, as it travels to whoever waits, and is raised there."""

from __future__ import annotations

import pickle
import traceback
from typing import NoReturn

import msgspec

from nba_engine.errors import NbaError, PartitionFailed

__all__ = ["Failure", "failure_of", "named", "raise_failure"]

_DESCRIBED = 200  # characters of a partition


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An exception in a worker: in words, with its place, and itself where it is the engine's.

    ``itself`` is pickled: the class of an error with what it was made of.
    """

    text: str
    itself: bytes = b""


def failure_of(error: BaseException) -> Failure:
    """What there is to tell of an exception; never raises."""
    kind = type(error).__name__
    lines = str(error).strip().splitlines()
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (at {frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    text = f"{kind}: {lines[0]}{where}" if lines else f"{kind}{where}"
    return Failure(text=text, itself=_pickled(error))


def raise_failure(failure: Failure, *, number: int, count: int, partition: object) -> NoReturn:
    """Raise an error of the engine as itself, everything else as `PartitionFailed`."""
    if failure.itself:
        kind, state = pickle.loads(failure.itself)  # noqa: S301 - our own worker wrote it
        error = kind.__new__(kind)
        error.args, attributes = state
        error.__dict__.update(attributes)
        error.add_note(named(number, count, partition))
        raise error
    raise PartitionFailed(f"{named(number, count, partition)}: {failure.text}", partition=number)


def named(number: int, count: int, partition: object) -> str:
    """``partition 3 of 16 (customers 40000 to 49999)``; the first is 1."""
    told = str(partition)
    told = told if len(told) <= _DESCRIBED else f"{told[: _DESCRIBED - 1]}…"
    return f"partition {number + 1} of {count} ({told})"


def _pickled(error: BaseException) -> bytes:
    if not isinstance(error, NbaError):
        return b""
    attributes = {name: value for name, value in vars(error).items() if name != "__notes__"}
    try:
        return pickle.dumps((type(error), (error.args, attributes)))
    except Exception:  # of a class that no other process knows: the words have to do
        return b""

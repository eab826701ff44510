"""Versions of a model, and the history of their promotions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from nba_engine.domain.model import Manifest
from nba_engine.errors import FailedPrecondition

__all__ = ["ModelVersion", "Promotion", "Refusal", "Status", "one_before", "promoted_of"]

Status = Literal["waiting", "in_force", "refused"]


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a named model: a folder that nobody changes, under its content hash.

    ``added`` in seconds since the epoch. ``manifest``: None when its folder is gone, or cannot be
    read any more.
    """

    name: str
    version: str
    folder: Path
    added: float
    note: str = ""
    author: str = ""
    manifest: Manifest | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a promoted version was not put in force, and when that was found."""

    time: float
    mistakes: tuple[str, ...]


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a version was promoted; ``taken`` is when a server first decided with it.

    ``origin`` is ``promote`` or ``rollback``. A refused one was never in force: the one before it
    goes on.
    """

    version: str
    time: float
    origin: Literal["promote", "rollback"] = "promote"
    author: str = ""
    comment: str = ""
    taken: float | None = None
    refused: Refusal | None = None

    @property
    def status(self) -> Status:
        """As far as it tells by itself; the last that was not refused is the one that counts."""
        if self.refused is not None:
            return "refused"
        return "waiting" if self.taken is None else "in_force"


def promoted_of(history: Sequence[Promotion]) -> Promotion | None:
    """The promotion that counts: the last one that was not refused."""
    return next((one for one in reversed(history) if one.refused is None), None)


def one_before(history: Sequence[Promotion], name: str) -> str:
    """The version that was promoted before the one that is. Raises `FailedPrecondition`."""
    current = promoted_of(history)
    for one in reversed(history):
        if current is not None and one.refused is None and one.version != current.version:
            return one.version
    raise FailedPrecondition(f"no version of {name!r} was promoted before the one that is")

"""What was found wrong or odd while a catalog was loaded."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from nba_engine.errors import Mistake

__all__ = ["Entry", "Findings"]

T = TypeVar("T")


class Entry(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One table of a catalog, and where it was written."""

    id: str
    file: str
    place: str
    table: T


class Findings:
    """Collects mistakes (the catalog cannot be used) and warnings (it can)."""

    def __init__(self, *, complete: bool = True) -> None:
        """Without ``complete`` some files could not be read: see `missing`."""
        self.complete = complete
        self.mistakes: list[Mistake] = []
        self.warnings: list[Mistake] = []

    def mistake(
        self, file: str, place: str, message: str, remedy: str = "", *, once: bool = False
    ) -> None:
        """Note a mistake; with ``once`` only if none was noted at this place before."""
        if once and self.is_wrong(file, place):
            return
        self.mistakes.append(Mistake(file=file, place=place, message=message, remedy=remedy))

    def missing(self, file: str, place: str, message: str, remedy: str = "") -> None:
        """Note that something is not declared, unless it may be in a file that was not read."""
        if self.complete:
            self.mistake(file, place, message, remedy)

    def warning(self, file: str, place: str, message: str, remedy: str = "") -> None:
        """Note something that is probably not meant."""
        self.warnings.append(Mistake(file=file, place=place, message=message, remedy=remedy))

    def is_wrong(self, file: str, place: str) -> bool:
        """Whether a mistake was noted at this place or below it."""
        below = (f"{place}.", f"{place}[", f"{place}:")
        return any(
            found.file == file and (found.place == place or found.place.startswith(below))
            for found in self.mistakes
        )

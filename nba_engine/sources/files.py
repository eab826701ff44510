"""Sources ``jsonl`` and ``csv``: a file that grows, or a folder of them.

Each file is a part of its own, with its own position. A file that was renamed (rotated) is read to
its end under its new name; one that was cut short, or is another one under the same name, is read
from its beginning.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from nba_engine.domain import (
    CatalogView,
    SourceBatch,
    SourceFactory,
    SourceRecord,
)
from nba_engine.sources.columns import interaction, profile
from nba_engine.sources.growing import Growing, Mark
from nba_engine.sources.rows import RowError, cells_of, json_row, named

__all__ = ["CSV", "JSONL", "FileSettings", "FileSource", "Holds"]

_log = logging.getLogger("nba_engine.sources")

Holds = Literal["interactions", "profiles"]


class FileSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `FileSource`.

    ``path``: a file, or a folder of files, relative to the folder of nba.toml. ``holds``: what is
    in them. ``match``: which files of a folder are read, as ``*.jsonl``; by default those with the
    usual ending. ``settle_seconds``: a last line without an end counts as whole when the file was
    not written to for so long.
    """

    path: Annotated[str, msgspec.Meta(min_length=1)] = "data/inbox"
    holds: Holds = "interactions"
    match: str = ""
    settle_seconds: Annotated[float, msgspec.Meta(ge=0)] = 60.0


class FileSource:
    """Reads files in the order of their names, each from where it was read before."""

    def __init__(self, settings: FileSettings, folder: Path, kind: Literal["jsonl", "csv"]) -> None:
        self._path = folder / Path(settings.path).expanduser()
        self._holds = settings.holds
        self._settle = settings.settle_seconds
        self._csv = kind == "csv"
        self._matches = _matching([settings.match] if settings.match else _USUAL[kind])
        self._seen: dict[str, Mark] = {}  # the files of this run, as last seen
        self._renamed: set[str] = set()  # names that files got which are no longer under theirs
        self._read_up: dict[str, tuple[object, ...]] = {}  # name → how it was when all was read
        self._told: set[tuple[str, int]] = set()
        self._unread: OSError | None = None  # a file that is there and cannot be read

    def read(
        self, positions: Callable[[str], str], *, most: int, catalog: CatalogView
    ) -> SourceBatch | None:
        """The next records of the first file that has any.

        Raises `OSError` when the folder is not there, or, after all others are read, for a file
        that cannot be.
        """
        self._unread = None
        marks = self._marks(positions)
        found: SourceBatch | None = None
        behind = 0
        for name, mark in marks.items():
            if name in self._read_up:
                continue
            with self._missing_allowed(), self._open(name) as file:
                growing = self._growing(file)
                if growing.inode != mark.inode:
                    continue  # renamed this very moment: next time
                if growing.size == mark.offset:
                    self._read_up[name] = (*growing.looks, positions(name))
                behind += max(0, growing.size - mark.offset)
                if found is None:
                    found = self._batch(name, growing, mark, most, catalog)
                    if found is not None:
                        behind -= _decode(found.position).offset - mark.offset
        if found is None and self._unread is not None:
            raise self._unread
        return None if found is None else msgspec.structs.replace(found, behind=behind)

    def close(self) -> None:
        """Nothing is kept open."""

    def _batch(
        self, name: str, growing: Growing, mark: Mark, most: int, catalog: CatalogView
    ) -> SourceBatch | None:
        heading: list[str] = []
        if self._csv:
            first = growing.heading()
            if first is None:
                return None
            try:
                heading = cells_of(first)
            except RowError as error:
                heading = []
                _log.warning("the heading of %s cannot be read: %s", name, error.message)
        pieces, after = growing.read(mark, most)
        if after == mark:
            return None
        records: list[SourceRecord] = []
        for piece in pieces:
            if self._csv and piece.line == 1:
                continue
            place = f"{name}:{piece.line}"
            if piece.problem:
                records.append(SourceRecord(place=place, problem=piece.problem))
                continue
            try:
                values = named(cells_of(piece.data), heading) if self._csv else json_row(piece.data)
                records.append(self._record(place, values, catalog))
            except RowError as error:
                records.append(SourceRecord(place=place, problem=error.message))
        return SourceBatch(records=tuple(records), part=name, position=_encode(after))

    def _record(self, place: str, values: dict[str, Any], catalog: CatalogView) -> SourceRecord:
        if self._holds == "profiles":
            return SourceRecord(place=place, update=profile(values, catalog.attributes))
        return SourceRecord(place=place, interaction=interaction(values))

    def _marks(self, positions: Callable[[str], str]) -> Mapping[str, Mark]:
        """Where to go on in each file; those that were renamed first."""
        marks: dict[str, Mark] = {}
        gone: list[Mark] = []  # marks of what is no longer under its name
        names = self._names()
        for name in names:
            with suppress(FileNotFoundError):
                noted = positions(name)
                stat = (self._folder / name).stat()
                looks = (stat.st_ino, stat.st_size, stat.st_mtime_ns, noted)
                if self._read_up.get(name) == looks:
                    marks[name] = self._seen[name]
                    continue
                self._read_up.pop(name, None)
            with self._missing_allowed(), self._open(name) as file:
                growing = self._growing(file)
                mark = _decode(noted) if noted else self._inherited(name, growing.inode)
                if growing.fits(mark):
                    # a copy of it has another inode
                    marks[name] = msgspec.structs.replace(mark, inode=growing.inode)
                else:
                    gone.append(mark)
                    marks[name] = Mark(inode=growing.inode)
                    self._tell_changed(name, growing, mark)
        for name, mark in self._seen.items():
            if name not in marks:
                noted = positions(name)
                gone.append(_decode(noted) if noted else mark)
        renamed = self._found_again(gone, marks, positions) if gone else {}
        self._renamed |= renamed.keys()
        others = {name: mark for name, mark in marks.items() if name not in renamed}
        self._seen = {**self._seen, **renamed, **others}
        for name in [name for name in self._seen if name not in renamed and name not in others]:
            del self._seen[name]
            self._read_up.pop(name, None)
        return {**renamed, **others}

    def _found_again(
        self, gone: list[Mark], marks: Mapping[str, Mark], positions: Callable[[str], str]
    ) -> dict[str, Mark]:
        """Files of the folder that are under another name now, with their marks."""
        by_inode = {mark.inode: mark for mark in gone if mark.offset}
        found: dict[str, Mark] = {}
        with os.scandir(self._folder) as entries:
            by_name = sorted(entries, key=lambda entry: entry.name)
        for entry in by_name:
            mark = by_inode.get(entry.inode())
            if mark is None or marks.get(entry.name, Mark(inode=0)).offset:
                continue
            with suppress(OSError), self._open(entry.name) as file:
                growing = self._growing(file)
                noted = positions(entry.name)
                for candidate in ([_decode(noted)] if noted else []) + [mark]:
                    if growing.fits(candidate):
                        found[entry.name] = candidate
                        break
        return found

    def _inherited(self, name: str, inode: int) -> Mark:
        """The mark of a file that nothing was written of yet under this name."""
        mark = self._seen.get(name)
        return mark if mark is not None and mark.inode == inode else Mark(inode=inode)

    def _names(self) -> list[str]:
        """The files to read, by name. Raises `OSError` when the folder is not there."""
        if self._path.is_dir():
            with os.scandir(self._path) as entries:
                return sorted(e.name for e in entries if self._matches(e.name) and _is_file(e))
        if not self._folder.is_dir():
            raise FileNotFoundError(2, "there is no such folder", str(self._folder))
        own = [self._path.name] if self._path.is_file() else []
        return [*sorted(self._renamed - {*own}), *own]

    @property
    def _folder(self) -> Path:
        return self._path if self._path.is_dir() else self._path.parent

    def _open(self, name: str) -> Any:
        return (self._folder / name).open("rb")

    @contextmanager
    def _missing_allowed(self) -> Iterator[None]:
        """A file that has just gone is no matter; one that cannot be read must not stop the others."""
        try:
            yield
        except FileNotFoundError:
            pass
        except OSError as error:
            self._unread = error

    def _growing(self, file: Any) -> Growing:
        return Growing(file, quoted=self._csv, settle=self._settle)

    def _tell_changed(self, name: str, growing: Growing, mark: Mark) -> None:
        if (name, growing.inode) not in self._told:
            self._told.add((name, growing.inode))
            what = "was cut short" if growing.inode == mark.inode else "is another file now"
            _log.info("%s %s: it is read from its beginning", name, what)


_USUAL = {"jsonl": ["*.jsonl", "*.ndjson"], "csv": ["*.csv"]}
_decode = msgspec.json.Decoder(Mark).decode


def _matching(patterns: Sequence[str]) -> Callable[[str], bool]:
    def matches(name: str) -> bool:
        # a name that is no text could not be noted
        return (
            name[0] != "."
            and any(fnmatchcase(name, pattern) for pattern in patterns)
            and not any("\ud800" <= character <= "\udfff" for character in name)
        )

    return matches


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads nowhere
        return False


def _encode(mark: Mark) -> str:
    return msgspec.json.encode(mark).decode()


JSONL = SourceFactory(
    build=lambda settings, folder: FileSource(settings, folder, "jsonl"), settings=FileSettings
)
CSV = SourceFactory(
    build=lambda settings, folder: FileSource(settings, folder, "csv"), settings=FileSettings
)

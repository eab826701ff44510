"""The verbs of `nba_engine.domain.Store` that erase customers, on SQLite."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import apsw
import msgspec

from nba_engine.domain import Erased, Erasure
from nba_engine.errors import FailedPrecondition
from nba_engine.store.erasing.erasing import (
    check_erasure,
    close_erasure,
    erase,
    erase_again,
    note_erased,
    read_erased,
    read_erasures,
)
from nba_engine.store.erasing.scrubbing import scrub
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Readers
from nba_engine.store.ledger import Ledger
from nba_engine.store.writer import Writer

__all__ = ["StoredErasures", "list_path", "read_list"]


class StoredErasures:
    """A part of `nba_engine.store.SqliteStore`."""

    _path: Path
    _readers: Readers
    _writer: Writer
    _ledger: Ledger
    _simulated: bool

    def erase(
        self, identity: str, *, erasure_id: str = "", now: float, deadline: float | None = None
    ) -> Erasure:
        """Erase the customer behind an identity; one commit. See `nba_engine.domain.Store`."""
        check_erasure(identity, erasure_id)
        erasure = self._writer.submit(
            lambda connection: erase(
                connection, self._ledger, identity, erasure_id, now, simulated=self._simulated
            ),
            deadline=deadline,
        )
        if erasure.pending:
            self._writer.submit(
                lambda connection: close_erasure(
                    connection, erasure.erasure_id, simulated=self._simulated
                ),
                deadline=deadline,
            )
        return erasure

    def erase_again(self, erased: Sequence[Erased], *, now: float) -> int:
        """Carry out erasures that this store has not seen, for it is a copy; how many."""
        return self._writer.submit(
            lambda connection: erase_again(connection, self._ledger, erased, now),
            deadline=math.inf,
        )

    def note_erased(
        self,
        erasure_id: str,
        counts: Mapping[str, int],
        *,
        pending: Sequence[str],
        kept: Sequence[str] = (),
    ) -> Erasure:
        """Note what was removed elsewhere, and where something may still be."""

        def change(connection: apsw.Connection) -> Erasure:
            close_erasure(connection, erasure_id, simulated=self._simulated)
            return note_erased(connection, erasure_id, counts, pending, kept)

        return self._writer.submit(change)

    def erasures(self, *, most: int = 100) -> Sequence[Erasure]:
        """The newest erasures, the newest first."""
        try:
            return read_erasures(self._readers.connection(), most)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def erased_since(self, sequence: int = 0) -> Sequence[Erased]:
        """Who was erased, from behind a sequence on, in order."""
        try:
            return read_erased(self._readers.connection(), sequence)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def scrub(self) -> None:
        """Leave nothing of deleted rows in the files; others may go on meanwhile.

        And list beside the database who was erased, by digests: for a backup that is restored when
        the database is lost. Raises `Unavailable`, `Exhausted`.
        """
        scrub(self._path)
        try:
            _write_list(self._path, self.erased_since())
        except OSError as error:
            raise translated(error, self._path) from error


def list_path(store: Path) -> Path:
    """The list of who was erased, beside a database."""
    return store.with_name(f"{store.name}.erased")


def read_list(store: Path) -> list[Erased]:
    """Who was erased, as listed beside a database; empty without a list.

    Raises `FailedPrecondition` for another kind of file.
    """
    file = list_path(store)
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[Erased])
    except FileNotFoundError:
        return []
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FailedPrecondition(f"{file} is no list of erased customers: {error}") from error


def _write_list(store: Path, erased: Sequence[Erased]) -> None:
    """Replace the list; it is the old one or the new one, whenever the process dies."""
    file = list_path(store)
    nameless = [msgspec.structs.replace(one, names=()) for one in erased]
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as writing:
        writing.write(msgspec.json.encode(nameless))
        writing.flush()
        os.fsync(writing.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

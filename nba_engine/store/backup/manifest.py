"""What a backup says about itself: `manifest.json`, beside its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec

from nba_engine.errors import FailedPrecondition, NotFound
from nba_engine.store.log import DECISIONS
from nba_engine.store.schema import STORE

__all__ = [
    "LOG_FILE",
    "MANIFEST",
    "STORE_FILE",
    "BackedUp",
    "Manifest",
    "copy_file",
    "read_manifest",
    "sync_folder",
]

MANIFEST = "manifest.json"
STORE_FILE = "store.db"
LOG_FILE = "decisions.db"  # what was moved out of it is beside it, in decisions/
_FORMAT = 1
_PIECE = 1 << 20


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a backup, by its path in there."""

    file: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All of a backup. What counts rows is the number of the last one."""

    format: int = _FORMAT
    engine: str  # version of nba-engine
    time: str  # ISO 8601, UTC
    store_id: str
    store_version: int
    log_version: int  # 0: there was no log
    simulated: bool
    ledger_clock: float  # 0.0: never used
    publication: int  # sequence of the catalog put in force last
    interactions: int
    decisions: int
    files: tuple[BackedUp, ...]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup that this release can restore.

    Raises `NotFound`, and `FailedPrecondition` for anything else than such a backup.
    """
    try:
        text = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{folder} is no backup: it has no {MANIFEST}") from None
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise FailedPrecondition(f"{folder / MANIFEST} cannot be read: {error}") from error
    for what, found, wanted in (
        ("backup", manifest.format, {_FORMAT}),
        (STORE.name, manifest.store_version, STORE.readable),
        (DECISIONS.name, manifest.log_version, {0} | DECISIONS.readable),
    ):
        if found not in wanted:
            raise FailedPrecondition(
                f"{folder} has version {found} of the {what}; this release reads version "
                f"{max(wanted)} (it was made by nba-engine {manifest.engine})"
            )
    for one in manifest.files:
        path = PurePosixPath(one.file)
        if path.is_absolute() or ".." in path.parts:
            raise FailedPrecondition(f"{folder / MANIFEST} names a file outside: {one.file}")
    return manifest


def copy_file(source: Path, target: Path, copied: Callable[[int], None]) -> BackedUp:
    """Copy a file durably, for its owner only. ``copied`` hears of each piece's bytes.

    What is returned has the name of the target. Raises driver errors.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    with source.open("rb") as reading, _created(target) as writing:
        while piece := reading.read(_PIECE):
            digest.update(piece)
            writing.write(piece)
            size += len(piece)
            copied(len(piece))
        writing.flush()
        os.fsync(writing.fileno())
    return BackedUp(file=target.name, bytes=size, sha256=digest.hexdigest())


def _created(target: Path) -> BinaryIO:
    return os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def sync_folder(folder: Path) -> None:
    """Make what was created or renamed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

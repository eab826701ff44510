"""What a model folder holds, as one hash; and copies of it that nobody changes by accident."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

__all__ = ["content_of", "copy_folder", "sync_folder", "write_whole"]

_READ_ONLY = 0o444


def content_of(folder: Path) -> str:
    """The content hash of a folder: 16 hex digits over the names and bytes of its files.

    Hidden files and ``__pycache__`` do not count. Raises `OSError`.
    """
    digest = hashlib.sha256()
    for file in sorted(_files(folder), key=lambda file: file.relative_to(folder).as_posix()):
        for part in (file.relative_to(folder).as_posix().encode(), file.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def copy_folder(source: Path, target: Path) -> None:
    """Copy what counts into a new folder, read-only and durable; links become files."""
    target.mkdir()
    folders = {target}
    for file in _files(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        folders.add(copy.parent)
        shutil.copyfile(file, copy)
        with copy.open("rb") as written:
            os.fsync(written.fileno())
        copy.chmod(_READ_ONLY)
    for folder in folders:
        sync_folder(folder)


def write_whole(file: Path, data: bytes) -> None:
    """Write a file in one durable step: a reader sees the old one or the new one."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with draft.open("wb") as written:
        written.write(data)
        written.flush()
        os.fsync(written.fileno())
    draft.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            yield from _files(entry)
        elif entry.is_file():
            yield entry

"""A disk that is full or takes no writes, for as long as a file says so: an `apsw` VFS."""

from __future__ import annotations

import errno
import os
import textwrap
from pathlib import Path
from typing import Literal, TypeAlias

import apsw

__all__ = ["FailingDisk", "RealDisk", "State", "environment"]

State: TypeAlias = Literal["", "full", "read-only"]


class FailingDisk(apsw.VFS):
    """The default VFS from now on; what it hands on to is the one before, until `unregister`.

    ``told`` is the file whose text is the state; none: the disk is well. A full one still takes what
    needs no more room, as a real one does.
    """

    def __init__(self, told: Path) -> None:
        self.told = told
        self.base = apsw.vfs_names()[0]
        super().__init__("failing disk", self.base, makedefault=True)

    @property
    def state(self) -> str:
        try:
            return self.told.read_text("utf-8")
        except FileNotFoundError:
            return ""

    def become(self, state: State) -> None:
        """Fail like this from now on, in every process that looks at the file; "": no more."""
        new = self.told.with_name(f"{self.told.name}.new")
        new.write_text(state, "utf-8")
        new.replace(self.told)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path and self.state == "read-only" and not Path(path).exists():
            raise apsw.CantOpenError
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 - SQLite's
        if self.state == "read-only":
            raise apsw.ReadOnlyError
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    def __init__(
        self, disk: FailingDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._disk = disk
        super().__init__(disk.base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's
        state = self._disk.state
        if state == "read-only":
            raise apsw.ReadOnlyError
        if state == "full" and offset + len(data) > self.xFileSize():
            raise apsw.FullError
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's
        if self._disk.state == "read-only":
            raise apsw.ReadOnlyError
        super().xTruncate(newsize)


class RealDisk:
    """A small file system of its own that is filled to the last byte, and emptied again."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def become(self, state: State) -> None:
        """ "full", or "" for well; there is no other."""
        if not state:
            self._filler.unlink(missing_ok=True)
            return
        with self._filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise


def environment(folder: Path, told: Path) -> dict[str, str]:
    """Variables with which every Python process has such a disk; files for it go to ``folder``."""
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent(f"""
            from pathlib import Path
            from faults.failing_disk import FailingDisk
            DISK = FailingDisk(Path({str(told)!r}))
        """)
    )
    root = str(Path(__file__).resolve().parents[1])
    paths = [str(folder), root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}

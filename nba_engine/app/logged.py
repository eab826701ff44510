"""What past decisions are looked at with: the log and the catalog in force, without the store."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from nba_engine.app.assembly import Assembly
from nba_engine.app.check import prepared
from nba_engine.catalog import read_folder
from nba_engine.engine import Snapshot
from nba_engine.errors import MistakesFound
from nba_engine.store import LogReader, open_log_reader

__all__ = ["Logged", "open_logged"]


class Logged:
    """A decision log, and the snapshot in force. A context manager.

    The engine may be serving meanwhile: nothing is written, no store is opened.
    """

    def __init__(
        self, log: LogReader, snapshot: Snapshot, assembly: Assembly, resources: ExitStack
    ) -> None:
        self.log = log
        self.snapshot = snapshot
        self._assembly = assembly
        self._resources = resources

    def another(self, folder: Path) -> Snapshot:
        """The snapshot another catalog folder would make. Raises `MistakesFound`."""
        return self._assembly.assemble(read_folder(folder), folder=str(folder))

    def close(self) -> None:
        """Release the file. Safe to call twice."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_logged(settings_path: str | Path, *, environ: Mapping[str, str] | None = None) -> Logged:
    """Open the decision log that a settings file names, with catalog and models as they are.

    Raises `MistakesFound`, `NotFound` when there is no log yet, `FailedPrecondition`.
    """
    found = prepared(settings_path, environ)
    if found.mistakes or found.snapshot is None or found.settings is None or found.assembly is None:
        raise MistakesFound(found.mistakes)
    with ExitStack() as opened:
        log = open_log_reader(found.settings.store.decision_log)
        opened.callback(log.close)
        return Logged(log, found.snapshot, found.assembly, opened.pop_all())

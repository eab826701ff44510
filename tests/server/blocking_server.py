"""Serves a small engine whose decisions wait until a named pipe is closed: for test_lifecycle."""

from __future__ import annotations

import sys
from pathlib import Path

from nba_engine.domain import Decision, DecisionRequest
from nba_engine.server import serve
from nba_engine.settings import ServerSettings, Settings
from tests.server.small import SmallEngine


class Blocking(SmallEngine):
    """Decides when whoever opened the pipe for writing closes it."""

    def __init__(self, pipe: Path) -> None:
        super().__init__()
        self._pipe = pipe

    def decide(self, request: DecisionRequest, *, deadline: float | None = None) -> Decision:
        self._pipe.read_bytes()
        return super().decide(request, deadline=deadline)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    settings = Settings(server=ServerSettings(listen="127.0.0.1:0", grace_seconds=30.0))
    serve(Blocking(folder / "pipe"), settings, ready_file=folder / "ready")

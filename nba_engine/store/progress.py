"""Progress marks of those who read from elsewhere, and go on behind their last commit."""

from __future__ import annotations

import apsw

from nba_engine.errors import FailedPrecondition

__all__ = ["check_progress"]


def check_progress(connection: apsw.Connection, name: str, follows: str) -> None:
    """Raise `FailedPrecondition` unless the mark is ``follows`` ("": there is none)."""
    noted = connection.execute("SELECT value FROM progress WHERE name = ?", (name,)).get
    if (noted or "") != follows:
        raise FailedPrecondition(f"{name} has moved on: somebody else reads it, too")

"""Since when interactions are kept: asked in each commit that records some."""

from __future__ import annotations

import apsw

__all__ = ["kept_since"]

_KEPT_SINCE = "SELECT value FROM meta WHERE key = 'kept_since'"


def kept_since(connection: apsw.Connection) -> float | None:
    """Interactions that took place earlier were forgotten; None: none ever was."""
    found: float | None = connection.execute(_KEPT_SINCE).get
    return found

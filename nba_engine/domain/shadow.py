"""Models that score beside a decision without being used: what is kept of them for the log."""

from __future__ import annotations

from typing import Protocol

from nba_engine.domain.values import FloatArray

__all__ = ["Shadow"]


class Shadow(Protocol):
    """A model that scores in shadow. Waiting for it never takes longer than it is given."""

    def scores(self, until: float) -> FloatArray | None:
        """Its propensities, aligned with the candidates that were scored, (n,).

        None: it was not done by ``until`` (on `time.monotonic`), or failed.
        """

"""Follows the catalog in force, and the models that are promoted."""

from __future__ import annotations

import logging
from collections.abc import Callable

from nba_engine.app.repeating import Repeating
from nba_engine.engine import Catalogs
from nba_engine.errors import NbaError

__all__ = ["Follower"]

_log = logging.getLogger("nba_engine.app")

_PAUSE_SECONDS = 1.0  # after the store could not be read


class Follower(Repeating):
    """A daemon thread that calls `Catalogs.step` as often as that asks for, until `stop`.

    So it finds out within a second or so when the store does not answer, and when it does again.
    ``also`` is called as often, while the store answers.
    """

    def __init__(self, catalogs: Catalogs, also: Callable[[], None] = lambda: None) -> None:
        super().__init__("nba-catalogs")
        self._catalogs = catalogs
        self._also = also
        self._reached = True

    def _step(self) -> float:
        try:
            pause = self._catalogs.step()
            reached = True
        except NbaError as error:  # the store will be back, or every call will say so
            pause = _PAUSE_SECONDS
            reached = False
            if self._reached:
                _log.warning("looking for published catalogs failed: %s", error.reason)
        self._reached = reached
        self._catalogs.store_reached(reached=reached)
        if reached:
            self._also()
        return pause

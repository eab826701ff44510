"""Keeps the prices of shared limits in step with what is used of them; looks for contact plans."""

from __future__ import annotations

import logging

from nba_engine.app.repeating import Repeating
from nba_engine.engine import Engine
from nba_engine.errors import NbaError

__all__ = ["PriceUpdater"]

_log = logging.getLogger("nba_engine.app")

_SIMULATED_SECONDS = 0.1  # over a simulated store time passes as fast as decisions come


class PriceUpdater(Repeating):
    """A daemon thread that looks every ``seconds`` whether a step is due, and for a new contact plan.

    Over a simulated store the time is that of the latest decision.
    """

    def __init__(self, engine: Engine, *, seconds: float = 1.0) -> None:
        super().__init__("nba-prices")
        self._engine = engine
        self._seconds = seconds
        self._reached = True

    def start(self) -> None:
        """Look once, so that the first decision has prices; then start the thread."""
        self._delay = self._turn()
        super().start()

    def _step(self) -> float:
        engine = self._engine
        simulated = engine.store.simulated
        now = engine.prices.latest if simulated else engine.now
        try:
            engine.plans.read(engine.catalog)
            if now > 0.0:
                engine.prices.step(engine.catalog, now)
            else:
                engine.prices.read(engine.catalog)
            self._reached = True
        except (
            NbaError
        ) as error:  # the store will be back; decisions go on with the prices they had
            if self._reached:
                _log.warning("updating prices of limits failed: %s", error.reason)
            self._reached = False
        paced = bool(engine.prices.cells(engine.catalog))
        return _SIMULATED_SECONDS if simulated and paced else self._seconds

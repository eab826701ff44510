"""Whether a household bought in the category of an offer within 14 days of a contact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba_demo.actions import Offer
from nba_demo.hits import LAST_LABEL
from nba_demo.panel import HORIZON, Panel

__all__ = ["Bought"]


class Bought:
    """Every purchase of an offered category, by household."""

    def __init__(self, panel: Panel, offers: Sequence[Offer]) -> None:
        self._width = panel.offers
        self._offer = {offer.id: at for at, offer in enumerate(offers)}
        cells = np.argsort(panel.cell, kind="stable")
        self._times = panel.time[cells]  # by cell, each in time order
        self._bounds = np.searchsorted(
            panel.cell[cells], np.arange(panel.households * panel.offers + 1)
        )

    def within(self, household: int, action: str, start: float) -> bool | None:
        """Whether it did from ``start`` on; None: it is no category offer, or the data ends too early."""
        offer = self._offer.get(action)
        if offer is None or start >= LAST_LABEL:
            return None
        cell = household * self._width + offer
        times = self._times[self._bounds[cell] : self._bounds[cell + 1]]
        first = int(np.searchsorted(times, start))
        return first < len(times) and float(times[first]) < start + HORIZON

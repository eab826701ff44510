"""What is made of a small part of the year: the fixture `small`."""

from __future__ import annotations

import msgspec

from nba_demo.actions import Offer
from nba_demo.data import Year
from nba_demo.offline import Offline, Trained
from nba_demo.panel import Panel


class Small(msgspec.Struct, frozen=True, kw_only=True):
    year: Year
    offers: tuple[Offer, ...]
    panel: Panel
    trained: Trained
    offline: Offline

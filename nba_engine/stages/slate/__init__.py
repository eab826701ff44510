"""Stage ``slate``: what fills the slots of a placement, from the ranking to what is reserved."""

from nba_engine.stages.slate.slate import SLATE
from nba_engine.stages.slate.together import Together

__all__ = [
    "SLATE",
    "Together",
]

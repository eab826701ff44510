"""Further attributes from outside: asked in time, kept in memory, each with its source and time."""

from nba_engine.engine.profile_sources.asking import Asking, Flight, SourceStatus
from nba_engine.engine.profile_sources.memory import Kept, Memory
from nba_engine.engine.profile_sources.reads import SourcedReads
from nba_engine.engine.profile_sources.sources import ProfileSources, SourceInUse
from nba_engine.engine.profile_sources.whose import Whose

__all__ = [
    "Asking",
    "Flight",
    "Kept",
    "Memory",
    "ProfileSources",
    "SourceInUse",
    "SourceStatus",
    "SourcedReads",
    "Whose",
]

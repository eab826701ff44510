"""The engine: the current catalog and pipeline over one store. A reload never swaps the store."""

from nba_engine.engine.engine import Assemble, Engine
from nba_engine.engine.record import RecordedCandidates, candidates_of, decision_of
from nba_engine.engine.snapshot import Snapshot

__all__ = [
    "Assemble",
    "Engine",
    "RecordedCandidates",
    "Snapshot",
    "candidates_of",
    "decision_of",
]

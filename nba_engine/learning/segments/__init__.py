"""Target groups from behavior: chosen, named, matched to the last fit, exported."""

from nba_engine.learning.segments.behavior import Behavior, Source, behavior_of, rows_of
from nba_engine.learning.segments.fitting import Segment, Segments, fit_segments
from nba_engine.learning.segments.model import (
    Assigner,
    export_segments,
    names_file,
    open_assigner,
)

__all__ = [
    "Assigner",
    "Behavior",
    "Segment",
    "Segments",
    "Source",
    "behavior_of",
    "export_segments",
    "fit_segments",
    "names_file",
    "open_assigner",
    "rows_of",
]

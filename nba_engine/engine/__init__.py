"""The engine: the current catalog and pipeline over one store. A reload never swaps the store."""

from nba_engine.engine.attribution import facts_of
from nba_engine.engine.comparison import Comparison
from nba_engine.engine.contact_plans import CurrentPlan
from nba_engine.engine.differences import CauseCount, Differences
from nba_engine.engine.engine import Engine
from nba_engine.engine.evidence import Recount, decision_times
from nba_engine.engine.export import Exported
from nba_engine.engine.intake import Rejected, Taken, mark_name, take_in
from nba_engine.engine.limit_rows import LimitRow, limit_rows
from nba_engine.engine.limits import LimitUsage, usage_of_customer, usage_of_limit
from nba_engine.engine.log_table import table_of
from nba_engine.engine.old_catalogs import old_catalogs
from nba_engine.engine.profile_sources import ProfileSources, SourceStatus
from nba_engine.engine.publishing import (
    Assemble,
    Catalogs,
    CatalogWatcher,
    Published,
    Status,
    last_two,
    lead_seconds,
    status_of,
)
from nba_engine.engine.ranked import Ranked, ranked_by
from nba_engine.engine.rebuilding import Difference, Rebuilding
from nba_engine.engine.record import RecordedCandidates, candidates_of, decision_of
from nba_engine.engine.repetition import Repetition, repeat
from nba_engine.engine.requests import MAX_IDENTITY, MAX_PLACEMENTS, MAX_SLOTS
from nba_engine.engine.snapshot import Snapshot
from nba_engine.engine.supposing import Standing, Supposed, Supposing, standing
from nba_engine.engine.tap import Tap

__all__ = [
    "MAX_IDENTITY",
    "MAX_PLACEMENTS",
    "MAX_SLOTS",
    "Assemble",
    "CatalogWatcher",
    "Catalogs",
    "CauseCount",
    "Comparison",
    "CurrentPlan",
    "Difference",
    "Differences",
    "Engine",
    "Exported",
    "LimitRow",
    "LimitUsage",
    "ProfileSources",
    "Published",
    "Ranked",
    "Rebuilding",
    "RecordedCandidates",
    "Recount",
    "Rejected",
    "Repetition",
    "Snapshot",
    "SourceStatus",
    "Standing",
    "Status",
    "Supposed",
    "Supposing",
    "Taken",
    "Tap",
    "candidates_of",
    "decision_of",
    "decision_times",
    "facts_of",
    "last_two",
    "lead_seconds",
    "limit_rows",
    "mark_name",
    "old_catalogs",
    "ranked_by",
    "repeat",
    "standing",
    "status_of",
    "table_of",
    "take_in",
    "usage_of_customer",
    "usage_of_limit",
]

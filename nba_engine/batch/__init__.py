"""The batch engine `local`, and what engines over other workers share with it.

An ordinary plugin: it imports only what any plugin may.
"""

from nba_engine.batch.failures import Failure, failure_of, named, raise_failure
from nba_engine.batch.local import LocalEngine, LocalSettings
from nba_engine.batch.plugin import LOCAL, nba_batch_engines

__all__ = [
    "LOCAL",
    "Failure",
    "LocalEngine",
    "LocalSettings",
    "failure_of",
    "named",
    "nba_batch_engines",
    "raise_failure",
]

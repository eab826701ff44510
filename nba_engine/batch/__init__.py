"""The batch engine `local`, and what engines over other workers share with it: a `Driven` batch.

An ordinary plugin: it imports only what any plugin may.
"""

from nba_engine.batch.driver import Driven
from nba_engine.batch.failures import Failure, failure_of
from nba_engine.batch.local import LocalEngine, LocalSettings
from nba_engine.batch.plugin import LOCAL, nba_batch_engines
from nba_engine.batch.resident import Answer, Residents, Task
from nba_engine.batch.workers import Events, Worker, sendable

__all__ = [
    "LOCAL",
    "Answer",
    "Driven",
    "Events",
    "Failure",
    "LocalEngine",
    "LocalSettings",
    "Residents",
    "Task",
    "Worker",
    "failure_of",
    "nba_batch_engines",
    "sendable",
]

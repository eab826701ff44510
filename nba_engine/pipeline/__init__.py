"""Build a pipeline from settings, run it, guard it."""

from nba_engine.pipeline.breaker import Breaker
from nba_engine.pipeline.build import build_pipeline, check_stages
from nba_engine.pipeline.pipeline import AfterStage, Pipeline
from nba_engine.pipeline.step import STAGE_FAILED, Step, log_failure
from nba_engine.pipeline.timeout import StagePool

__all__ = [
    "STAGE_FAILED",
    "AfterStage",
    "Breaker",
    "Pipeline",
    "StagePool",
    "Step",
    "build_pipeline",
    "check_stages",
    "log_failure",
]

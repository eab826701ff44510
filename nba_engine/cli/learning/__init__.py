"""Commands that learn from what happened: models, values, affinities, tables, segments, proof."""

from nba_engine.cli.learning.affinity import affinity_group
from nba_engine.cli.learning.crosssell import crosssell_group
from nba_engine.cli.learning.evaluate import evaluate_command
from nba_engine.cli.learning.model import model_group
from nba_engine.cli.learning.reorder import reorder_group
from nba_engine.cli.learning.segments import segments_group
from nba_engine.cli.learning.slipped import slipped_command
from nba_engine.cli.learning.train import train_command
from nba_engine.cli.learning.uplift import uplift_group
from nba_engine.cli.learning.value import value_group

__all__ = [
    "affinity_group",
    "crosssell_group",
    "evaluate_command",
    "model_group",
    "reorder_group",
    "segments_group",
    "slipped_command",
    "train_command",
    "uplift_group",
    "value_group",
]

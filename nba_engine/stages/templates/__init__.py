"""Channel kind ``template``: content from Jinja2 templates, in a sandbox, compiled at load."""

from nba_engine.stages.templates.channel import TEMPLATE_CHANNEL
from nba_engine.stages.templates.seen import static_names

__all__ = [
    "TEMPLATE_CHANNEL",
    "static_names",
]

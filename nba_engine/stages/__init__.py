"""The built-in stages and channels. Ordinary plugins: they import only what any plugin may."""

from nba_engine.stages.plugin import nba_channels, nba_rule_functions, nba_stages

__all__ = ["nba_channels", "nba_rule_functions", "nba_stages"]

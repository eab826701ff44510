"""The command line: `nba serve | check | decide | import | plugin | demo`."""

from nba_engine.cli.main import main

__all__ = ["main"]

"""`python -m nba_engine.cli` is `nba`."""

from nba_engine.cli.main import main

main()

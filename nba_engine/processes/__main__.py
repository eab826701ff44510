"""`python -m nba_engine.processes PLAN`: supervise, as the JSON text of a `Plan` says."""

from __future__ import annotations

import sys

from nba_engine.errors import NbaError
from nba_engine.processes.plan import read_plan
from nba_engine.processes.supervisor import Supervisor


def main() -> int:
    """The exit code."""
    try:
        return Supervisor(read_plan(sys.argv[1])).run()
    except NbaError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())

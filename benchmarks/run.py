"""`make bench`: every benchmark, one after the other; exit code 1 when a gate fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
BENCHMARKS = (
    "rules.py",
    "decide.py",
    "streams.py",
    "faults.py",
    "reservations.py",
    "reservations_postgres.py",
    "store.py",
    "models.py",
    "value.py",
    "plan.py",
    "plan.py --customers 1000000",
    "prices.py",
    "prices_server.py",
    "floors.py",
)


def main() -> int:
    """Run them all, even after a failure; the exit code."""
    failed = []
    environ = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"\n== benchmarks/{name}", flush=True)
        started = time.monotonic()
        file, *words = name.split()
        done = subprocess.run(
            [sys.executable, str(FOLDER / file), *words], check=False, env=environ
        )
        print(f"-- {time.monotonic() - started:.0f} s", flush=True)
        if done.returncode != 0:
            failed.append(name)
    print(f"\nbench: {'all gates kept' if not failed else 'FAILED: ' + ', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

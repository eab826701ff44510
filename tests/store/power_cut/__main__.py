"""Cut the power at random moments of a working store, and look what is left.

    python -m tests.store.power_cut                     200 cuts
    python -m tests.store.power_cut --points 2000 --seed 7 --folder /var/tmp

Exit code 1 when anything that was acknowledged is lost, anything else is wrong, or the control run
lost nothing. docs/reliability.md tells what is done.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.store.power_cut.cutting import Cuts, cut_power


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--folder", help="on the disk that is meant; default: for temporary files")
    given = parser.parse_args()
    began = time.process_time()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        full = cut_power(folder / "full", f"{given.seed}", given.points)
        control = cut_power(
            folder / "control",
            f"{given.seed}-control",
            max(20, given.points // 10),
            synchronous="NORMAL",
        )
    print(
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}; "
        f"{time.process_time() - began:.0f} s of CPU"
    )
    for name, cuts in (("FULL", full), ("NORMAL", control)):
        print(f"synchronous={name}: {told(cuts)}")
    for what in [*full.lost, *full.wrong, *control.wrong][:20]:
        print(f"WRONG: {what}")
    print(
        f"power cuts: {full.points}, lost {len(full.lost)}, wrong {len(full.wrong) + len(control.wrong)}, "
        f"control lost {len(control.lost)}, seed {given.seed}"
    )
    return int(bool(full.lost or full.wrong or control.wrong or not control.lost))


def told(cuts: Cuts) -> str:
    """The figures of one run."""
    return (
        f"{cuts.points:,} cuts in {cuts.lives} lives, {cuts.calls:,} calls, {cuts.syncs:,} syncs, "
        f"{cuts.held:,} times something acknowledged was looked for, {len(cuts.lost):,} not found; "
        f"{cuts.unlogged:,} decisions not on record, the oldest {1000 * cuts.window:.0f} ms old"
    )


if __name__ == "__main__":
    sys.exit(main())

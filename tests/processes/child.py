"""A child of a supervisor that costs no start-up time: what it does is the file beside it.

python child.py FOLDER --listen ADDRESS --child CHILD

``FOLDER/<number>.does`` holds one word per life: ready | crash | die | hang | wait; the last one stays.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TextIO, cast

from nba_engine.processes import Child


def main() -> None:
    folder = Path(sys.argv[1])
    child = Child.parse(sys.argv[sys.argv.index("--child") + 1])
    child.end_with_supervisor()
    script = folder / f"{child.number}.does"
    words = script.read_text().split() if script.exists() else ["ready"]
    if len(words) > 1:
        script.write_text(" ".join(words[1:]))
    if words[0] == "crash":
        sys.exit(78)
    if words[0] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if words[0] == "wait":
        (folder / "gate").read_text()
    wanted = (signal.SIGTERM, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    (folder / f"{child.number}.pid").write_text(str(os.getpid()))
    child.tell_ready()
    out = cast("TextIO", child.output("console"))
    while True:
        came = signal.Signals(signal.sigwait(wanted))
        print(json.dumps({"process": child.number, "event": f"got {came.name}"}), file=out)
        out.flush()
        if came == signal.SIGTERM and words[0] != "hang":
            break


main()

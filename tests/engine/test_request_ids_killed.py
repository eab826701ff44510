"""Requests with ids survive `kill -9` at any moment: one answer, one reservation each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nba_engine.store import open_log, open_store
from tests.engine.world import NOON

ROOT = Path(__file__).parents[2]
KILLS = 12

# Decides one letter per customer from a number on, each twice; its clock says when it started.
WORKER = """
import sys
from pathlib import Path
from nba_engine.domain import Consent, ProfileUpdate
from tests.engine.world import DAY, NOON, ask, shop

folder, start, now = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
consents = {"marketing:email": Consent(granted=True, time=NOON - DAY)}
with shop(folder, clock=lambda: now) as engine:
    engine.load(
        updates=[
            ProfileUpdate(
                identity=f"crm:{n}", attributes={"first_name": "Ada"}, consents=consents
            )
            for n in range(start, start + 400)
        ]
    )
    for n in range(start, start + 400):
        request = ask(f"crm:{n}", "newsletter", request_id=f"q{n}")
        decision = engine.decide(request)
        print(n, decision.decision_id, decision.recommendations[0].action, flush=True)
"""


def run_and_kill(folder: Path, start: int, lines: int, now: float) -> list[list[str]]:
    """What a worker answered from ``start`` on, killed once it had given some ``lines``."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), str(start), str(now)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert worker.stdout is not None
    answers = [worker.stdout.readline().split() for _ in range(lines)]
    worker.kill()
    answers += [line.split() for line in worker.stdout.read().splitlines()]
    worker.stdout.close()
    worker.wait()
    return [answer for answer in answers if len(answer) == 3]


@pytest.mark.usefixtures("uncovered")
def test_after_kills_at_any_moment_each_request_has_one_answer_and_one_reservation(
    tmp_path: Path,
) -> None:
    first: dict[int, str] = {}
    start = 10
    for kill in range(KILLS):
        # every attempt of the worker before is dead by now; its last letters are asked for again
        again = run_and_kill(tmp_path, max(10, start - 3), 4 + kill % 5, NOON + 100.0 * kill)
        for number, decision_id, action in again:
            assert action == "cereal", f"customer {number} got no letter after kill {kill}"
            assert first.setdefault(int(number), decision_id) == decision_id
        start = max(first) + 1
    assert sorted(first) == list(range(10, start))
    store = open_store(tmp_path / "shop.db", create=False)
    store.expire(now=NOON + 100.0 * KILLS)  # whoever was never asked for again
    usage = {one.account: one.reserved for one in store.usage_report()}
    assert store.recount() == store.usage_report()
    letters = [held for held in usage.values() if held]
    store.close()
    log = open_log(tmp_path / "decisions.db")
    logged = [record.decision_id for record in log.recent(10_000)]
    log.close()
    assert set(letters) == {1}
    # one per answer; the last worker may have sealed one more before it could say so
    assert len(first) <= len(letters) <= len(first) + 1
    assert len(logged) == len(set(logged)) <= len(letters)

"""What was acknowledged survives `kill -9`, and several processes share one ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from nba_engine.store import open_store
from nba_engine.testing.customers_suite import FOLD, NOW, happened

ROOT = Path(__file__).parents[2]

WORKER = """
import sys
from nba_engine.domain import Hold, Interaction, ReservationRequest
from nba_engine.domain.algebra import fold_for
from nba_engine.store import open_store

path, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = open_store(path)
fold = fold_for({})
for number in range(rounds):
    key = f"{name}-{number}"
    request = ReservationRequest(
        reservation_id=key, decision_id="d", customer_id="c", expires=2e6,
        holds=(Hold(account="hot", limit="hot", amount=1, ceiling=150),),
    )
    (answer,) = store.reserve([request], now=1e6)
    (result,) = store.record(
        [Interaction(interaction_id=f"i{key}", identity=f"crm:{name}", type="view", time=1e6)],
        fold, now=1e6,
    )
    print(key, answer.granted, result.status, flush=True)
store.close()
"""


def start(path: Path, name: str, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), name, str(rounds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_everything_acknowledged_before_a_kill_is_there_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "nba.db"
    acknowledged: list[tuple[str, bool]] = []
    for name in ("first", "second"):
        worker = start(path, name, 1_000_000)
        assert worker.stdout is not None
        for _ in range(100):
            key, granted, status = worker.stdout.readline().split()
            assert status == "recorded"
            acknowledged.append((key, granted == "True"))
        os.kill(worker.pid, signal.SIGKILL)
        acknowledged += [
            (key, granted == "True")
            for key, granted, _ in (line.split() for line in worker.stdout.read().splitlines())
        ]
        worker.stdout.close()
        worker.wait()
    store = open_store(path, create=False)
    again = store.record(
        [happened(key, identity="crm:again") for key, _ in acknowledged],
        FOLD,
        now=NOW,
    )
    assert {result.status for result in again} == {"duplicate"}
    (usage,) = store.usage_report()
    assert sum(granted for _, granted in acknowledged) <= usage.reserved <= 150
    assert list(store.recount()) == [usage]
    store.close()


def test_four_processes_never_exceed_a_shared_ceiling(tmp_path: Path) -> None:
    path = tmp_path / "nba.db"
    workers = [start(path, f"w{number}", 60) for number in range(4)]
    lines = []
    for worker in workers:
        output, _ = worker.communicate(timeout=50)
        assert worker.returncode == 0
        lines += output.splitlines()
    assert len(lines) == 240
    assert sum(line.split()[1] == "True" for line in lines) == 150
    store = open_store(path, create=False)
    (usage,) = store.usage_report()
    assert (usage.reserved, usage.spent) == (150, 0)
    assert store.recount() == store.usage_report()
    store.close()

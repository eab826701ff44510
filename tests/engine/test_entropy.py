from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from nba_engine.engine.entropy import SIZE, entropy

MANY = 3_000


def some(count: int = MANY) -> list[bytes]:
    """What one thread gets."""
    return [entropy() for _ in range(count)]


def test_nobody_gets_the_same_bytes_twice() -> None:
    with ThreadPoolExecutor(8) as pool:
        drawn = [each for part in pool.map(some, [MANY] * 8) for each in part]
    assert {len(each) for each in drawn} == {SIZE}
    assert len(set(drawn)) == len(drawn) == 8 * MANY


FORKED = """
import os
from nba_engine.engine.entropy import entropy
entropy()  # there are some left, which the child would get, too
reads, writes = os.pipe()
if os.fork() == 0:
    os.write(writes, b"".join(entropy() for _ in range(100)))
    os._exit(0)
os.close(writes)
with open(reads, "rb") as pipe:
    theirs = pipe.read()
ours = {entropy() for _ in range(100)}
assert len(theirs) == 1800, len(theirs)
assert ours.isdisjoint(theirs[at : at + 18] for at in range(0, 1800, 18))
"""


def test_a_process_that_was_forked_draws_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=30)

"""Random bytes of the operating system for ids and seeds, asked for many decisions at once."""

from __future__ import annotations

import os
from collections import deque

__all__ = ["SIZE", "entropy"]

SIZE = 18  # bytes per decision
_AT_ONCE = 64  # a call to the system costs more than the bytes do

_left: deque[bytes] = deque()  # popping is atomic: no two decisions get the same
os.register_at_fork(after_in_child=_left.clear)  # … nor do two processes


def entropy() -> bytes:
    """`SIZE` bytes that nobody else gets."""
    try:
        return _left.pop()
    except IndexError:
        drawn = os.urandom(SIZE * _AT_ONCE)
        _left.extend([drawn[at : at + SIZE] for at in range(SIZE, len(drawn), SIZE)])
        return drawn[:SIZE]

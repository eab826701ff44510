"""What a supervisor is told by the command that becomes it."""

from __future__ import annotations

import os
import sys
from typing import Literal, NoReturn

import msgspec

__all__ = ["Plan", "become_supervisor", "read_plan"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What each of how many processes runs, where they listen, and how the supervisor logs.

    The ``command`` gets ``--listen ADDRESS --child CHILD`` behind it.
    """

    command: tuple[str, ...]
    listen: str
    processes: int
    grace_seconds: float
    ready_file: str | None = None
    format: Literal["json", "console"] = "json"


def read_plan(text: str) -> Plan:
    """The plan in a JSON text."""
    return msgspec.json.decode(text, type=Plan)


def become_supervisor(plan: Plan) -> NoReturn:
    """Replace this process by a supervisor: same process id, fresh interpreter."""
    sys.stdout.flush()
    sys.stderr.flush()
    module = ("-P", "-m", "nba_engine.processes")
    os.execv(sys.executable, [sys.executable, *module, msgspec.json.encode(plan).decode()])  # noqa: S606

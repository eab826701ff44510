"""Where a run was: the search for prices after its latest pass, and of what."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import numpy as np

from nba_engine.planning.cuts import Search
from nba_engine.planning.problem import Problem
from nba_engine.planning.resident import Rows
from nba_engine.planning.steps import PlanOptions

__all__ = ["begun_search", "fingerprint", "keep_search"]


class _Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    fingerprint: str
    search: Search


def fingerprint(problem: Problem, rows: Rows, options: PlanOptions) -> str:
    """A digest of all that the search for prices depends on."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(msgspec.json.encode((problem.rules, problem.names, options)))
    for limit in problem.limits:
        digest.update(msgspec.json.encode((limit.name, limit.amount, limit.floor)))
        digest.update(limit.use.tobytes())
    digest.update(problem.contacts.factor.tobytes())
    digest.update(rows.budget.tobytes())
    digest.update(np.ascontiguousarray(rows.values).data)
    return digest.hexdigest()


def keep_search(path: Path, of: str, search: Search) -> None:
    """Write it; a run that is stopped in the middle leaves the one before."""
    draft = path.with_name(f"{path.name}.part")
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(_Checkpoint(fingerprint=of, search=search)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def begun_search(path: Path, of: str) -> Search | None:
    """The search that was begun with just this input; None: there is none, or of something else."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Checkpoint)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found.search if found.fingerprint == of else None

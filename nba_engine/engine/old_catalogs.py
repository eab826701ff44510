"""Which stored catalogs nobody needs any more."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nba_engine.domain import Publication

__all__ = ["LAST_CATALOGS", "old_catalogs"]

LAST_CATALOGS = 20  # versions that stay to be gone back to, however old they are
_LATE = 86_400.0  # how much longer than the others a process may decide with a catalog


def old_catalogs(
    publications: Sequence[Publication], *, before: float, logged: float | None
) -> list[str]:
    """Versions that went out of force before a time, but for the last ones and those of the log.

    ``logged``: when the oldest decision on record was made (None: there is none). What was in force
    after it may be needed to explain it.
    """
    ended: dict[str, float] = {}
    for number, one in enumerate(publications):
        after = publications[number + 1 :]
        ended[one.version] = after[0].switch_time if after else math.inf
    latest = dict.fromkeys(one.version for one in reversed(publications))
    needed = before if logged is None else min(before, logged - _LATE)
    return [one for one in list(latest)[LAST_CATALOGS:] if ended[one] < needed]

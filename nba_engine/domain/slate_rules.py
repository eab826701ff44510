"""What may stand beside what in one answer, and what may not follow what."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Per", "SlateRule"]

Per = Literal["answer", "placement"]


class SlateRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule about recommendations of ``treatments`` (indices): one of three kinds.

    ``at_most`` of them (0: any number) stand in one answer, or in one placement of it; none of them
    stands beside one of ``beside`` (treatment indices); none of them is shown when the customer was
    contacted with one of the actions ``after`` (ids) in the last ``within`` seconds, as the
    aggregate ``contacted`` tells (action id → time).
    """

    id: str
    name: str
    treatments: tuple[int, ...]
    at_most: int = 0
    per: Per = "answer"
    beside: tuple[int, ...] = ()
    after: frozenset[str] = frozenset()
    within: float = 0.0
    contacted: str = ""

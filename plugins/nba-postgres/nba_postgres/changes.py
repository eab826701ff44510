"""What a store can be asked to change, as values: a transaction makes many of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from nba_engine.domain import Claim, Fold, ProfileUpdate, ReservationRequest
from nba_engine.store.interactions import Prepared
from nba_postgres.session import Session

__all__ = [
    "Change",
    "Expire",
    "GiveUp",
    "Release",
    "Remember",
    "Reserve",
    "Together",
    "Whole",
    "Write",
]


@dataclass(frozen=True, eq=False, slots=True)
class Write:
    """Updates, then interactions, then a progress mark. Gives (states, results).

    ``follows``: what the mark must be until then ("": there is none); None: whatever it is.
    """

    updates: Sequence[ProfileUpdate] = ()
    items: Sequence[Prepared] = ()
    fold: Fold | None = None
    now: float = 0.0
    progress: tuple[str, str] | None = None
    follows: str | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Reserve:
    """Checked requests, under a claim if there is one. Gives their answers."""

    requests: Sequence[ReservationRequest]
    now: float
    claim: Claim | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Release:
    """Ids of reservations to be freed."""

    reservations: Sequence[str]
    now: float


@dataclass(frozen=True, eq=False, slots=True)
class Remember:
    """The answer of a claim, and which of its reservations it keeps."""

    claim: Claim
    answer: bytes
    keep: Sequence[str]
    now: float


@dataclass(frozen=True, eq=False, slots=True)
class GiveUp:
    """A claim that came to no answer."""

    claim: Claim
    now: float


@dataclass(frozen=True, eq=False, slots=True)
class Expire:
    """What is due is ended, what expired forgotten. Gives (reservations ended, what else went)."""

    now: float
    most: int


@dataclass(frozen=True, eq=False, slots=True)
class Whole:
    """A change that needs the whole store for itself, and works on it statement by statement."""

    work: Callable[[Session], Any]


Together: TypeAlias = Write | Reserve | Release | Remember | GiveUp | Expire
Change: TypeAlias = Together | Whole

"""Stores that fail when a customer is read or something is reserved."""

from __future__ import annotations

from typing import Any

from nba_engine.errors import Unavailable
from nba_engine.store import WrappedStore, open_store


class Unreadable(WrappedStore):
    """Raises what a store raises when its disk is away."""

    def customer(self, identity: str) -> Any:
        raise Unavailable("the disk is away")


class Exiting(WrappedStore):
    """Takes the process down with it, if it may."""

    def customer(self, identity: str) -> Any:
        raise SystemExit(3)


class Careless(WrappedStore):
    """Raises what no store may raise, as soon as there is something to reserve."""

    def reserve(self, requests: Any, **_: Any) -> Any:
        raise ValueError("what is this?")


def _opener(kind: type[WrappedStore]) -> Any:
    def open_one(url: str, *, create: bool, simulated: bool | None) -> WrappedStore:
        path = url.partition(":")[2]
        return kind(open_store(f"sqlite:{path}", create=create, simulated=simulated))

    return open_one


STORES = {
    "unreadable": _opener(Unreadable),
    "exiting": _opener(Exiting),
    "careless": _opener(Careless),
}

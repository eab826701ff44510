"""The store whose customers a command is for, all of them."""

from __future__ import annotations

from nba_engine.app import Logged
from nba_engine.cli.output import errors
from nba_engine.domain import Store
from nba_engine.errors import FailedPrecondition, NotFound

__all__ = ["store_of"]


def store_of(opened: Logged) -> Store:
    """The store; what is not asked beside it is told. Raises `FailedPrecondition`, `NotFound`."""
    if opened.unread:
        raise FailedPrecondition(f"the store cannot be read: {opened.unread}")
    if opened.settings.profile_sources:
        errors.print(
            "profile sources are not asked: attributes that only they know are missing",
            style="yellow",
        )
    try:
        return opened.store
    except FailedPrecondition:
        url = opened.settings.store.url
        raise NotFound(f"there is no store at {url}, so there are no customers") from None

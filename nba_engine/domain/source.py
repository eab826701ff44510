"""Sources: where interactions and profiles come from, beside the API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from nba_engine.domain.catalog import CatalogView
from nba_engine.domain.interaction import Interaction
from nba_engine.domain.stage import NoSettings
from nba_engine.domain.store import ProfileUpdate

__all__ = ["Source", "SourceBatch", "SourceFactory", "SourceRecord"]


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was read: an interaction, an update of a profile, or what is wrong with it.

    ``place`` says where it is, for whoever mends it: ``orders.jsonl:17``. ``problem`` is one
    sentence, without values that may be personal.
    """

    place: str
    interaction: Interaction | None = None
    update: ProfileUpdate | None = None
    problem: str = ""


class SourceBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What was read at once, and where to go on behind it.

    ``part``: which of several things that are read independently (a file); ``position``: the
    source's own word, not empty. ``behind``: how much more waits, in all parts, as the source
    counts (bytes, messages).
    """

    records: tuple[SourceRecord, ...]
    position: str
    part: str = ""
    behind: int = 0


class Source(Protocol):
    """Yields what happened, in batches. All calls come from one thread of the source's own.

    A batch is written together with its position, in one commit. So nothing is lost or doubled,
    whatever ends the process, if what is read from a position is always the same.
    """

    def read(
        self, positions: Callable[[str], str], *, most: int, catalog: CatalogView
    ) -> SourceBatch | None:
        """The next records, at most ``most``; None: there is nothing now.

        ``positions(part)`` is the position of the last batch of this part that was written; "":
        none was. ``catalog`` is the one in force. Raising, or taking too long: the source is
        closed, and opened again after a pause.
        """

    def close(self) -> None:
        """Release everything. May be called twice."""


class SourceFactory(msgspec.Struct, frozen=True, kw_only=True):
    """How to make a source. ``settings`` validates its table ``[sources.<id>] settings``.

    ``build(settings, folder)``: relative paths in the settings are relative to ``folder``, which
    is the folder of nba.toml. It is called in the process that reads, again after each failure.
    """

    build: Callable[[Any, Path], Source]
    settings: type[msgspec.Struct] = NoSettings

"""Profile sources: where further attributes of customers are fetched from (a CRM, a third party)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from nba_engine.domain.stage import NoSettings
from nba_engine.domain.values import Values

__all__ = ["ProfileSource", "ProfileSourceFactory"]


class ProfileSource(Protocol):
    """Says what it knows of customers. Called by threads of the engine's own, never by a decision.

    Several calls run at once (``max_parallel`` of the settings). A decision waits for an answer for
    as long as the settings and its deadline allow; what comes later serves the next one. A call
    cannot be broken off: it keeps its thread until it returns, so let it end by itself.
    """

    @property
    def batch(self) -> int:
        """The most customers that one call takes; 1: one by one."""

    def fetch(
        self, ids: Sequence[str], wanted: Mapping[str, str], *, seconds: float
    ) -> Mapping[str, Values]:
        """Attributes of these customers by id; who is not known here is left out.

        ``ids`` are identities without their namespace (``42`` of ``crm:42``), at most ``batch``.
        ``wanted`` are the attributes to give, with their declared types (`Attribute.type`; times
        are seconds since the epoch); a customer may lack any. A value of another type counts as
        missing. Nobody waits longer than ``seconds``. Raising: none of them is known for now.
        """

    def close(self) -> None:
        """Release everything; a call may still hang. May be called twice."""


class ProfileSourceFactory(msgspec.Struct, frozen=True, kw_only=True):
    """How to make a profile source. ``settings`` validates ``[profile_sources.<id>] settings``.

    ``build(settings, folder)``: relative paths in the settings are relative to ``folder``, which
    is the folder of nba.toml. It should not connect: a source that is away is no reason not to
    start.
    """

    build: Callable[[Any, Path], ProfileSource]
    settings: type[msgspec.Struct] = NoSettings

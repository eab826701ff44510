"""What every call may be given, and what it gets without."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeAlias, TypedDict

import msgspec

__all__ = ["CallOptions", "Defaults", "Metadata", "Terms"]

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]


class CallOptions(TypedDict, total=False):
    """Keyword arguments of every method, each instead of the client's own."""

    timeout: float
    """Seconds until `DeadlineExceeded`, repeats included."""
    wait_for_ready: bool
    """Wait (within the timeout) for a server that cannot be reached, instead of failing at once."""
    metadata: Metadata
    """Further metadata, such as ``[("x-request-id", "page-7")]``, under which the server logs."""


class Terms(msgspec.Struct, frozen=True):
    """The terms of one call: until when (on time.monotonic), and the rest of its options."""

    timeout: float
    deadline: float
    wait_for_ready: bool
    metadata: tuple[tuple[str, str | bytes], ...]

    @property
    def remaining(self) -> float:
        """Seconds left."""
        return self.deadline - time.monotonic()


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What calls get without options of their own."""

    timeout: float
    wait_for_ready: bool
    metadata: tuple[tuple[str, str | bytes], ...]

    def terms(self, options: CallOptions) -> Terms:
        """The terms of one call; its metadata replace the client's of the same name."""
        timeout = options.get("timeout", self.timeout)
        given = tuple(options.get("metadata", ()))
        names = {name for name, _ in given}
        kept = (entry for entry in self.metadata if entry[0] not in names)
        return Terms(
            timeout=timeout,
            deadline=time.monotonic() + timeout,
            wait_for_ready=options.get("wait_for_ready", self.wait_for_ready),
            metadata=(*kept, *given),
        )

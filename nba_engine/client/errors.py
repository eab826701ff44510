"""What a call can end with, told by what the caller does next.

NbaClientError
├── InvalidRequest      mend the request; ``violations`` name every wrong field
├── NotFound            it is not on record: go on without it
├── FailedPrecondition  right request, wrong state of the server: the message says what is in the way
├── Unavailable         try again, after ``retry_after`` seconds where it is known
├── Exhausted           a capacity is used up: try again later, or with less
├── DeadlineExceeded    no answer in time; a call that changes something may have done so
├── NotAllowed          whoever stands before the server wants other credentials
├── Unsupported         the server does not know this method: it is older than the client
├── Internal            a failure that nobody foresaw: report it with its ``error_id``
├── ClientClosed        the client was used after it was closed
├── QueueFull           the batcher has no room; this interaction was not accepted
└── NotDelivered        interactions that the batcher gave up; ``undelivered`` holds them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from nba_engine.client.interactions import Interaction

__all__ = [
    "ClientClosed",
    "DeadlineExceeded",
    "Exhausted",
    "FailedPrecondition",
    "Internal",
    "InvalidRequest",
    "NbaClientError",
    "NotAllowed",
    "NotDelivered",
    "NotFound",
    "QueueFull",
    "Unavailable",
    "Undelivered",
    "Unsupported",
    "Violation",
]


class NbaClientError(Exception):
    """Root of every error of this package; its text is one sentence.

    ``reason`` is the name of a value of the API's ``ErrorReason`` without its prefix
    (``CUSTOMER_NOT_FOUND``), empty when the error did not come from the engine. ``code`` is the
    name of the gRPC status (``NOT_FOUND``), empty when no call was made. ``metadata`` holds the
    keys that the API documents with the reason, ``request_id`` the id under which the server
    logged the call.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str = "",
        code: str = "",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{method}: {message}" if method else message)
        self.message = message
        self.method = method
        self.code = code
        self.reason = reason
        self.metadata: Mapping[str, str] = dict(metadata or {})

    @property
    def request_id(self) -> str:
        """The id under which the server logged the call; empty when it never got there."""
        return self.metadata.get("request_id", "")


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One wrong field of a request: its path (``placements[0]``) and what is wrong."""

    field: str
    description: str


class InvalidRequest(NbaClientError):
    """The request is malformed. Found by the server, or by the client before anything was sent."""

    violations: tuple[Violation, ...] = ()

    @classmethod
    def of(cls, violations: Sequence[Violation], *, method: str = "") -> InvalidRequest:
        """The error that names these wrong fields."""
        text = "; ".join(f"{v.field}: {v.description}" for v in violations)
        error = cls(text, method=method, reason="INVALID_REQUEST")
        error.violations = tuple(violations)
        return error


class NotFound(NbaClientError):
    """What was asked for is not on record."""


class FailedPrecondition(NbaClientError):
    """The request is right, but the state of the server does not allow it."""


class Unavailable(NbaClientError):
    """No server could be reached, or what it needs is away; the same call may work later."""

    retry_after: float | None = None
    """Seconds to wait, as the server says; None when it did not say."""


class Exhausted(NbaClientError):
    """A capacity is used up: a full disk, too many streams, a message that is too large."""

    retry_after: float | None = None
    """Seconds to wait, as the server says; None when waiting does not help."""


class DeadlineExceeded(NbaClientError):
    """There was no answer in time. A call that changes something may have done so."""


class NotAllowed(NbaClientError):
    """The call needs other credentials."""


class Unsupported(NbaClientError):
    """The server does not know this method."""


class Internal(NbaClientError):
    """The server failed in a way that nobody foresaw, or answered what the API does not allow."""

    @property
    def error_id(self) -> str:
        """What the server's log names the failure by."""
        return self.metadata.get("error_id", "")


class ClientClosed(NbaClientError):
    """The client was closed."""


class QueueFull(NbaClientError):
    """There was no room for one more interaction; this one was not accepted."""


class Undelivered(msgspec.Struct, frozen=True, kw_only=True):
    """An interaction that is not known to be durable, and why."""

    interaction: Interaction
    error: NbaClientError


class NotDelivered(NbaClientError):
    """Interactions that were given up; recording them again is safe, for they keep their ids."""

    def __init__(self, undelivered: Sequence[Undelivered]) -> None:
        first = undelivered[0].error
        text = f"1 interaction was not delivered; {first}"
        if len(undelivered) > 1:
            text = f"{len(undelivered)} interactions were not delivered; the first: {first}"
        super().__init__(
            text,
            code=first.code,
            reason=first.reason,
            metadata=first.metadata,
        )
        self.undelivered = tuple(undelivered)

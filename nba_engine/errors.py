"""The error tree. Each error knows its reason and metadata; none knows gRPC.

NbaError
├── InvalidRequest      the caller must change the request (field violations say where)
├── NotFound            the named thing does not exist
├── FailedPrecondition  right request, wrong state of the engine
├── Unavailable         try again later (``retry_after`` seconds)
├── Exhausted           a capacity is used up; try again later
│   └── TooLong         an answer is longer than a message may be: ask for less
├── DeadlineExceeded    no time left to answer
├── NotPermitted        the settings of the server do not offer this
├── RequestTaken        another call holds this request id; never reaches a caller
├── RenderFailed        a template could not be rendered for this customer
├── StageFailed         a stage broke its contract (wrong length, NaN, wrong type)
├── PartitionFailed     a partition of a batch run could not be built or computed
└── MistakesFound       settings, catalog, rules or models are wrong: a list of `Mistake`
    └── UnknownResource a stage's settings name a model or table that there is not
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

__all__ = [
    "DeadlineExceeded",
    "Exhausted",
    "FailedPrecondition",
    "InvalidRequest",
    "Mistake",
    "MistakesFound",
    "NbaError",
    "NotFound",
    "NotPermitted",
    "PartitionFailed",
    "RenderFailed",
    "RequestTaken",
    "StageFailed",
    "TooLong",
    "Unavailable",
    "UnknownResource",
    "Violation",
]


class NbaError(Exception):
    """Root of every error the engine raises on purpose.

    ``reason`` is the name of a value of the ``ErrorReason`` enum in
    ``proto/nba/v1/error_reason.proto``; ``metadata`` holds the keys documented there.
    """

    reason = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        self.metadata: Mapping[str, str] = dict(metadata or {})


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One wrong field of a request: its path (``placements[0]``) and what is wrong."""

    field: str
    description: str


class InvalidRequest(NbaError):
    """The request is malformed; `violations` name every wrong field."""

    reason = "INVALID_REQUEST"

    def __init__(self, violations: Sequence[Violation], *, reason: str | None = None) -> None:
        super().__init__(
            "; ".join(f"{v.field}: {v.description}" for v in violations), reason=reason
        )
        self.violations = tuple(violations)


class NotFound(NbaError):
    """The named thing does not exist."""

    reason = "NOT_FOUND"


class FailedPrecondition(NbaError):
    """The request is right, but the state of the engine does not allow it."""

    reason = "FAILED_PRECONDITION"


class Unavailable(NbaError):
    """A dependency (the store) cannot be reached; the same call may work later."""

    reason = "UNAVAILABLE"
    retry_after = 1.0


class Exhausted(NbaError):
    """A capacity is used up (disk full, too many calls in flight).

    ``retry_after``: seconds; None: waiting does not help.
    """

    reason = "EXHAUSTED"
    retry_after: float | None = 1.0


class TooLong(Exhausted):
    """An answer is longer than a message may be: the same call fails again."""

    retry_after = None


class DeadlineExceeded(NbaError):
    """There is no time left to answer."""

    reason = "DEADLINE_EXCEEDED"


class NotPermitted(NbaError):
    """The settings of the server do not offer this."""

    reason = "ADMIN_DISABLED"


class RequestTaken(NbaError):
    """Another attempt holds this request id: the engine waits for its answer instead."""

    reason = "UNAVAILABLE"


class RenderFailed(NbaError):
    """A treatment's template cannot be rendered for this customer."""

    reason = "RENDER_FAILED"


class StageFailed(NbaError):
    """A stage broke its contract; the pipeline applies the stage's failure policy."""

    reason = "STAGE_FAILED"


class PartitionFailed(NbaError):
    """A partition of a batch run could not be built or computed; ``partition`` is its number."""

    def __init__(self, message: str, *, partition: int) -> None:
        super().__init__(message, metadata={"partition": str(partition)})
        self.partition = partition


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake in settings, catalog, rules or models: where it is and how to mend it.

    ``file`` is as the user named it, ``place`` a path inside it (``limits[2].window``,
    ``rules.adults:1:10``), ``remedy`` a sentence that says what to do.
    """

    file: str
    place: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: {self.place}" if self.place else self.file
        return f"{where}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


class MistakesFound(NbaError):
    """Settings or catalog are wrong; `mistakes` holds every one that was found in one run."""

    reason = "INVALID_CATALOG"

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class UnknownResource(MistakesFound):
    """A stage asked for a model or table that the settings do not have.

    ``name`` is what it asked for: the pipeline finds the setting of the stage that holds it.
    """

    def __init__(self, name: str, mistake: Mistake) -> None:
        super().__init__([mistake])
        self.name = name

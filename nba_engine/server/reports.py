"""What becomes of an error: the status that the caller gets, and one line in the log."""

from __future__ import annotations

import os
import traceback
from typing import Protocol

from google.protobuf.message import Message
from structlog.typing import FilteringBoundLogger

from nba_engine.domain import Erasure
from nba_engine.errors import InvalidRequest, NbaError
from nba_engine.server.failures import Failure, failure_of, internal_failure
from nba_engine.server.protocols import Decides
from nba_engine.server.redaction import redact, secrets_of_customer, secrets_of_request

__all__ = ["Reported", "Reporter"]

_MAX_STACK = 20  # endless recursion has a thousand frames
_MAX_FIELDS = 20


class Reported(Protocol):
    """What a report tells of a call."""

    @property
    def request_id(self) -> str: ...
    @property
    def micros(self) -> int: ...


class Reporter:
    """Logs errors and makes statuses of them. Raises nothing."""

    def __init__(self, engine: Decides, logger: FilteringBoundLogger) -> None:
        self._engine = engine
        self._logger = logger

    def failure(
        self,
        error: BaseException,
        method: str,
        call: Reported,
        *,
        message: Message | None = None,
        item: int | None = None,
    ) -> Failure:
        """The status of an error; ``item`` is the position in a batch.

        The text of an error that nobody foresaw stays in the log, without the sensitive values of
        ``message`` and of its customer.
        """
        facts: dict[str, object] = {} if item is None else {"item": item}
        known = failure_of(error, call.request_id) if isinstance(error, NbaError) else None
        if known is None:
            return self._unforeseen(error, method, call, message, facts)
        if isinstance(error, InvalidRequest):
            facts["fields"] = [violation.field for violation in error.violations[:_MAX_FIELDS]]
        elif isinstance(error, NbaError):
            facts["message"] = error.message
        self._logger.warning(
            "call_failed",
            method=method,
            request_id=call.request_id,
            code=known.code.name,
            reason=known.reason,
            micros=call.micros,
            **facts,
        )
        return known

    def erased(self, erasure: Erasure, call: Reported) -> None:
        """Log that a customer was erased, as a record of it; nobody is named."""
        self._logger.info(
            "profile_erased",
            request_id=call.request_id,
            erasure_id=erasure.erasure_id,
            known=erasure.known,
            removed=erasure.counts,
            pending=list(erasure.pending),
            kept=list(erasure.kept),
        )

    def _unforeseen(
        self,
        error: BaseException,
        method: str,
        call: Reported,
        message: Message | None,
        facts: dict[str, object],
    ) -> Failure:
        error_id = os.urandom(8).hex()
        failure = internal_failure(error_id, call.request_id)
        self._logger.error(
            "call_failed",
            method=method,
            request_id=call.request_id,
            code=failure.code.name,
            reason=failure.reason,
            error_id=error_id,
            micros=call.micros,
            exception=type(error).__name__,
            message=self._safe_text(error, message),
            stack=_stack(error),
            **facts,
        )
        return failure

    def _safe_text(self, error: BaseException, message: Message | None) -> str:
        """The exception's text without values of sensitive attributes that the call touched."""
        try:
            catalog = self._engine.catalog
            secrets = [] if message is None else list(secrets_of_request(message, catalog))
            identities = {getattr(message, "identity", ""), *getattr(message, "identities", ())}
            identities |= {one.identity for one in getattr(message, "interactions", ())}
            for identity in filter(None, identities):
                found = self._engine.seen(identity)
                if found is not None:
                    secrets += secrets_of_customer(found, catalog)
            return redact(str(error), secrets)
        except (Exception, SystemExit) as second:  # what cannot be made safe is not logged
            return f"(withheld: {type(second).__name__} while redacting it)"


def _stack(error: BaseException) -> list[str]:
    """Where it happened, innermost last: no source lines, no values."""
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_STACK:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]

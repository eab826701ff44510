"""The error that a wrong rule gives: one sentence, its place in the text, and a remedy."""

from __future__ import annotations

from nba_engine.errors import NbaError

__all__ = ["RuleError"]


class RuleError(NbaError):
    """A rule or an amount is wrong. ``line`` and ``column`` count from 1; ``hint`` mends it.

    ``more`` holds the further errors of the same text, in their order.
    """

    reason = "INVALID_CATALOG"

    def __init__(
        self,
        message: str,
        *,
        line: int = 1,
        column: int = 1,
        hint: str = "",
        more: tuple[RuleError, ...] = (),
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.hint = hint
        self.more = more

    @classmethod
    def at(cls, text: str, offset: int, message: str, hint: str = "") -> RuleError:
        """The error at a character offset of ``text``."""
        before = text[:offset]
        line = before.count("\n") + 1
        return cls(message, line=line, column=offset - (before.rfind("\n") + 1) + 1, hint=hint)

    def __str__(self) -> str:
        end = f" ({self.hint})" if self.hint else ""
        return f"{self.line}:{self.column}: {self.message}{end}"

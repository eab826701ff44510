"""Page sizes and opaque page tokens."""

from __future__ import annotations

import base64
import binascii

from nba_engine.server.convert.violations import Violations

__all__ = ["page_token", "read_page"]


def read_page(
    size: int, token: str, version: str, violations: Violations, *, default: int, maximum: int
) -> tuple[int, int]:
    """Where the page starts, and its size: 0 is the default, above the maximum is the maximum.

    A token is only good for the ``version`` (of what is listed) that it was made with.
    """
    if size < 0:
        violations.add("page_size", "must not be negative")
    start = 0
    if token:
        found = _decode(token)
        if found is None or found[0] != version:
            violations.add("page_token", "not a token of this list as it is now: start again")
        else:
            start = found[1]
    return start, min(size or default, maximum)


def page_token(start: int, version: str) -> str:
    """The token of the page that starts at ``start``."""
    return base64.urlsafe_b64encode(f"{start}:{version}".encode()).decode()


def _decode(token: str) -> tuple[str, int] | None:
    try:
        start, _, version = (
            base64.b64decode(token, altchars=b"-_", validate=True).decode().partition(":")
        )
        return (version, int(start)) if start.isdecimal() else None
    except (binascii.Error, ValueError):
        return None

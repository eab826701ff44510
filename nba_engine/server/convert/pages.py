"""Page sizes and opaque page tokens (AIP-158)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from google.protobuf.message import Message

from nba_engine.server.convert.violations import Violations

__all__ = ["Page", "bound_to", "read_page"]

_Item = TypeVar("_Item")
_Entry = TypeVar("_Entry", bound=Message)


class Page(NamedTuple):
    """Where a page starts, how many entries it has at most, and the list it is of."""

    start: int
    size: int
    bound: str

    def of(
        self, items: Sequence[_Item], write: Callable[[_Item], _Entry], *, room: int
    ) -> tuple[list[_Entry], str]:
        """The entries of this page, and the token of the next one; "" after the last.

        A page is shorter when its entries would have more than ``room`` bytes together; it has
        at least one.
        """
        entries: list[_Entry] = []
        at = self.start
        for item in items[at : at + self.size]:
            entry = write(item)
            room -= entry.ByteSize()
            if room < 0 and entries:
                break
            entries.append(entry)
            at += 1
        return entries, _encode(at, self.bound) if at < len(items) else ""


def read_page(
    size: int, token: str, bound: str, violations: Violations, *, default: int, maximum: int
) -> Page:
    """The page asked for; a size of 0 is the default, above the maximum it is the maximum.

    A token is only good for the list it was ``bound`` to.
    """
    if size < 0:
        violations.add("page_size", "must not be negative")
    start = 0
    if token:
        found = _decode(token)
        if found is None or found[0] != bound:
            violations.add("page_token", "not a token of this list as it is now: start again")
        else:
            start = found[1]
    return Page(start, min(size or default, maximum), bound)


def bound_to(*parts: str) -> str:
    """What a token carries of the list it belongs to: all that chooses or orders its entries."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        text = part.encode()
        digest.update(len(text).to_bytes(8))
        digest.update(text)
    return digest.hexdigest()


def _encode(start: int, bound: str) -> str:
    return base64.urlsafe_b64encode(f"{start}:{bound}".encode()).decode()


def _decode(token: str) -> tuple[str, int] | None:
    try:
        start, _, bound = (
            base64.b64decode(token, altchars=b"-_", validate=True).decode().partition(":")
        )
        return (bound, int(start)) if start.isdecimal() else None
    except (binascii.Error, ValueError):
        return None

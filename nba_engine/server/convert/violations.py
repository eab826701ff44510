"""Collecting what is wrong with a request, and the checks that many fields share."""

from __future__ import annotations

import re

from nba_engine.engine import MAX_IDENTITY
from nba_engine.errors import InvalidRequest, Violation

__all__ = ["MAX_ID", "MAX_IDENTITY", "Violations"]

MAX_ID = 128
# what nearly all look like; the others are looked at part by part
_USUAL_IDENTITY = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{,63}:[!-~]{1,128}\Z")
_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]*\Z")
_VISIBLE_ASCII = re.compile(r"[!-~]*\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


class Violations:
    """Every wrong field of one request. Descriptions never repeat a value: it may be sensitive."""

    __slots__ = ("found", "reason")

    def __init__(self) -> None:
        self.found: list[Violation] = []
        self.reason: str | None = None

    def add(self, field: str, description: str) -> None:
        """Note that ``field`` is wrong."""
        self.found.append(Violation(field=field, description=description))

    def raise_any(self) -> None:
        """Raise `InvalidRequest` when anything was noted."""
        if self.found:
            raise InvalidRequest(self.found, reason=self.reason)

    def identity(self, value: str, field: str = "identity") -> None:
        """Required, ``namespace:id``, at most 256 characters, all of them printable."""
        if _USUAL_IDENTITY.match(value):
            return
        if not value:
            self.add(field, "required")
            return
        namespace, colon, name = value.partition(":")
        if len(value) > MAX_IDENTITY:
            self.add(field, f"at most {MAX_IDENTITY} characters, not {len(value)}")
        elif not colon or not name or not _NAMESPACE.match(namespace):
            self.add(field, "must be a namespace, a colon and an id, such as crm:42")
        elif not value.isprintable():
            self.add(field, "must hold printable characters only")

    def id(self, value: str, field: str, *, maximum: int = MAX_ID, required: bool = True) -> None:
        """An id or name: at most ``maximum`` characters, all of them printable."""
        if not value:
            if required:
                self.add(field, "required")
        elif len(value) > maximum:
            self.add(field, f"at most {maximum} characters, not {len(value)}")
        elif not value.isprintable():
            self.add(field, "must hold printable characters only")

    def ascii_id(self, value: str, field: str) -> None:
        """An optional id of at most 128 visible ASCII characters."""
        if len(value) > MAX_ID:
            self.add(field, f"at most {MAX_ID} characters, not {len(value)}")
        elif not _VISIBLE_ASCII.match(value):
            self.add(field, "must hold visible ASCII characters only")

    def uuid(self, value: str, field: str) -> None:
        """An optional UUID."""
        if value and not _UUID.match(value):
            self.add(field, "must be a UUID")

    def count(self, number: int, field: str, *, maximum: int, minimum: int = 0) -> bool:
        """A number of entries; whether they are few enough to look at one by one."""
        if number < minimum:
            self.add(field, "required" if minimum == 1 else f"at least {minimum}, not {number}")
        elif number > maximum:
            self.add(field, f"at most {maximum}, not {number}")
            return False
        return True

    def time_not_allowed(self, field: str) -> None:
        """Time and seed belong to simulated stores; this alone gives its own reason."""
        if not self.found:
            self.reason = "TIME_NOT_ALLOWED"
        self.add(field, "only a store created as simulated lets requests set it")

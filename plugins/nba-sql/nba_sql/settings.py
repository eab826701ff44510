"""The table ``settings`` of a profile source of the kind ``sql``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = ["SqlSettings"]

_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_READS = ("select", "with", "values", "table")
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)")

Positive = Annotated[float, Meta(gt=0)]


class SqlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the database is, and what to ask it."""

    url: str
    """SQLAlchemy's URL of the database: `"postgresql+psycopg://reader@crm/customers"`. Keep passwords
    out of the file: `NBA_PROFILE_SOURCES__<ID>__SETTINGS__URL` in the environment overrides it. The
    path of a SQLite file is relative to the folder of nba.toml
    """
    query: str
    """a SELECT of at most one row, with the parameter `:identity`; or of many rows, with `IN
    :identities` and a column `identity` that says whose row it is
    """
    columns: dict[str, str] = {}
    """attribute → the column that holds it, where that has another name"""
    identity_type: Literal["text", "integer"] = "text"
    """as what identities are bound. Those that are no whole numbers are nobody, then"""
    batch: Annotated[int, Meta(ge=1, le=1000)] = 100
    """the most customers that a query with `:identities` asks for"""
    connections: Annotated[int, Meta(ge=1, le=64)] = 4
    """the most connections that are kept open: as many as `max_parallel` of the source"""
    statement_timeout_ms: Positive = 1000.0
    """how long a query may take; a connection that says nothing for a second longer is given up"""
    connect_timeout_seconds: Positive = 3.0
    """how long connecting may take (PostgreSQL), or a locked file is waited for (SQLite)"""
    on_connect: tuple[str, ...] = ()
    """statements for every new connection, such as `"SET SESSION TRANSACTION READ ONLY"`"""
    connect_args: dict[str, Any] = {}
    """further arguments of the driver's `connect`"""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a query that does not read, or for nobody in particular."""
        bare = _COMMENTS.sub(" ", self.query).strip().lower()
        if not bare.startswith(_READS):
            raise ValueError("query must be a SELECT: sources only read")
        names = set(_PARAMETER.findall(self.query))
        if names not in ({"identity"}, {"identities"}):
            raise ValueError(
                "query must have the parameter :identity, or IN :identities, and no other"
            )

    @property
    def asks_for_many(self) -> bool:
        """Whether one query answers for several customers."""
        return ":identities" in self.query

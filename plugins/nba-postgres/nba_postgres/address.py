"""Where a store is: a PostgreSQL URL, whose parameter ``schema`` is the store's own."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from nba_engine.errors import InvalidRequest, Violation

__all__ = ["Address", "address_of"]

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
# Sessions that notice within seconds when the other side is gone; servers that can be written.
_DEFAULTS = {
    "application_name": "nba-engine",
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "target_session_attrs": "read-write",
}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """``conninfo`` for libpq, the ``schema``, and how to ``show`` it: without any password."""

    conninfo: dict[str, str]
    schema: str
    show: str


def address_of(url: str) -> Address:
    """The address in ``postgresql://user@host:5432/database?schema=nba``.

    All parameters of libpq are allowed, several hosts too; ``schema`` is ``nba`` unless given.
    Raises `InvalidRequest`.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        schema = dict(pairs).get("schema", "nba")
        rest = urlencode([pair for pair in pairs if pair[0] != "schema"])
        known = conninfo_to_dict(urlunsplit(parts._replace(query=rest)))
    except (ValueError, psycopg.ProgrammingError) as error:
        # what libpq says may repeat the password
        raise _mistake("is no URL that PostgreSQL's libpq understands") from error
    if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
        raise _mistake(f"schema {schema!r}: small letters, digits and _ only, not pg_…")
    conninfo = {**_DEFAULTS, **{name: str(value) for name, value in known.items()}}
    host = conninfo.get("host", "localhost")
    database = conninfo.get("dbname") or conninfo.get("service") or ""
    return Address(
        conninfo=conninfo, schema=schema, show=f"PostgreSQL at {host}/{database} ({schema})"
    )


def _mistake(text: str) -> InvalidRequest:
    return InvalidRequest([Violation(field="store.url", description=text)])

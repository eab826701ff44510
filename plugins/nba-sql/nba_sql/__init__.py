"""Profile source ``sql``: attributes of customers from any database that SQLAlchemy knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nba_engine.domain import ProfileSource, ProfileSourceFactory
from nba_engine.plugin import hookimpl
from nba_sql.settings import SqlSettings

__all__ = ["FACTORY", "SqlSettings", "nba_conformance", "nba_profile_sources"]

nba_plugin_api = "1.0"


def _build(settings: SqlSettings, folder: Path) -> ProfileSource:
    from nba_sql.source import SqlSource  # brings SQLAlchemy: only where there is such a source

    return SqlSource(settings, folder)


FACTORY = ProfileSourceFactory(build=_build, settings=SqlSettings)


@hookimpl
def nba_profile_sources() -> Mapping[str, ProfileSourceFactory]:
    """[profile_sources.crm] kind = "sql"."""
    return {"sql": FACTORY}


def nba_conformance(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """A small SQLite file for `nba plugin check sql`."""
    import sqlite3
    from contextlib import closing

    segments = ("new", "gold", "lost")
    rows = [(number, segments[number % 3], number % 2, 10.5 * number) for number in range(20)]
    file = folder / "crm.db"
    if not file.exists():
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE customers(number, segment, vip, basket)")
            connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", rows)
            connection.commit()
    query = (
        "SELECT CAST(number AS TEXT) AS identity, segment, vip AS is_vip, basket "
        "FROM customers WHERE CAST(number AS TEXT) IN :identities"
    )
    return {
        "profile-source sql": {
            "settings": {
                "url": f"sqlite:///{file}",
                "query": query,
                "columns": {"vip": "is_vip"},
            },
            "wanted": {"segment": "string", "vip": "bool", "basket": "double"},
            "known": {
                str(number): {"segment": segment, "vip": bool(vip), "basket": basket}
                for number, segment, vip, basket in rows
            },
        }
    }

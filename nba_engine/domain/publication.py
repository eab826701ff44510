"""Catalogs in the store: what was put in force, when, by whom."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["CatalogFiles", "Publication"]


class CatalogFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A catalog to be stored: its files (name → text) under their content hash."""

    version: str
    files: Mapping[str, str]


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a catalog was put in force, by all processes of a store together.

    ``sequence`` counts publications from 1; the store gives it. ``models``: name → version of the
    models it was assembled with. ``origin`` is ``folder`` (of a start, or a reload), ``files``
    (handed over), ``rollback`` or ``model`` (the catalog stayed, a model was promoted). It was
    committed at ``time`` and decides from ``switch_time`` on (seconds since the epoch). ``folder`` is the version of the catalog folder when it was last
    looked at, by which a start knows whether it was edited since; "" = as in the one before.
    """

    version: str
    models: Mapping[str, str] = {}
    origin: str = "folder"
    author: str = ""
    comment: str = ""
    time: float
    switch_time: float
    folder: str = ""
    sequence: int = 0

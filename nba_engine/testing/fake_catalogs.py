"""Catalogs in memory, with the promises of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nba_engine.domain import CatalogFiles, Publication
from nba_engine.store.catalogs import check_follows, next_publication

__all__ = ["FakeCatalogs"]


class FakeCatalogs:
    """Files by content hash, and publications in their order."""

    def __init__(self) -> None:
        self.files: dict[str, Mapping[str, str]] = {}
        self.publications: list[Publication] = []

    def copy(self) -> FakeCatalogs:
        """Another one, which can change by itself."""
        other = FakeCatalogs()
        other.files, other.publications = dict(self.files), list(self.publications)
        return other

    def keep(self, catalog: CatalogFiles) -> None:
        """Store a catalog."""
        self.files.setdefault(catalog.version, dict(catalog.files))

    def publish(
        self, catalog: CatalogFiles, publication: Publication, follows: str
    ) -> tuple[Publication, bool]:
        """Store a catalog and put it in force."""
        last = self.publications[-1] if self.publications else None
        wanted = next_publication(last, publication)
        if last is not None and wanted.sequence == last.sequence:
            self.publications[-1] = wanted
            return wanted, False
        check_follows(last, follows)
        self.keep(catalog)
        self.publications.append(wanted)
        return wanted, True

    def forget(self, versions: Sequence[str], now: float) -> int:
        """Delete the files of these, but not of what is in force or to come; how many."""
        due = max((one.sequence for one in self.publications if one.switch_time <= now), default=0)
        kept = {one.version for one in self.publications if one.sequence >= due}
        gone = [version for version in {*versions} - kept if version in self.files]
        for version in gone:
            del self.files[version]
        return len(gone)

"""The methods that put catalogs in force, for threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Unpack

from nba_engine._gen.nba.v1 import catalog_service_pb2
from nba_engine.client.connection import Connection
from nba_engine.client.options import CallOptions
from nba_engine.client.publications import (
    CatalogVersion,
    PublishedCatalog,
    publish_request,
    read_published,
    read_version,
)

__all__ = ["Publishing"]


class Publishing(Connection):
    """Publish, roll back, list. The server must offer it: ``server.admin = true``."""

    def publish_catalog(
        self,
        files: Mapping[str, str] | None = None,
        *,
        expected_version: str = "",
        author: str = "",
        comment: str = "",
        **options: Unpack[CallOptions],
    ) -> PublishedCatalog:
        """Put a catalog (text by name) in force in all processes; None: the server's folder.

        Returns when it decides in the process that answers, half a second or more later.
        `InvalidRequest` names the mistakes of a broken one, which changes nothing. Sent once.
        """
        message = publish_request(files, expected_version, author, comment)
        terms = self._defaults.terms(options)
        call = self._catalogs.PublishCatalog
        return read_published(self._call("PublishCatalog", call, message, terms))

    def rollback_catalog(
        self,
        catalog_version: str = "",
        *,
        expected_version: str = "",
        author: str = "",
        comment: str = "",
        **options: Unpack[CallOptions],
    ) -> PublishedCatalog:
        """Put a published version in force again; "": the one before the latest. Sent once."""
        message = catalog_service_pb2.RollbackCatalogRequest(
            catalog_version=catalog_version,
            expected_version=expected_version,
            author=author,
            comment=comment,
        )
        terms = self._defaults.terms(options)
        call = self._catalogs.RollbackCatalog
        return read_published(self._call("RollbackCatalog", call, message, terms))

    def list_catalog_versions(
        self, *, page_size: int = 0, **options: Unpack[CallOptions]
    ) -> Iterator[CatalogVersion]:
        """What was published, the latest first; each page with its own timeout.

        `InvalidRequest` when something was published between two pages: start again.
        """
        message = catalog_service_pb2.ListCatalogVersionsRequest(page_size=page_size)
        while True:
            terms = self._defaults.terms(options)
            call = self._catalogs.ListCatalogVersions
            answer = self._call("ListCatalogVersions", call, message, terms)
            yield from map(read_version, answer.versions)
            if not answer.next_page_token:
                return
            message.page_token = answer.next_page_token

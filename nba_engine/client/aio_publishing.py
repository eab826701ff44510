"""The methods that put catalogs in force, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Unpack

from nba_engine._gen.nba.v1 import catalog_service_pb2
from nba_engine.client.aio_connection import AioConnection
from nba_engine.client.options import CallOptions
from nba_engine.client.publications import (
    CatalogVersion,
    PublishedCatalog,
    publish_request,
    read_published,
    read_version,
)

__all__ = ["AioPublishing"]


class AioPublishing(AioConnection):
    """Publish, roll back, list; see `nba_engine.client.Client`."""

    async def publish_catalog(
        self,
        files: Mapping[str, str] | None = None,
        *,
        expected_version: str = "",
        author: str = "",
        comment: str = "",
        **options: Unpack[CallOptions],
    ) -> PublishedCatalog:
        """As `Client.publish_catalog`."""
        message = publish_request(files, expected_version, author, comment)
        terms = self._defaults.terms(options)
        call = self._open().catalogs.PublishCatalog
        answer = await self._call("PublishCatalog", call, message, terms)
        return read_published(answer)

    async def rollback_catalog(
        self,
        catalog_version: str = "",
        *,
        expected_version: str = "",
        author: str = "",
        comment: str = "",
        **options: Unpack[CallOptions],
    ) -> PublishedCatalog:
        """As `Client.rollback_catalog`."""
        message = catalog_service_pb2.RollbackCatalogRequest(
            catalog_version=catalog_version,
            expected_version=expected_version,
            author=author,
            comment=comment,
        )
        terms = self._defaults.terms(options)
        call = self._open().catalogs.RollbackCatalog
        answer = await self._call("RollbackCatalog", call, message, terms)
        return read_published(answer)

    async def list_catalog_versions(
        self, *, page_size: int = 0, **options: Unpack[CallOptions]
    ) -> AsyncIterator[CatalogVersion]:
        """As `Client.list_catalog_versions`."""
        message = catalog_service_pb2.ListCatalogVersionsRequest(page_size=page_size)
        while True:
            terms = self._defaults.terms(options)
            call = self._open().catalogs.ListCatalogVersions
            answer = await self._call("ListCatalogVersions", call, message, terms)
            for entry in answer.versions:
                yield read_version(entry)
            if not answer.next_page_token:
                return
            message.page_token = answer.next_page_token

"""PublishCatalog, RollbackCatalog, ListCatalogVersions: what was put in force, when, by whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from nba_engine._gen.nba.v1 import catalog_service_pb2
from nba_engine.client.values import read_time
from nba_engine.client.words import word_of

__all__ = [
    "CatalogVersion",
    "PublishedCatalog",
    "publish_request",
    "read_published",
    "read_version",
]


class CatalogVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a catalog was put in force.

    ``status`` is ``pending``, ``in_force`` or ``past``; ``origin`` is ``folder``, ``files``, ``model`` or
    ``rollback``. It decides from ``switch_time`` on, in all processes.
    """

    catalog_version: str
    sequence: int
    status: str
    origin: str
    model_versions: Mapping[str, str]
    author: str
    comment: str
    publish_time: datetime
    switch_time: datetime


class PublishedCatalog(msgspec.Struct, frozen=True, kw_only=True):
    """What came of publishing; ``published`` is false when it was published last already."""

    version: CatalogVersion
    published: bool


def publish_request(
    files: Mapping[str, str] | None, expected_version: str, author: str, comment: str
) -> catalog_service_pb2.PublishCatalogRequest:
    """The request; without files, to publish the server's own folder."""
    return catalog_service_pb2.PublishCatalogRequest(
        files=files or {},
        reload_folder=files is None,
        expected_version=expected_version,
        author=author,
        comment=comment,
    )


def read_published(
    message: catalog_service_pb2.PublishCatalogResponse
    | catalog_service_pb2.RollbackCatalogResponse,
) -> PublishedCatalog:
    """What came of publishing from its message."""
    return PublishedCatalog(version=read_version(message.version), published=message.published)


def read_version(message: catalog_service_pb2.CatalogVersion) -> CatalogVersion:
    """A publication from its message."""
    return CatalogVersion(
        catalog_version=message.catalog_version,
        sequence=message.sequence,
        status=word_of(catalog_service_pb2.CatalogStatus.Name, message.status, "CATALOG_STATUS_"),
        origin=word_of(catalog_service_pb2.CatalogOrigin.Name, message.origin, "CATALOG_ORIGIN_"),
        model_versions=dict(message.model_versions),
        author=message.author,
        comment=message.comment,
        publish_time=read_time(message.publish_time),
        switch_time=read_time(message.switch_time),
    )

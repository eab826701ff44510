"""PublishCatalog, RollbackCatalog, ListCatalogVersions: messages → values, publications → messages."""

from __future__ import annotations

from nba_engine._gen.nba.v1 import catalog_service_pb2
from nba_engine.domain import Publication
from nba_engine.engine import Status
from nba_engine.errors import InvalidRequest, MistakesFound, Violation
from nba_engine.server.convert.catalogs import check_files
from nba_engine.server.convert.values import write_time
from nba_engine.server.convert.violations import Violations

__all__ = ["read_publish", "read_rollback", "refused", "write_version"]

MAX_AUTHOR = 128
MAX_COMMENT = 1000

_ORIGINS = {
    "folder": catalog_service_pb2.CATALOG_ORIGIN_FOLDER,
    "files": catalog_service_pb2.CATALOG_ORIGIN_FILES,
    "rollback": catalog_service_pb2.CATALOG_ORIGIN_ROLLBACK,
    "model": catalog_service_pb2.CATALOG_ORIGIN_MODEL,
}
_STATUSES: dict[Status, catalog_service_pb2.CatalogStatus.ValueType] = {
    "pending": catalog_service_pb2.CATALOG_STATUS_PENDING,
    "in_force": catalog_service_pb2.CATALOG_STATUS_IN_FORCE,
    "past": catalog_service_pb2.CATALOG_STATUS_PAST,
}


def read_publish(message: catalog_service_pb2.PublishCatalogRequest) -> dict[str, str] | None:
    """Text by file name; None: the server's folder. Raises `InvalidRequest`."""
    violations = Violations()
    if message.reload_folder:
        if message.files:
            violations.add("files", "not together with reload_folder")
    else:
        check_files(message.files, violations)
    _check_words(message, violations)
    violations.raise_any()
    return None if message.reload_folder else dict(message.files)


def read_rollback(message: catalog_service_pb2.RollbackCatalogRequest) -> str:
    """The version to go back to; "": the one before. Raises `InvalidRequest`."""
    violations = Violations()
    violations.ascii_id(message.catalog_version, "catalog_version")
    _check_words(message, violations)
    violations.raise_any()
    return message.catalog_version


def write_version(publication: Publication, status: Status) -> catalog_service_pb2.CatalogVersion:
    """A publication as its message."""
    return catalog_service_pb2.CatalogVersion(
        catalog_version=publication.version,
        sequence=publication.sequence,
        status=_STATUSES[status],
        origin=_ORIGINS.get(publication.origin, catalog_service_pb2.CATALOG_ORIGIN_UNSPECIFIED),
        model_versions=publication.models,
        author=publication.author,
        comment=publication.comment,
        publish_time=write_time(publication.time),
        switch_time=write_time(publication.switch_time),
    )


def refused(found: MistakesFound) -> InvalidRequest:
    """The mistakes of a catalog as what is wrong with the request."""
    return InvalidRequest(
        [
            Violation(
                field=f"{mistake.file}: {mistake.place}" if mistake.place else mistake.file,
                description=f"{mistake.message} ({mistake.remedy})"
                if mistake.remedy
                else mistake.message,
            )
            for mistake in found.mistakes
        ],
        reason="INVALID_CATALOG",
    )


def _check_words(
    message: catalog_service_pb2.PublishCatalogRequest | catalog_service_pb2.RollbackCatalogRequest,
    violations: Violations,
) -> None:
    violations.ascii_id(message.expected_version, "expected_version")
    violations.id(message.author, "author", maximum=MAX_AUTHOR, required=False)
    if len(message.comment) > MAX_COMMENT:
        violations.add("comment", f"at most {MAX_COMMENT} characters, not {len(message.comment)}")

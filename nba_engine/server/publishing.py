"""Publishing over the API, and what the server tells of the catalog in force."""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from nba_engine._gen.nba.v1 import catalog_service_pb2
from nba_engine.domain import Publication
from nba_engine.engine import Published
from nba_engine.errors import MistakesFound, NbaError, NotPermitted
from nba_engine.server.calls import Call
from nba_engine.server.convert import (
    Violations,
    bound_to,
    read_page,
    read_publish,
    read_rollback,
    refused,
    write_version,
)
from nba_engine.server.probes import Health
from nba_engine.server.protocols import Publishes

__all__ = ["CatalogReports", "PublishingServicer", "reload_folder"]

_MARGIN_SECONDS = 0.05  # for the answer's way back


class PublishingServicer:
    """The methods of `nba.v1.CatalogService` that change what is in force."""

    def __init__(self, catalogs: Publishes, *, admin: bool, room: int) -> None:
        self._catalogs = catalogs
        self._admin = admin
        self._page_room = room

    def PublishCatalog(  # noqa: N802
        self, message: catalog_service_pb2.PublishCatalogRequest, call: Call
    ) -> catalog_service_pb2.PublishCatalogResponse:
        """Put a catalog in force."""
        self._check_admin()
        files = read_publish(message)
        try:
            if files is None:
                done = self._catalogs.publish_folder(
                    follows=message.expected_version,
                    author=message.author,
                    comment=message.comment,
                    deadline=_deadline(call),
                )
            else:
                done = self._catalogs.publish(
                    files,
                    follows=message.expected_version,
                    author=message.author,
                    comment=message.comment,
                    deadline=_deadline(call),
                )
        except MistakesFound as found:
            raise refused(found) from found
        return catalog_service_pb2.PublishCatalogResponse(
            version=_version(done), published=done.new
        )

    def RollbackCatalog(  # noqa: N802
        self, message: catalog_service_pb2.RollbackCatalogRequest, call: Call
    ) -> catalog_service_pb2.RollbackCatalogResponse:
        """Put a catalog in force that was published before."""
        self._check_admin()
        version = read_rollback(message)
        try:
            done = self._catalogs.rollback(
                version,
                follows=message.expected_version,
                author=message.author,
                comment=message.comment,
                deadline=_deadline(call),
            )
        except MistakesFound as found:
            raise refused(found) from found
        return catalog_service_pb2.RollbackCatalogResponse(
            version=_version(done), published=done.new
        )

    def ListCatalogVersions(  # noqa: N802
        self, message: catalog_service_pb2.ListCatalogVersionsRequest, call: Call
    ) -> catalog_service_pb2.ListCatalogVersionsResponse:
        """What was published, a page at a time."""
        del call
        self._check_admin()
        history = self._catalogs.history()
        violations = Violations()
        page = read_page(
            message.page_size,
            message.page_token,
            bound_to("versions", str(len(history))),
            violations,
            default=100,
            maximum=1000,
        )
        violations.raise_any()
        versions, token = page.of(
            history, lambda entry: write_version(*entry), room=self._page_room
        )
        return catalog_service_pb2.ListCatalogVersionsResponse(
            versions=versions, next_page_token=token
        )

    def _check_admin(self) -> None:
        if not self._admin:
            raise NotPermitted(
                "this server offers no administration; server.admin = true in its settings does",
                reason="ADMIN_DISABLED",
            )


class CatalogReports:
    """Logs each switch. Not following what is in force, the server reports NOT_SERVING."""

    def __init__(self, health: Health, logger: FilteringBoundLogger) -> None:
        self._health = health
        self._logger = logger

    def switched(self, publication: Publication, late: float) -> None:
        """It is in force in this process."""
        self._health.following(following=True)
        self._logger.info(
            "catalog in force",
            catalog_version=publication.version,
            sequence=publication.sequence,
            origin=publication.origin,
            author=publication.author,
            late_ms=round(late * 1000, 1),
        )

    def behind(self, publication: Publication) -> None:
        """It is in force elsewhere, and cannot be loaded here."""
        self._health.following(following=False)
        self._logger.error(
            "catalog not in force here",
            catalog_version=publication.version,
            sequence=publication.sequence,
        )

    def store_reached(self, *, reached: bool) -> None:
        """The store does not answer, or does again."""
        self._health.reaching(reaching=reached)
        if reached:
            self._logger.info("store answers again")
        else:
            self._logger.error("store does not answer")


def reload_folder(catalogs: Publishes, logger: FilteringBoundLogger) -> None:
    """Publish what lies in the catalog folder; a broken one is logged with all its mistakes."""
    try:
        done = catalogs.publish_folder(author="SIGHUP")
    except MistakesFound as found:
        logger.error(
            "catalog folder not published", mistakes=[str(mistake) for mistake in found.mistakes]
        )
    except NbaError as error:
        logger.error("catalog folder not published", reason=error.reason, message=error.message)
    else:
        logger.info(
            "catalog folder reloaded",
            catalog_version=done.publication.version,
            published=done.new,
        )


def _deadline(call: Call) -> float | None:
    return None if call.deadline is None else call.deadline - _MARGIN_SECONDS


def _version(done: Published) -> catalog_service_pb2.CatalogVersion:
    return write_version(done.publication, "in_force" if done.in_force else "pending")

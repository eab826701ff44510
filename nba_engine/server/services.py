"""The methods of the API: their handlers, and the servicers of the small services."""

from __future__ import annotations

import time
from collections.abc import Mapping

import grpc
from google.protobuf.message import Message

from nba_engine._gen.nba.v1 import (
    catalog_service_pb2,
    decision_service_pb2,
    interaction_service_pb2,
    limit_service_pb2,
    profile_service_pb2,
)
from nba_engine.domain import LOG, Treatment
from nba_engine.errors import NotFound
from nba_engine.server.calls import Call, Unary
from nba_engine.server.convert import (
    Violations,
    bound_to,
    held_back_by,
    read_erase,
    read_files,
    read_get_request,
    read_interactions,
    read_link,
    read_page,
    read_update,
    write_action,
    write_catalog,
    write_erasure,
    write_linked,
    write_mistake,
    write_profile,
    write_result,
)
from nba_engine.server.decisions import DecisionServicer
from nba_engine.server.limits import LimitServicer
from nba_engine.server.protocols import Decides
from nba_engine.server.publishing import PublishingServicer
from nba_engine.server.reports import Reporter
from nba_engine.settings import ServerSettings

__all__ = ["SERVICES", "method_handlers"]

_FILES = (
    decision_service_pb2,
    interaction_service_pb2,
    profile_service_pb2,
    catalog_service_pb2,
    limit_service_pb2,
)
# full names of the services, as health and reflection know them
SERVICES: tuple[str, ...] = tuple(
    service.full_name for file in _FILES for service in file.DESCRIPTOR.services_by_name.values()
)


def method_handlers(
    decisions: DecisionServicer, engine: Decides, settings: ServerSettings, reporter: Reporter
) -> Mapping[str, Mapping[str, grpc.RpcMethodHandler[bytes, bytes]]]:
    """Service name → method name → handler, for every unary method of the API."""
    handlers: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {}
    room = settings.max_message_bytes // 2
    servicers = (
        decisions,
        InteractionServicer(engine),
        ProfileServicer(engine, reporter),
        CatalogServicer(engine, room=room, admin=settings.admin),
        LimitServicer(engine, room=room),
    )
    for file, servicer in zip(_FILES, servicers, strict=True):
        for service in file.DESCRIPTOR.services_by_name.values():
            methods = handlers.setdefault(service.full_name, {})
            for method in service.methods:
                if method.client_streaming or method.server_streaming:
                    continue  # on threads of its own: Streams
                unary: Unary[Message] = Unary(
                    f"{service.name}/{method.name}",
                    getattr(file, method.input_type.name),
                    getattr(servicer, method.name),
                    reporter,
                )
                methods[method.name] = grpc.unary_unary_rpc_method_handler(unary)
    return handlers


class InteractionServicer:
    """`nba.v1.InteractionService`."""

    def __init__(self, engine: Decides) -> None:
        self._engine = engine

    def RecordInteractions(  # noqa: N802
        self, message: interaction_service_pb2.RecordInteractionsRequest, call: Call
    ) -> interaction_service_pb2.RecordInteractionsResponse:
        """Record; answered when durable."""
        del call
        results = self._engine.record(read_interactions(message))
        return interaction_service_pb2.RecordInteractionsResponse(
            results=[write_result(result) for result in results]
        )


class ProfileServicer:
    """`nba.v1.ProfileService`."""

    def __init__(self, engine: Decides, reporter: Reporter) -> None:
        self._engine = engine
        self._reporter = reporter

    def GetProfile(  # noqa: N802
        self, message: profile_service_pb2.GetProfileRequest, call: Call
    ) -> profile_service_pb2.GetProfileResponse:
        """Read one customer."""
        del call
        engine = self._engine
        identity, moment = read_get_request(message, simulated=engine.store.simulated)
        try:
            state = engine.profile(identity)
        except NotFound as error:
            raise NotFound(
                "no customer is known by this identity",
                reason="CUSTOMER_NOT_FOUND",
                metadata={"identity": identity},
            ) from error
        now = time.time() if moment is None else moment
        return profile_service_pb2.GetProfileResponse(
            profile=write_profile(state, engine.catalog, now=now)
        )

    def UpdateProfile(  # noqa: N802
        self, message: profile_service_pb2.UpdateProfileRequest, call: Call
    ) -> profile_service_pb2.UpdateProfileResponse:
        """Create or change one customer."""
        del call
        engine = self._engine
        now = time.time()
        state = engine.update_profile(read_update(message, engine.catalog, now=now))
        return profile_service_pb2.UpdateProfileResponse(
            profile=write_profile(state, engine.catalog, now=now)
        )

    def LinkIdentities(  # noqa: N802
        self, message: profile_service_pb2.LinkIdentitiesRequest, call: Call
    ) -> profile_service_pb2.LinkIdentitiesResponse:
        """Lead identities to one customer."""
        del call
        engine = self._engine
        linked = engine.link_identities(read_link(message))
        return write_linked(linked, engine.catalog, now=time.time())

    def EraseProfile(  # noqa: N802
        self, message: profile_service_pb2.EraseProfileRequest, call: Call
    ) -> profile_service_pb2.EraseProfileResponse:
        """Erase one customer; answered when it is gone from the store."""
        identity, request_id = read_erase(message)
        erasure = self._engine.erase_profile(identity, request_id=request_id)
        if LOG in erasure.pending or not erasure.pending:  # not whoever asks how far it is
            self._reporter.erased(erasure, call)
        return write_erasure(erasure)


class CatalogServicer(PublishingServicer):
    """`nba.v1.CatalogService`. ``room``: how many bytes the entries of a page may have."""

    def __init__(self, engine: Decides, *, room: int, admin: bool) -> None:
        super().__init__(engine.catalogs, admin=admin, room=room)
        self._engine = engine
        self._room = room

    def GetCatalog(  # noqa: N802
        self, message: catalog_service_pb2.GetCatalogRequest, call: Call
    ) -> catalog_service_pb2.GetCatalogResponse:
        """The catalog in force, without its actions."""
        del message, call
        return catalog_service_pb2.GetCatalogResponse(
            catalog=write_catalog(self._engine.catalog), model_versions=self._engine.model_versions
        )

    def ListActions(  # noqa: N802
        self, message: catalog_service_pb2.ListActionsRequest, call: Call
    ) -> catalog_service_pb2.ListActionsResponse:
        """Actions with their treatments, a page at a time."""
        del call
        catalog = self._engine.catalog
        violations = Violations()
        page = read_page(
            message.page_size,
            message.page_token,
            bound_to(catalog.version),
            violations,
            default=100,
            maximum=1000,
        )
        violations.raise_any()
        treatments: dict[str, list[Treatment]] = {
            action.id: [] for action in catalog.actions[page.start : page.start + page.size]
        }
        for treatment in catalog.treatments:
            if treatment.action in treatments:
                treatments[treatment.action].append(treatment)
        held_back = held_back_by(catalog)
        actions, token = page.of(
            catalog.actions,
            lambda action: write_action(action, treatments[action.id], held_back),
            room=self._room,
        )
        return catalog_service_pb2.ListActionsResponse(
            actions=actions,
            next_page_token=token,
            catalog_version=catalog.version,
            currency_code=catalog.currency,
        )

    def ValidateCatalog(  # noqa: N802
        self, message: catalog_service_pb2.ValidateCatalogRequest, call: Call
    ) -> catalog_service_pb2.ValidateCatalogResponse:
        """The mistakes in the files of a catalog, a page at a time."""
        del call
        files, page = read_files(message)
        mistakes, token = page.of(
            self._engine.validate_catalog(files), write_mistake, room=self._room
        )
        return catalog_service_pb2.ValidateCatalogResponse(mistakes=mistakes, next_page_token=token)

"""The four servicers: convert, call, convert."""

from __future__ import annotations

import time
from collections.abc import Mapping

import grpc
from google.protobuf.message import Message
from structlog.typing import FilteringBoundLogger

from nba_engine._gen.nba.v1 import (
    catalog_service_pb2,
    decision_service_pb2,
    interaction_service_pb2,
    profile_service_pb2,
)
from nba_engine.domain import Treatment
from nba_engine.errors import NotFound
from nba_engine.server.calls import Call, Unary
from nba_engine.server.convert import (
    Violations,
    customer_types,
    page_token,
    read_decide_request,
    read_files,
    read_get_request,
    read_interactions,
    read_page,
    read_update,
    write_action,
    write_catalog,
    write_decision,
    write_mistake,
    write_profile,
    write_result,
    write_traces,
)
from nba_engine.server.protocols import Decides

__all__ = ["SERVICES", "method_handlers"]

_FILES = (
    decision_service_pb2,
    interaction_service_pb2,
    profile_service_pb2,
    catalog_service_pb2,
)
# full names of the services, as health and reflection know them
SERVICES: tuple[str, ...] = tuple(
    service.full_name for file in _FILES for service in file.DESCRIPTOR.services_by_name.values()
)
_MAX_TREATMENTS = 1000


def method_handlers(
    engine: Decides, logger: FilteringBoundLogger, *, default_deadline: float
) -> Mapping[str, Mapping[str, grpc.RpcMethodHandler[bytes, bytes]]]:
    """Service name → method name → handler, for every method of the API."""
    handlers: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {}
    servicers = (
        DecisionServicer(engine, logger, default_deadline=default_deadline),
        InteractionServicer(engine),
        ProfileServicer(engine),
        CatalogServicer(engine),
    )
    for file, servicer in zip(_FILES, servicers, strict=True):
        for service in file.DESCRIPTOR.services_by_name.values():
            methods = handlers.setdefault(service.full_name, {})
            for method in service.methods:
                if not hasattr(servicer, method.name):
                    continue
                unary: Unary[Message] = Unary(
                    f"{service.name}/{method.name}",
                    getattr(file, method.input_type.name),
                    getattr(servicer, method.name),
                    engine,
                    logger,
                )
                methods[method.name] = grpc.unary_unary_rpc_method_handler(unary)
    return handlers


class DecisionServicer:
    """`nba.v1.DecisionService`."""

    def __init__(
        self, engine: Decides, logger: FilteringBoundLogger, *, default_deadline: float
    ) -> None:
        self._engine = engine
        self._logger = logger
        self._default_deadline = default_deadline

    def Decide(  # noqa: N802 - methods are named as in the API
        self, message: decision_service_pb2.DecideRequest, call: Call
    ) -> decision_service_pb2.DecideResponse:
        """Decide; one log line per decision."""
        engine = self._engine
        catalog = engine.catalog
        request = read_decide_request(message, catalog, simulated=engine.store.simulated)
        deadline = call.deadline or call.started + self._default_deadline
        decision = engine.decide(request, deadline=deadline)
        response = decision_service_pb2.DecideResponse()
        write_decision(response.decision, decision, catalog.currency, funnel=message.include_funnel)
        self._logger.info(
            "decision",
            decision_id=decision.decision_id,
            request_id=request.request_id or call.request_id,
            known=decision.known,
            recommended=[r.treatment for r in decision.recommendations],
            candidates=decision.candidates,
            degraded=decision.degraded,
            micros=call.micros,
        )
        return response

    def ExplainDecision(  # noqa: N802
        self, message: decision_service_pb2.ExplainDecisionRequest, call: Call
    ) -> decision_service_pb2.ExplainDecisionResponse:
        """Explain one decision, a page of candidates at a time."""
        del call
        engine = self._engine
        violations = Violations()
        decision_id = message.decision_id
        violations.id(decision_id, "decision_id")
        violations.count(len(message.treatments), "treatments", maximum=_MAX_TREATMENTS)
        start, size = read_page(
            message.page_size,
            message.page_token,
            decision_id,
            violations,
            default=1000,
            maximum=5000,
        )
        violations.raise_any()
        try:
            explanation = engine.explain(decision_id)
        except NotFound as error:
            raise NotFound(
                "no decision of this id is on record",
                reason="DECISION_NOT_FOUND",
                metadata={"decision_id": decision_id},
            ) from error
        wanted = frozenset(message.treatments)
        traces = [t for t in explanation.candidates if not wanted or t.treatment in wanted]
        catalog = engine.catalog
        types = {f"customer.{name}": kind for name, kind in customer_types(catalog).items()}
        types |= {f"context.{name}": a.type for name, a in catalog.context.items()}
        end = start + size
        response = decision_service_pb2.ExplainDecisionResponse(
            sentences=explanation.sentences,
            candidates=write_traces(traces[start:end], types),
            next_page_token=page_token(end, decision_id) if end < len(traces) else "",
        )
        write_decision(response.decision, explanation.decision, catalog.currency, funnel=True)
        return response


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

    def __init__(self, engine: Decides) -> None:
        self._engine = engine

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


class CatalogServicer:
    """`nba.v1.CatalogService`."""

    def __init__(self, engine: Decides) -> None:
        self._engine = engine

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
        start, size = read_page(
            message.page_size,
            message.page_token,
            catalog.version,
            violations,
            default=100,
            maximum=1000,
        )
        violations.raise_any()
        end = start + size
        page = catalog.actions[start:end]
        treatments: dict[str, list[Treatment]] = {action.id: [] for action in page}
        for treatment in catalog.treatments:
            if treatment.action in treatments:
                treatments[treatment.action].append(treatment)
        return catalog_service_pb2.ListActionsResponse(
            actions=[write_action(action, treatments[action.id]) for action in page],
            next_page_token=page_token(end, catalog.version) if end < len(catalog.actions) else "",
            catalog_version=catalog.version,
            currency_code=catalog.currency,
        )

    def ValidateCatalog(  # noqa: N802
        self, message: catalog_service_pb2.ValidateCatalogRequest, call: Call
    ) -> catalog_service_pb2.ValidateCatalogResponse:
        """Every mistake in the files of a catalog."""
        del call
        mistakes = self._engine.validate_catalog(read_files(message))
        return catalog_service_pb2.ValidateCatalogResponse(
            mistakes=[write_mistake(mistake) for mistake in mistakes]
        )

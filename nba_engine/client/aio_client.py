"""The client for asyncio: every method of the API, one call each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Unpack

import grpc
from grpc_health.v1 import health_pb2

from nba_engine._gen.nba.v1 import catalog_service_pb2, decision_service_pb2
from nba_engine._gen.nba.v1.interaction_service_pb2 import RecordInteractionsRequest
from nba_engine.client import requests as built
from nba_engine.client.aio_batching import AioInteractionBatcher
from nba_engine.client.aio_contact_plans import AioContactPlans
from nba_engine.client.aio_erasures import AioErasures
from nba_engine.client.aio_exports import AioExports
from nba_engine.client.aio_limits import AioLimits
from nba_engine.client.aio_publishing import AioPublishing
from nba_engine.client.aio_recording import AioRecording
from nba_engine.client.catalogs import (
    Action,
    Catalog,
    Mistake,
    read_action,
    read_catalog,
    read_mistake,
)
from nba_engine.client.decisions import (
    DecideRequest,
    DecideResult,
    Decision,
    PlacementRequest,
    read_decision,
)
from nba_engine.client.explanations import Explanation, read_explanation
from nba_engine.client.interactions import Interaction, InteractionResult
from nba_engine.client.options import CallOptions, Terms
from nba_engine.client.outbox import Undeliverable
from nba_engine.client.profiles import (
    Consent,
    Linked,
    Profile,
    get_profile_request,
    link_request,
    read_linked,
    read_profile,
    update_profile_request,
)
from nba_engine.client.streams import Correlation
from nba_engine.client.values import Value
from nba_engine.client.words import word_of

__all__ = ["AioClient"]


class AioClient(AioPublishing, AioLimits, AioRecording, AioExports, AioErasures, AioContactPlans):
    """As `Client`, for asyncio: the same arguments, methods, results and errors.

    It may be made anywhere; the connection is made on the event loop of the first call, and belongs
    to that loop. A call whose task is cancelled is cancelled on the server, too.
    """

    async def decide(
        self,
        identity: str,
        placements: Sequence[str | PlacementRequest],
        *,
        context: Mapping[str, Value] | None = None,
        request_id: str = "",
        include_funnel: bool = False,
        time: datetime | None = None,
        seed: int | None = None,
        **options: Unpack[CallOptions],
    ) -> Decision:
        """As `Client.decide`."""
        request = DecideRequest(
            identity=identity,
            placements=placements,
            context=context or {},
            request_id=request_id,
            include_funnel=include_funnel,
            time=time,
            seed=seed,
        )
        message = built.decide_request(request)
        terms = self._defaults.terms(options)
        call = self._open().decisions.Decide
        answer = await self._call("Decide", call, message, terms, repeat=bool(request_id))
        return read_decision(answer.decision)

    async def batch_decide(
        self, requests: Sequence[DecideRequest], **options: Unpack[CallOptions]
    ) -> list[DecideResult]:
        """As `Client.batch_decide`."""
        message = built.batch_decide_request(requests)
        terms = self._defaults.terms(options)
        repeat = all(request.request_id for request in requests)
        call = self._open().decisions.BatchDecide
        answer = await self._call("BatchDecide", call, message, terms, repeat=repeat)
        return built.read_batch(requests, answer)

    async def stream_decide(
        self,
        requests: Iterable[DecideRequest] | AsyncIterable[DecideRequest],
        *,
        ahead: int = 16,
        request_timeout: float | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncIterator[DecideResult]:
        """As `Client.stream_decide`; ``requests`` is read by a task of its own.

        grpc.aio loses why a stream ended when it did so while a request was written: then it is
        `Unavailable` with the code CANCELLED, whatever the server said.
        """
        if request_timeout is None:
            request_timeout = self._defaults.timeout
        correlation = Correlation(request_timeout)
        window = asyncio.Semaphore(ahead)
        failures: list[BaseException] = []  # of ``requests``
        terms = self._defaults.terms(options)
        timeout = options.get("timeout")
        call = self._open().decisions.StreamDecide(
            timeout=timeout, wait_for_ready=terms.wait_for_ready, metadata=terms.metadata
        )

        async def write() -> None:
            waiting = _one_by_one(requests)
            try:
                while True:
                    await window.acquire()
                    message = correlation.message(await anext(waiting))
                    try:
                        await call.write(message)
                    except (grpc.RpcError, asyncio.InvalidStateError):
                        return  # the stream has ended; whoever reads it is told why
            except StopAsyncIteration:
                pass
            except (Exception, asyncio.CancelledError) as error:
                # raised below, after the results before it
                if writer.cancelling():
                    raise
                failures.append(error)
            with suppress(grpc.RpcError, asyncio.InvalidStateError):
                await call.done_writing()

        writer = asyncio.get_running_loop().create_task(write())
        try:
            try:
                async for answer in call:
                    window.release()
                    yield correlation.result(answer)
            except grpc.RpcError as error:
                late = timeout is not None and terms.remaining < 0.05  # gRPC's clock is another
                raise self._error(error, "StreamDecide", timeout, late=late) from None
            if failures:
                raise failures[0]
            correlation.finish()
        finally:
            writer.cancel()
            call.cancel()

    async def explain_decision(
        self,
        decision_id: str,
        *,
        treatments: Sequence[str] = (),
        page_size: int = 0,
        **options: Unpack[CallOptions],
    ) -> Explanation:
        """As `Client.explain_decision`."""
        message = decision_service_pb2.ExplainDecisionRequest(
            decision_id=decision_id, treatments=treatments, page_size=page_size
        )
        call = self._open().decisions.ExplainDecision
        pages: list[decision_service_pb2.ExplainDecisionResponse] = []
        while not pages or message.page_token:
            terms = self._defaults.terms(options)
            pages.append(await self._call("ExplainDecision", call, message, terms))
            message.page_token = pages[-1].next_page_token
        return read_explanation(pages)

    async def record_interactions(
        self, interactions: Sequence[Interaction], **options: Unpack[CallOptions]
    ) -> list[InteractionResult]:
        """As `Client.record_interactions`."""
        return await self._record(built.record_request(interactions), self._defaults.terms(options))

    async def _record(
        self, message: RecordInteractionsRequest, terms: Terms
    ) -> list[InteractionResult]:
        call = self._open().interactions.RecordInteractions
        answer = await self._call("RecordInteractions", call, message, terms)
        return built.read_results(len(message.interactions), answer)

    def interactions(
        self,
        *,
        max_batch: int = 500,
        max_wait: float = 0.2,
        max_queue: int = 10_000,
        timeout: float = 30.0,
        on_undelivered: Undeliverable | None = None,
    ) -> AioInteractionBatcher:
        """As `Client.interactions`."""
        self._open()
        batcher = AioInteractionBatcher(
            lambda message, timeout: self._record(
                message, self._defaults.terms({"timeout": timeout, "wait_for_ready": False})
            ),
            max_batch=max_batch,
            max_wait=max_wait,
            max_queue=max_queue,
            timeout=timeout,
            on_undelivered=on_undelivered,
        )
        self._batchers = [one for one in self._batchers if not one.done]
        self._batchers.append(batcher)
        return batcher

    async def get_profile(
        self, identity: str, *, time: datetime | None = None, **options: Unpack[CallOptions]
    ) -> Profile:
        """As `Client.get_profile`."""
        message = get_profile_request(identity, time)
        terms = self._defaults.terms(options)
        answer = await self._call("GetProfile", self._open().profiles.GetProfile, message, terms)
        return read_profile(answer.profile)

    async def update_profile(
        self,
        identity: str,
        *,
        attributes: Mapping[str, Value] | None = None,
        consents: Sequence[Consent] = (),
        remove: Sequence[str] = (),
        update_mask: Sequence[str] = (),
        request_id: str = "",
        **options: Unpack[CallOptions],
    ) -> Profile:
        """As `Client.update_profile`."""
        message = update_profile_request(
            identity, attributes or {}, consents, remove, update_mask, request_id
        )
        terms = self._defaults.terms(options)
        answer = await self._call(
            "UpdateProfile", self._open().profiles.UpdateProfile, message, terms
        )
        return read_profile(answer.profile)

    async def link_identities(
        self,
        identities: Sequence[str],
        *,
        source: str = "",
        request_id: str = "",
        **options: Unpack[CallOptions],
    ) -> Linked:
        """As `Client.link_identities`."""
        message = link_request(identities, source, request_id)
        terms = self._defaults.terms(options)
        return read_linked(
            await self._call("LinkIdentities", self._open().profiles.LinkIdentities, message, terms)
        )

    async def get_catalog(self, **options: Unpack[CallOptions]) -> Catalog:
        """As `Client.get_catalog`."""
        message = catalog_service_pb2.GetCatalogRequest()
        terms = self._defaults.terms(options)
        return read_catalog(
            await self._call("GetCatalog", self._open().catalogs.GetCatalog, message, terms)
        )

    async def list_actions(
        self, *, page_size: int = 0, **options: Unpack[CallOptions]
    ) -> AsyncIterator[Action]:
        """As `Client.list_actions`."""
        message = catalog_service_pb2.ListActionsRequest(page_size=page_size)
        while True:
            terms = self._defaults.terms(options)
            answer = await self._call(
                "ListActions", self._open().catalogs.ListActions, message, terms
            )
            for entry in answer.actions:
                yield read_action(entry)
            if not answer.next_page_token:
                return
            message.page_token = answer.next_page_token

    async def validate_catalog(
        self, files: Mapping[str, str], *, page_size: int = 0, **options: Unpack[CallOptions]
    ) -> list[Mistake]:
        """As `Client.validate_catalog`."""
        message = catalog_service_pb2.ValidateCatalogRequest(files=files, page_size=page_size)
        call = self._open().catalogs.ValidateCatalog
        found: list[Mistake] = []
        while True:
            terms = self._defaults.terms(options)
            answer = await self._call("ValidateCatalog", call, message, terms)
            found += map(read_mistake, answer.mistakes)
            if not answer.next_page_token:
                return found
            message.page_token = answer.next_page_token

    async def health(self, service: str = "", **options: Unpack[CallOptions]) -> str:
        """As `Client.health`."""
        message = health_pb2.HealthCheckRequest(service=service)
        answer = await self._call(
            "Check", self._open().check, message, self._defaults.terms(options)
        )
        return word_of(health_pb2.HealthCheckResponse.ServingStatus.Name, answer.status, "")


async def _one_by_one(
    requests: Iterable[DecideRequest] | AsyncIterable[DecideRequest],
) -> AsyncIterator[DecideRequest]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request

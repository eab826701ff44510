"""The client for threads: every method of the API, one call each."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Unpack

import grpc
from grpc_health.v1 import health_pb2

from nba_engine._gen.nba.v1 import catalog_service_pb2, decision_service_pb2
from nba_engine._gen.nba.v1.interaction_service_pb2 import RecordInteractionsRequest
from nba_engine.client import requests as built
from nba_engine.client.batching import InteractionBatcher
from nba_engine.client.catalogs import (
    Action,
    Catalog,
    Mistake,
    read_action,
    read_catalog,
    read_mistake,
)
from nba_engine.client.contact_plans import ContactPlans
from nba_engine.client.decisions import (
    DecideRequest,
    DecideResult,
    Decision,
    PlacementRequest,
    read_decision,
)
from nba_engine.client.erasures import Erasures
from nba_engine.client.explanations import Explanation, read_explanation
from nba_engine.client.exports import Exports
from nba_engine.client.interactions import Interaction, InteractionResult
from nba_engine.client.limits import Limits
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
from nba_engine.client.publishing import Publishing
from nba_engine.client.recording import Recording
from nba_engine.client.streams import Correlation
from nba_engine.client.values import Value
from nba_engine.client.words import word_of

__all__ = ["Client"]


class Client(Publishing, Limits, Recording, Exports, Erasures, ContactPlans):
    """One connection to a server, to be shared by all threads of a process.

    ``target`` is ``host:port``, ``unix:/path`` or any other name gRPC resolves. Without
    ``credentials`` (`grpc.ssl_channel_credentials()`) nothing is encrypted. ``timeout`` is that of
    a call, its repeats included, unless the call is given one. With ``wait_for_ready`` a call waits
    (within its timeout) for a server that cannot be reached; without, it fails at once.
    ``metadata`` goes with every call. ``channel`` replaces all about the connection, and stays the
    caller's to close.

    Every method raises `NbaClientError`, told apart by what to do next.
    """

    def decide(
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
        """Decide for one customer. An empty slate is not an error.

        Sent once: a decision may reserve limits. With a ``request_id`` (a UUID) it is idempotent,
        and repeated while the server is unavailable; that costs the server one durable write.
        """
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
        call = self._decisions.Decide
        answer = self._call("Decide", call, message, terms, repeat=bool(request_id))
        return read_decision(answer.decision)

    def batch_decide(
        self, requests: Sequence[DecideRequest], **options: Unpack[CallOptions]
    ) -> list[DecideResult]:
        """Decide up to 256 requests, one after the other; one's failure is its own.

        Repeated while the server is unavailable if every request has a ``request_id``.
        """
        message = built.batch_decide_request(requests)
        terms = self._defaults.terms(options)
        repeat = all(request.request_id for request in requests)
        call = self._decisions.BatchDecide
        answer = self._call("BatchDecide", call, message, terms, repeat=repeat)
        return built.read_batch(requests, answer)

    def stream_decide(
        self,
        requests: Iterable[DecideRequest],
        *,
        ahead: int = 16,
        request_timeout: float | None = None,
        **options: Unpack[CallOptions],
    ) -> Iterator[DecideResult]:
        """Decide one request after the other, as they come; results in the same order.

        ``requests`` is read on another thread, and at most ``ahead`` of them are under way: whoever
        does not read results is not read from. Each may take ``request_timeout`` seconds (default:
        the client's timeout), the stream as a whole as long as it likes unless it is given a
        ``timeout``. An exception of ``requests`` is raised after the results before it. Not
        repeated.
        """
        if request_timeout is None:
            request_timeout = self._defaults.timeout
        correlation = Correlation(request_timeout)
        window = threading.Semaphore(ahead)
        ended: list[BaseException | None] = []  # how reading ``requests`` ended

        def messages() -> Iterator[decision_service_pb2.StreamDecideRequest]:
            try:
                waiting = iter(requests)
                while True:
                    window.acquire()
                    if ended:
                        return
                    try:
                        request = next(waiting)
                    except StopIteration:
                        return
                    yield correlation.message(request)
            except BaseException as error:  # raised below, on the caller's thread
                ended.append(error)

        self._open()
        terms = self._defaults.terms(options)
        call = self._decisions.StreamDecide(
            messages(),
            timeout=options.get("timeout"),
            wait_for_ready=terms.wait_for_ready,
            metadata=terms.metadata,
        )
        try:
            try:
                for answer in call:
                    window.release()
                    yield correlation.result(answer)
            except grpc.RpcError as error:
                raise self._error(error, "StreamDecide", options.get("timeout")) from None
            if ended and ended[0] is not None:
                raise ended[0]
            correlation.finish()
        finally:
            ended.append(None)
            window.release()
            call.cancel()

    def explain_decision(
        self,
        decision_id: str,
        *,
        treatments: Sequence[str] = (),
        page_size: int = 0,
        **options: Unpack[CallOptions],
    ) -> Explanation:
        """Tell why a past decision came out as it did; all pages, each with its own timeout."""
        message = decision_service_pb2.ExplainDecisionRequest(
            decision_id=decision_id, treatments=treatments, page_size=page_size
        )
        call = self._decisions.ExplainDecision
        pages: list[decision_service_pb2.ExplainDecisionResponse] = []
        while not pages or message.page_token:
            terms = self._defaults.terms(options)
            pages.append(self._call("ExplainDecision", call, message, terms))
            message.page_token = pages[-1].next_page_token
        return read_explanation(pages)

    def record_interactions(
        self, interactions: Sequence[Interaction], **options: Unpack[CallOptions]
    ) -> list[InteractionResult]:
        """Record up to 1,000 interactions in one durable commit; a result for each.

        When one of them is malformed, nothing is recorded and `InvalidRequest` names the fields.
        """
        return self._record(built.record_request(interactions), self._defaults.terms(options))

    def _record(self, message: RecordInteractionsRequest, terms: Terms) -> list[InteractionResult]:
        call = self._interactions.RecordInteractions
        answer = self._call("RecordInteractions", call, message, terms)
        return built.read_results(len(message.interactions), answer)

    def interactions(
        self,
        *,
        max_batch: int = 500,
        max_wait: float = 0.2,
        max_queue: int = 10_000,
        timeout: float = 30.0,
        on_undelivered: Undeliverable | None = None,
    ) -> InteractionBatcher:
        """A batcher that records interactions from a thread of its own; see there."""
        self._open()
        batcher = InteractionBatcher(
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

    def get_profile(
        self, identity: str, *, time: datetime | None = None, **options: Unpack[CallOptions]
    ) -> Profile:
        """The customer behind an identity. `NotFound` when there is none."""
        message = get_profile_request(identity, time)
        terms = self._defaults.terms(options)
        answer = self._call("GetProfile", self._profiles.GetProfile, message, terms)
        return read_profile(answer.profile)

    def update_profile(
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
        """Create or change the customer behind an identity; the profile as it is then.

        Sets ``attributes`` and ``consents``, and removes the attributes named in ``remove``.
        ``update_mask`` is the API's own, for those who need more. Idempotent: without a
        ``request_id`` the client makes one.
        """
        message = update_profile_request(
            identity, attributes or {}, consents, remove, update_mask, request_id
        )
        terms = self._defaults.terms(options)
        answer = self._call("UpdateProfile", self._profiles.UpdateProfile, message, terms)
        return read_profile(answer.profile)

    def link_identities(
        self,
        identities: Sequence[str],
        *,
        source: str = "",
        request_id: str = "",
        **options: Unpack[CallOptions],
    ) -> Linked:
        """Lead two or more identities to one customer, merging those behind them. Not undone.

        ``source`` tells who says so. Idempotent: a link that is there changes nothing.
        `FailedPrecondition` (``TOO_MANY_LINKS``) when the customer would have too many.
        """
        message = link_request(identities, source, request_id)
        terms = self._defaults.terms(options)
        answer = self._call("LinkIdentities", self._profiles.LinkIdentities, message, terms)
        return read_linked(answer)

    def get_catalog(self, **options: Unpack[CallOptions]) -> Catalog:
        """The catalog in force, without its actions, and the models at work."""
        message = catalog_service_pb2.GetCatalogRequest()
        terms = self._defaults.terms(options)
        return read_catalog(self._call("GetCatalog", self._catalogs.GetCatalog, message, terms))

    def list_actions(
        self, *, page_size: int = 0, **options: Unpack[CallOptions]
    ) -> Iterator[Action]:
        """All actions of the catalog in force, page by page, each page with its own timeout.

        `InvalidRequest` when another catalog came into force between two pages: start again.
        """
        message = catalog_service_pb2.ListActionsRequest(page_size=page_size)
        while True:
            terms = self._defaults.terms(options)
            answer = self._call("ListActions", self._catalogs.ListActions, message, terms)
            yield from map(read_action, answer.actions)
            if not answer.next_page_token:
                return
            message.page_token = answer.next_page_token

    def validate_catalog(
        self, files: Mapping[str, str], *, page_size: int = 0, **options: Unpack[CallOptions]
    ) -> list[Mistake]:
        """Every mistake in the files (text by name) of a catalog; empty when it is good.

        The server compiles it as at a start: give a large one a longer timeout. All pages, each
        with its own timeout.
        """
        message = catalog_service_pb2.ValidateCatalogRequest(files=files, page_size=page_size)
        call = self._catalogs.ValidateCatalog
        found: list[Mistake] = []
        while True:
            terms = self._defaults.terms(options)
            answer = self._call("ValidateCatalog", call, message, terms)
            found += map(read_mistake, answer.mistakes)
            if not answer.next_page_token:
                return found
            message.page_token = answer.next_page_token

    def health(self, service: str = "", **options: Unpack[CallOptions]) -> str:
        """``serving`` or ``not_serving``: the server, or one service (``nba.v1.ProfileService``)."""
        message = health_pb2.HealthCheckRequest(service=service)
        answer = self._call("Check", self._check, message, self._defaults.terms(options))
        return word_of(health_pb2.HealthCheckResponse.ServingStatus.Name, answer.status, "")

"""One channel for threads: calls, their deadlines, repeats and errors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2

from nba_engine._gen.nba.v1 import (
    catalog_service_pb2_grpc,
    decision_service_pb2_grpc,
    interaction_service_pb2_grpc,
    limit_service_pb2_grpc,
    profile_service_pb2_grpc,
)
from nba_engine.client.batching import InteractionBatcher
from nba_engine.client.channels import HEALTH_CHECK, channel_options
from nba_engine.client.errors import ClientClosed, NbaClientError, NotDelivered, Undelivered
from nba_engine.client.failures import error_of_call
from nba_engine.client.options import Defaults, Metadata, Terms
from nba_engine.client.outbox import note_loss
from nba_engine.client.retries import delay_before

__all__ = ["Connection"]

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Connection:
    """What `Client` is built on; its arguments are described there."""

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        credentials: grpc.ChannelCredentials | None = None,
        timeout: float = 2.0,
        wait_for_ready: bool = False,
        metadata: Metadata = (),
        keepalive: float = 60.0,
        options: Sequence[tuple[str, str | int]] = (),
        channel: grpc.Channel | None = None,
    ) -> None:
        self.target = target
        self._defaults = Defaults(
            timeout=timeout, wait_for_ready=wait_for_ready, metadata=tuple(metadata)
        )
        self._own: grpc.Channel | None = None
        if channel is None:
            chosen = channel_options(keepalive, options)
            channel = self._own = (
                grpc.insecure_channel(target, chosen)
                if credentials is None
                else grpc.secure_channel(target, credentials, chosen)
            )
        self._decisions = decision_service_pb2_grpc.DecisionServiceStub(channel)
        self._interactions = interaction_service_pb2_grpc.InteractionServiceStub(channel)
        self._profiles = profile_service_pb2_grpc.ProfileServiceStub(channel)
        self._catalogs = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        self._limits = limit_service_pb2_grpc.LimitServiceStub(channel)
        self._check: grpc.UnaryUnaryMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = channel.unary_unary(
            HEALTH_CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self._batchers: list[InteractionBatcher] = []
        self._closed = False

    def close(self) -> None:
        """Flush what batchers hold, then hang up. Raises `NotDelivered` for what stayed behind."""
        lost: list[Undelivered] = []
        try:
            for batcher in self._batchers:
                try:
                    batcher.close()
                except NotDelivered as error:
                    lost += error.undelivered
        finally:
            self._batchers = []
            self._closed = True
            if self._own is not None:
                self._own.close()
        if lost:
            raise NotDelivered(lost)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except NotDelivered as lost:
            if error is None:
                raise
            note_loss(lost, error)

    def _open(self) -> None:
        if self._closed:
            raise ClientClosed("the client was closed")

    def _call(
        self,
        method: str,
        call: grpc.UnaryUnaryMultiCallable[_Request, _Response],
        message: _Request,
        terms: Terms,
        *,
        repeat: bool = False,
    ) -> _Response:
        """One call, with repeats beyond those of the service config if ``repeat``."""
        attempt = 1
        while True:
            self._open()
            try:
                return call(
                    message,
                    timeout=terms.remaining,
                    wait_for_ready=terms.wait_for_ready,
                    metadata=terms.metadata,
                )
            except grpc.RpcError as error:
                failure = self._error(error, method, terms.timeout)
            attempt += 1
            delay = delay_before(attempt, failure, terms.remaining) if repeat else None
            if delay is None:
                raise failure
            time.sleep(delay)

    def _error(self, error: grpc.RpcError, method: str, timeout: float | None) -> NbaClientError:
        if self._closed:
            return ClientClosed("the client was closed during the call", method=method)
        return error_of_call(error, method=method, target=self.target, timeout=timeout)

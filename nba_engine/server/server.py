"""The gRPC server: start, stop gracefully, wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import grpc
from grpc_health.v1 import health
from structlog.typing import FilteringBoundLogger

from nba_engine.errors import FailedPrecondition
from nba_engine.server.decisions import DecisionServicer
from nba_engine.server.exporting import Exporting
from nba_engine.server.probes import Health, reflection_handler
from nba_engine.server.protocols import Decides
from nba_engine.server.publishing import CatalogReports
from nba_engine.server.recording import StreamedInteractions
from nba_engine.server.reports import Reporter
from nba_engine.server.services import SERVICES, method_handlers
from nba_engine.server.stream import in_turns
from nba_engine.server.streams import Streams
from nba_engine.server.workers import Workers
from nba_engine.settings import ServerSettings

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["Server"]

STREAM_DECIDE = "/nba.v1.DecisionService/StreamDecide"
STREAM_INTERACTIONS = "/nba.v1.InteractionService/StreamInteractions"
EXPORT_PROFILE = "/nba.v1.ProfileService/ExportProfile"


class Server:
    """A sync `grpc.server` around an engine. The engine stays the caller's to close."""

    def __init__(
        self,
        engine: Decides,
        settings: ServerSettings,
        logger: FilteringBoundLogger,
        *,
        reuse_port: bool = False,
    ) -> None:
        self._settings = settings
        self._logger = logger
        self._workers = Workers(settings.threads, "call")
        self._health = Health(SERVICES)
        self._server = grpc.server(
            cast("ThreadPoolExecutor", self._workers),  # gRPC submits to it, and that is all
            options=[
                ("grpc.so_reuseport", int(reuse_port)),
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", settings.max_message_bytes),
                # clients find dead connections by pings; gRPC's default hangs up on one a minute
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        reporter = Reporter(engine, logger)
        decisions = DecisionServicer(engine, settings, logger, reporter)
        handlers: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {
            name: dict(methods)
            for name, methods in method_handlers(decisions, engine, settings, reporter).items()
        }
        recording = StreamedInteractions(
            engine, reporter, max_message_bytes=settings.max_message_bytes
        )
        conversations = {
            STREAM_DECIDE: in_turns(decisions.StreamDecide),
            STREAM_INTERACTIONS: recording,
            EXPORT_PROFILE: Exporting(
                engine, reporter, max_message_bytes=settings.max_message_bytes
            ),
        }
        self._streams = Streams(conversations, settings, reporter)
        self._server.add_generic_rpc_handlers([self._streams])
        handlers.update([self._health.handler()])
        if settings.reflection:
            names = (*SERVICES, health.SERVICE_NAME)
            handlers.update([reflection_handler(names, self._health.pool)])
        for name, methods in handlers.items():
            self._server.add_registered_method_handlers(name, methods)
        self._engine = engine
        engine.catalogs.watch(CatalogReports(self._health, logger))
        self._port = 0

    def start(self) -> int:
        """Listen and answer; the port (0 for a unix socket). Raises `FailedPrecondition`."""
        listen = self._settings.listen
        try:
            self._port = self._server.add_insecure_port(listen)
        except RuntimeError as error:
            raise FailedPrecondition(
                f"cannot listen on {listen}: the address is in use or not of this machine"
            ) from error
        if listen.startswith("unix:"):
            self._port = 0
        self._streams.start()
        self._server.start()
        self._health.serving()
        self._logger.info(
            "serving",
            listen=self.address,
            threads=self._settings.threads,
            catalog_version=self._engine.catalog.version,
            catalog=self._engine.catalogs.why,
        )
        return self._port

    def source_is(self, name: str, healthy: bool) -> None:  # noqa: FBT001 - as watchers are told
        """Report the health of a source of interactions as that of ``source:<name>``."""
        self._health.source(name, healthy=healthy)

    def model_is(self, name: str, healthy: bool) -> None:  # noqa: FBT001 - as watchers are told
        """Report whether a promoted model was taken, as the health of ``model:<name>``."""
        self._health.model(name, healthy=healthy)

    @property
    def address(self) -> str:
        """Where the server listens, with the real port."""
        listen = self._settings.listen
        if listen.startswith("unix:"):
            return listen
        return f"{listen.rpartition(':')[0]}:{self._port}"

    def stop(self, grace: float | None = None) -> None:
        """Report NOT_SERVING, take no new calls, finish those in flight within ``grace`` seconds.

        Streams end when what they have in hand is answered. What needs longer is cancelled. Default:
        ``server.grace_seconds``.
        """
        seconds = self._settings.grace_seconds if grace is None else grace
        self._health.stopping()
        stopped = self._server.stop(seconds)
        self._streams.stop()
        stopped.wait()
        self._workers.shutdown()
        self._streams.shutdown()
        self._health.pool.shutdown(wait=False, cancel_futures=True)
        self._logger.info("stopped", listen=self.address)

    def wait(self) -> None:
        """Block until the server was stopped."""
        self._server.wait_for_termination()

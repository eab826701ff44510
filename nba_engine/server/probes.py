"""Health and reflection: beside the API, on a thread pool of their own.

Streams occupy a thread each in a sync server; on the pool of the API four watchers could starve
four threads. A probe that waits behind decisions would report a busy server as a dead one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from nba_engine.server.pools import Pooled

__all__ = ["Health", "reflection_handler"]

_THREADS = 2


class _Watching:
    """A watcher's call, whose end is handled on the pool.

    The servicer's callback takes the lock under which a change of status is sent; on gRPC's own
    thread, which has to do the sending, a watcher that leaves during a change would stop the
    server for good.
    """

    def __init__(self, context: grpc.ServicerContext, pool: ThreadPoolExecutor) -> None:
        self._context = context
        self._pool = pool

    def add_callback(self, callback: Callable[[], None]) -> bool:
        def on_pool() -> None:
            self._pool.submit(callback)

        return self._context.add_callback(on_pool)


class Health:
    """`grpc.health.v1.Health`, per service and overall."""

    def __init__(self, services: Sequence[str]) -> None:
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="health")
        self._servicer = health.HealthServicer(experimental_non_blocking=True)
        self._names = (health.OVERALL_HEALTH, *services)
        self._changing = threading.Lock()
        self._ready = False
        self._following = True
        self._reaching = True
        self._tell()

    def handler(self) -> tuple[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        """Service name and its methods."""
        check = Pooled(self._servicer.Check, self.pool)
        watch = Pooled(self._watch, self.pool, non_blocking=True)
        request = health_pb2.HealthCheckRequest.FromString
        response = health_pb2.HealthCheckResponse.SerializeToString
        return health.SERVICE_NAME, {
            "Check": grpc.unary_unary_rpc_method_handler(check, request, response),
            "Watch": grpc.unary_stream_rpc_method_handler(watch, request, response),
        }

    def serving(self) -> None:
        """Ready for calls."""
        with self._changing:
            self._ready = True
            self._tell()

    def following(self, *, following: bool) -> None:
        """Whether this process decides with the catalog in force; if not, it is not serving."""
        with self._changing:
            self._following = following
            self._tell()

    def source(self, name: str, *, healthy: bool) -> None:
        """Whether a source is read; a name of its own, which the others do not depend on."""
        words = health_pb2.HealthCheckResponse
        status = words.SERVING if healthy else words.NOT_SERVING
        self._servicer.set(f"source:{name}", status)

    def model(self, name: str, *, healthy: bool) -> None:
        """Whether the version of a model that was promoted last is the one that decides."""
        words = health_pb2.HealthCheckResponse
        status = words.SERVING if healthy else words.NOT_SERVING
        self._servicer.set(f"model:{name}", status)

    def reaching(self, *, reaching: bool) -> None:
        """Whether the store answers: without it nothing is decided, so this is not serving."""
        with self._changing:
            self._reaching = reaching
            self._tell()

    def stopping(self) -> None:
        """No longer ready, and never again."""
        self._servicer.enter_graceful_shutdown()

    def _watch(
        self, request: Any, context: grpc.ServicerContext, send: Callable[[Any], None]
    ) -> None:
        watching = cast("grpc.ServicerContext", _Watching(context, self.pool))  # as far as used
        self._servicer.Watch(request, watching, send)

    def _tell(self) -> None:
        serving = self._ready and self._following and self._reaching
        words = health_pb2.HealthCheckResponse
        status = words.SERVING if serving else words.NOT_SERVING
        for name in self._names:
            self._servicer.set(name, status)


def reflection_handler(
    services: Sequence[str], pool: ThreadPoolExecutor
) -> tuple[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
    """Service name and methods of server reflection."""
    servicer = reflection.ReflectionServicer((*services, reflection.SERVICE_NAME))
    behavior = Pooled(servicer.ServerReflectionInfo, pool)
    return reflection.SERVICE_NAME, {
        "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
            behavior,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
    }

"""Health and reflection: beside the API, on a thread pool of their own.

Streams occupy a thread each in a sync server; on the pool of the API four watchers could starve
four threads. A probe that waits behind decisions would report a busy server as a dead one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

__all__ = ["Health", "reflection_handler"]

_THREADS = 2


class _Pooled:
    """A behavior that gRPC runs on a pool of its own."""

    def __init__(
        self, behavior: Callable[..., Any], pool: ThreadPoolExecutor, *, non_blocking: bool = False
    ) -> None:
        self._behavior = behavior
        self.experimental_thread_pool = pool
        self.experimental_non_blocking = non_blocking

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._behavior(*arguments, **options)


class Health:
    """`grpc.health.v1.Health`, per service and overall."""

    def __init__(self, services: Sequence[str]) -> None:
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="health")
        self._servicer = health.HealthServicer(experimental_non_blocking=True)
        self._names = (health.OVERALL_HEALTH, *services)
        self._set(health_pb2.HealthCheckResponse.NOT_SERVING)

    def handler(self) -> tuple[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        """Service name and its methods."""
        check = _Pooled(self._servicer.Check, self.pool)
        watch = _Pooled(self._servicer.Watch, self.pool, non_blocking=True)
        request = health_pb2.HealthCheckRequest.FromString
        response = health_pb2.HealthCheckResponse.SerializeToString
        return health.SERVICE_NAME, {
            "Check": grpc.unary_unary_rpc_method_handler(check, request, response),
            "Watch": grpc.unary_stream_rpc_method_handler(watch, request, response),
        }

    def serving(self) -> None:
        """Ready for calls."""
        self._set(health_pb2.HealthCheckResponse.SERVING)

    def stopping(self) -> None:
        """No longer ready, and never again."""
        self._servicer.enter_graceful_shutdown()

    def _set(self, status: int) -> None:
        for name in self._names:
            self._servicer.set(name, status)


def reflection_handler(
    services: Sequence[str], pool: ThreadPoolExecutor
) -> tuple[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
    """Service name and methods of server reflection."""
    servicer = reflection.ReflectionServicer((*services, reflection.SERVICE_NAME))
    behavior = _Pooled(servicer.ServerReflectionInfo, pool)
    return reflection.SERVICE_NAME, {
        "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
            behavior,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
    }

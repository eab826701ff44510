from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.server.small import Served, serving

SERVICES = {"DecisionService", "InteractionService", "ProfileService", "CatalogService"}


def status(served: Served, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(served.channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(service=service)).status
    return status


def reflect(served: Served, **request: str) -> Any:
    messages: Any = reflection_pb2  # its stubs are for another version
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    return next(stub.ServerReflectionInfo(iter([messages.ServerReflectionRequest(**request)])))


def test_health_is_told_overall_and_per_service() -> None:
    with serving() as served:
        for service in ("", *(f"nba.v1.{name}" for name in SERVICES)):
            assert status(served, service) == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
            status(served, "nba.v1.NoSuchService")


def test_a_source_has_a_health_of_its_own() -> None:
    words = health_pb2.HealthCheckResponse
    with serving() as served:
        served.server.source_is("shop", True)
        assert status(served, "source:shop") == words.SERVING
        served.server.source_is("shop", False)
        assert status(served, "source:shop") == words.NOT_SERVING
        assert status(served, "") == words.SERVING


def test_more_watchers_than_threads_starve_nobody() -> None:
    with serving(threads=1) as served:
        stub: Any = health_pb2_grpc.HealthStub(served.channel)
        watchers = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(10)]
        for watcher in watchers:
            assert next(watcher).status == health_pb2.HealthCheckResponse.SERVING
        assert status(served, "") == health_pb2.HealthCheckResponse.SERVING
        for watcher in watchers:
            watcher.cancel()


def test_reflection_is_off_unless_the_settings_ask_for_it() -> None:
    with serving() as served, pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        reflect(served, list_services="")


def test_reflection_lists_the_services_and_their_files() -> None:
    with serving(reflection=True) as served:
        listed = {
            one.name for one in reflect(served, list_services="").list_services_response.service
        }
        assert listed >= {f"nba.v1.{name}" for name in SERVICES} | {"grpc.health.v1.Health"}
        answer = reflect(served, file_containing_symbol="nba.v1.DecisionService")
        files = [
            FileDescriptorProto.FromString(body)
            for body in answer.file_descriptor_response.file_descriptor_proto
        ]
        assert "nba/v1/decision_service.proto" in {file.name for file in files}

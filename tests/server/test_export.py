"""ExportProfile over a real server: every entry, and the ends it may come to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import grpc
import pytest

from nba_engine._gen.nba.v1.profile_service_pb2 import ExportProfileRequest
from nba_engine._gen.nba.v1.profile_service_pb2_grpc import ProfileServiceStub
from nba_engine.engine import Exported
from nba_engine.engine.profiles import unknown_customer
from nba_engine.errors import Unavailable
from tests.server.small import SmallEngine, serving

ASKED = ExportProfileRequest(identity="crm:1")


class Exporting(SmallEngine):
    """Exports numbered entries: so many, of so many characters."""

    def __init__(self, count: int, *, size: int = 10, breaks: bool = False) -> None:
        super().__init__()
        self.count, self.size, self.breaks = count, size, breaks
        self.read = 0
        self.ended = threading.Event()

    def export(self, identity: str) -> Iterator[Exported]:
        if identity != ASKED.identity:
            raise unknown_customer(identity)
        return self._entries()

    def _entries(self) -> Iterator[Exported]:
        try:
            for number in range(self.count):
                self.read = number + 1
                yield Exported(kind="note", content={"number": number, "text": "x" * self.size})
            if self.breaks:
                raise Unavailable("the disk is away")
        finally:
            self.ended.set()


def failure(stub: ProfileServiceStub, request: ExportProfileRequest) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.ExportProfile(request, timeout=20))
    return caught.value


def test_every_entry_comes_in_order_as_a_line_of_json() -> None:
    with serving(Exporting(300)) as served:
        stub = ProfileServiceStub(served.channel)
        entries = list(stub.ExportProfile(ASKED, timeout=20))
    assert {entry.kind for entry in entries} == {"note"}
    assert [json.loads(entry.json)["number"] for entry in entries] == list(range(300))
    assert json.loads(entries[0].json)["kind"] == "note"


def test_nobody_and_a_malformed_identity_are_told_of() -> None:
    with serving(Exporting(1)) as served:
        stub = ProfileServiceStub(served.channel)
        unknown = failure(stub, ExportProfileRequest(identity="crm:nobody"))
        assert unknown.code() is grpc.StatusCode.NOT_FOUND
        malformed = failure(stub, ExportProfileRequest(identity="no namespace"))
        assert malformed.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_error_in_the_middle_ends_it() -> None:
    with serving(Exporting(2, breaks=True)) as served:
        stub = ProfileServiceStub(served.channel)
        call = stub.ExportProfile(ASKED, timeout=20)
        assert [next(call).kind, next(call).kind] == ["note", "note"]
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_an_entry_longer_than_a_message_is_told_of() -> None:
    with serving(Exporting(1, size=5_000), max_message_bytes=4_096) as served:
        error = failure(ProfileServiceStub(served.channel), ASKED)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "nba export" in str(error.details())


def test_who_hangs_up_is_not_read_for_any_longer() -> None:
    engine = Exporting(1_000_000)
    with serving(engine) as served:
        call = ProfileServiceStub(served.channel).ExportProfile(ASKED, timeout=20)
        next(call)
        call.cancel()
        assert engine.ended.wait(20)
    assert engine.read < 1_000_000


def test_who_does_not_read_is_not_read_for_and_is_ended() -> None:
    engine = Exporting(1_000_000, size=10_000)
    with serving(engine, stream_idle_seconds=0.2) as served:
        call = ProfileServiceStub(served.channel).ExportProfile(ASKED, timeout=20)
        next(call)
        assert engine.ended.wait(20)
        with pytest.raises(grpc.RpcError):
            list(call)
    assert engine.read < 1_000_000


def test_exports_count_as_open_streams() -> None:
    with serving(Exporting(1), max_streams=0) as served:
        error = failure(ProfileServiceStub(served.channel), ASKED)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

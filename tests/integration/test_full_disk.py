"""Two processes whose disk is full, or takes no writes, for a while: what each call then answers.

NBA_SMALL_DISK names a folder on a file system of some 30 MB that is to be filled in truth.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import grpc
import pytest

from faults.failing_disk import FailingDisk, RealDisk, State, environment
from faults.servers import Servers
from faults.world import write_world
from nba_engine._gen.nba.v1 import (
    catalog_service_pb2,
    decision_service_pb2,
    interaction_pb2,
    interaction_service_pb2,
    limit_service_pb2,
    profile_service_pb2,
)
from nba_engine._gen.nba.v1.catalog_service_pb2_grpc import CatalogServiceStub
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.interaction_service_pb2_grpc import InteractionServiceStub
from nba_engine._gen.nba.v1.limit_service_pb2_grpc import LimitServiceStub
from nba_engine._gen.nba.v1.profile_service_pb2_grpc import ProfileServiceStub
from nba_engine.store import open_log, open_store

pytestmark = pytest.mark.timeout(120)

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
STATES: tuple[State, ...] = ("full", "read-only")
CONNECTIONS = 6  # the kernel spreads them over the two processes

# one call on a connection; of one message among many: the code it ended with
Call: TypeAlias = Callable[[grpc.Channel], Any]


def test_writes_are_exhausted_decisions_go_on_and_all_heals(tmp_path: Path) -> None:
    disk, folder, environ = chosen_disk(tmp_path)
    with served(folder, environ) as (servers, channels):
        text = (folder / "catalog" / "catalog.toml").read_text("utf-8")
        publishing = {"PublishCatalog": publish(text), "RollbackCatalog": roll_back}
        assert told(channels[0], WRITES | publishing) == dict.fromkeys(WRITES | publishing)
        for state in STATES if isinstance(disk, FailingDisk) else STATES[:1]:
            disk.become(state)
            if state == "full":
                servers.kill_one(random.Random(1))  # returns when it is ready again
            refused = dict.fromkeys(publishing, EXHAUSTED)
            assert told(channels[0], publishing) == refused
            for channel in channels:
                assert told(channel, WRITES) == dict.fromkeys(WRITES, EXHAUSTED), state
                assert told(channel, READS) == dict.fromkeys(READS), state
                decision = decide()(channel).decision
                assert [one.action for one in decision.recommendations] == ["plain"]
                assert "slate" in decision.degraded_stages
                explain(channel, decision.decision_id)
                # without the decision that waits to be written it would not be all there is
                assert told(channel, EXPORT) == dict.fromkeys(EXPORT, EXHAUSTED)
            disk.become("")
            assert told(channels[0], publishing) == dict.fromkeys(publishing)
            for channel in channels:
                assert told(channel, EVERYTHING) == dict.fromkeys(EVERYTHING)
                decision = decide()(channel).decision
                assert [one.action for one in decision.recommendations] == ["wanted"]
                assert not decision.degraded_stages
    with closing(open_store(folder / "data" / "nba.db")) as store:
        assert store.usage_report() == store.recount()
    with closing(open_log(folder / "data" / "decisions.db")) as log:
        logged = log.recent(1_000)
    without_room = [one for one in logged if one.degraded]
    assert len(without_room) >= 2 * CONNECTIONS  # they waited in memory until there was room


def chosen_disk(folder: Path) -> tuple[FailingDisk | RealDisk, Path, dict[str, str]]:
    """The disk, a folder on it, and what makes it the servers' disk."""
    small = os.environ.get("NBA_SMALL_DISK")
    if small:
        made = Path(tempfile.mkdtemp(dir=small))
        return RealDisk(made), made, {}
    disk = FailingDisk(folder / "state")
    disk.unregister()  # it is not that of this process
    return disk, folder, environment(folder, disk.told)


@contextmanager
def served(
    folder: Path, environ: Mapping[str, str]
) -> Iterator[tuple[Servers, list[grpc.Channel]]]:
    """The world of the fault suite; "plain" draws on no limit."""
    world = write_world(folder, processes=2, reservations=100_000, customers=100, ttl=3600)
    catalog = folder / "catalog" / "catalog.toml"
    text = catalog.read_text("utf-8")
    catalog.write_text(f'{text}applies_to = {{ actions = ["wanted"] }}\n', "utf-8")
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    options += [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 500)]
    with Servers(world, environ) as servers, ExitStack() as stack:
        yield (
            servers,
            [
                stack.enter_context(grpc.insecure_channel(servers.address, options))
                for _ in range(CONNECTIONS)
            ],
        )


def told(channel: grpc.Channel, calls: Mapping[str, Call]) -> dict[str, grpc.StatusCode | None]:
    """How each call ended; None: well."""
    found: dict[str, grpc.StatusCode | None] = {}
    for name, call in calls.items():
        found[name] = None
        try:
            answer = call(channel)
        except grpc.RpcError as error:
            found[name] = error.code()
        else:
            if isinstance(answer, int) and answer:
                found[name] = next(code for code in grpc.StatusCode if code.value[0] == answer)
    return found


def asked(request_id: str = "") -> decision_service_pb2.DecideRequest:
    return decision_service_pb2.DecideRequest(
        identity="crm:1",
        placements=[decision_service_pb2.PlacementRequest(placement="banner", slots=1)],
        request_id=request_id,
    )


def decide(*, named: bool = False) -> Call:
    return lambda channel: DecisionServiceStub(channel).Decide(
        asked(str(uuid4()) if named else ""), timeout=20.0, wait_for_ready=True
    )


def batch(channel: grpc.Channel) -> int:
    request = decision_service_pb2.BatchDecideRequest(requests=[asked(str(uuid4()))])
    (one,) = (
        DecisionServiceStub(channel).BatchDecide(request, timeout=20.0, wait_for_ready=True).results
    )
    return int(one.status.code)


def stream(channel: grpc.Channel) -> int:
    request = decision_service_pb2.StreamDecideRequest(request=asked(str(uuid4())))
    (one,) = DecisionServiceStub(channel).StreamDecide(
        iter([request]), timeout=20.0, wait_for_ready=True
    )
    return int(one.status.code)


def explain(channel: grpc.Channel, decision_id: str) -> None:
    DecisionServiceStub(channel).ExplainDecision(
        decision_service_pb2.ExplainDecisionRequest(decision_id=decision_id),
        timeout=20.0,
        wait_for_ready=True,
    )


def happened() -> interaction_pb2.Interaction:
    one = interaction_pb2.Interaction(interaction_id=str(uuid4()), identity="crm:1", type="view")
    one.interaction_time.GetCurrentTime()
    return one


def record(channel: grpc.Channel) -> Any:
    request = interaction_service_pb2.RecordInteractionsRequest(interactions=[happened()])
    return InteractionServiceStub(channel).RecordInteractions(
        request, timeout=20.0, wait_for_ready=True
    )


def stream_interactions(channel: grpc.Channel) -> int:
    request = interaction_service_pb2.StreamInteractionsRequest(interactions=[happened()])
    (one,) = InteractionServiceStub(channel).StreamInteractions(
        iter([request]), timeout=20.0, wait_for_ready=True
    )
    return int(one.status.code)


def update(channel: grpc.Channel) -> Any:
    request = profile_service_pb2.UpdateProfileRequest(
        identity=f"crm:{uuid4()}", request_id=str(uuid4())
    )
    return ProfileServiceStub(channel).UpdateProfile(request, timeout=20.0, wait_for_ready=True)


def link(channel: grpc.Channel) -> Any:
    names = [f"crm:{uuid4()}", f"cookie:{uuid4()}"]
    request = profile_service_pb2.LinkIdentitiesRequest(identities=names)
    return ProfileServiceStub(channel).LinkIdentities(request, timeout=20.0, wait_for_ready=True)


def erase(channel: grpc.Channel) -> Any:
    request = profile_service_pb2.EraseProfileRequest(
        identity=f"crm:{uuid4()}", request_id=str(uuid4())
    )
    return ProfileServiceStub(channel).EraseProfile(request, timeout=20.0, wait_for_ready=True)


def publish(text: str) -> Call:
    """What is in force, as a version of its own."""
    return lambda channel: CatalogServiceStub(channel).PublishCatalog(
        catalog_service_pb2.PublishCatalogRequest(files={"catalog.toml": f"{text}\n# {uuid4()}\n"}),
        timeout=20.0,
        wait_for_ready=True,
    )


def roll_back(channel: grpc.Channel) -> Any:
    request = catalog_service_pb2.RollbackCatalogRequest()
    return CatalogServiceStub(channel).RollbackCatalog(request, timeout=20.0, wait_for_ready=True)


def profile(channel: grpc.Channel) -> Any:
    request = profile_service_pb2.GetProfileRequest(identity="crm:1")
    return ProfileServiceStub(channel).GetProfile(request, timeout=20.0, wait_for_ready=True)


def export(channel: grpc.Channel) -> Any:
    request = profile_service_pb2.ExportProfileRequest(identity="crm:1")
    return list(
        ProfileServiceStub(channel).ExportProfile(request, timeout=20.0, wait_for_ready=True)
    )


def usage(channel: grpc.Channel) -> Any:
    request = limit_service_pb2.GetLimitUsageRequest(limit_id="hot")
    return LimitServiceStub(channel).GetLimitUsage(request, timeout=20.0, wait_for_ready=True)


def versions(channel: grpc.Channel) -> Any:
    request = catalog_service_pb2.ListCatalogVersionsRequest()
    return CatalogServiceStub(channel).ListCatalogVersions(
        request, timeout=20.0, wait_for_ready=True
    )


WRITES: dict[str, Call] = {
    "Decide with a request id": decide(named=True),
    "BatchDecide with request ids": batch,
    "StreamDecide with request ids": stream,
    "RecordInteractions": record,
    "StreamInteractions": stream_interactions,
    "UpdateProfile": update,
    "LinkIdentities": link,
    "EraseProfile": erase,
}
READS: dict[str, Call] = {
    "Decide": decide(),
    "GetProfile": profile,
    "GetLimitUsage": usage,
    "ListCatalogVersions": versions,
}
EXPORT: dict[str, Call] = {"ExportProfile": export}
EVERYTHING = WRITES | READS | EXPORT

"""Opens batches on a Ray cluster: its own on this machine, or one that is there."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from nba_engine.batch import Driven, Events, Worker
from nba_engine.domain import Progress
from nba_engine.errors import Mistake, MistakesFound, Unavailable

__all__ = ["RayEngine", "RaySettings"]

P = TypeVar("P")
S = TypeVar("S")

# what workers send and fetch is small: their partitions are not in Ray's object store
_OBJECT_STORE_BYTES = 100_000_000
# a node of Ray gives its own agents 15 seconds to come up, and ends when they do not: on a machine
# that is busy it needs another try (ray-project/ray#65983)
_TRIES = 4
_REACHED = 5.0  # seconds


class RaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[batch] settings`` for the engine `ray`."""

    address: str = ""
    """the cluster, as `"10.0.0.5:6379"` or `"auto"`; `""`: one of its own, on this machine alone"""
    workers: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """how many actors; 0: one per CPU of the cluster"""
    partition_seconds: Annotated[float, Meta(gt=0)] = 900.0
    """how long it may take to build a partition, or to compute on one"""


class RayEngine:
    """Actors of a Ray cluster, made anew for each batch. Connects when it is first needed."""

    def __init__(self, settings: RaySettings) -> None:
        if importlib.util.find_spec("ray") is None:
            mistake = Mistake(
                file="nba.toml",
                place="batch.engine",
                message="the batch engine 'ray' needs Ray, which is not installed",
                remedy='pip install "nba-ray[ray]", or engine = "local"',
            )
            raise MistakesFound([mistake])
        self._settings = settings

    @property
    def workers(self) -> int:
        """How many actors a batch with enough partitions has."""
        if self._settings.workers:
            return self._settings.workers
        if not self._settings.address:
            return len(os.sched_getaffinity(0))
        return max(1, int(self._connected().cluster_resources().get("CPU", 1)))

    def open(
        self,
        partitions: Sequence[P],
        build: Callable[[P], S],
        *,
        releases_gil: bool = False,  # noqa: ARG002 - actors are processes
        progress: Progress | None = None,
    ) -> Driven[S]:
        """Make actors and build; see `nba_engine.domain.BatchEngine`."""
        from nba_ray.actors import ActorWorker  # brings Ray: only here

        events = Events()
        workers: list[Worker] = []
        if partitions:
            self._connected()
            count = min(self.workers, len(partitions))
            cpus = 1 if self._settings.address else 0
            workers = [ActorWorker(build, events, cpus=cpus) for _ in range(count)]
        batch: Driven[S] = Driven(
            workers, events, partitions, patience=self._settings.partition_seconds
        )
        try:
            batch.build(progress)
        except BaseException:
            batch.close()
            raise
        return batch

    def _connected(self) -> Any:
        """Ray, connected; to a cluster of its own when no address is given."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if not self._settings.address:
            # a node whose address is 127.0.0.1 listens there alone; on Linux Ray would look for
            # another address, for nodes to come, unless it is told that there will be none
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        import ray

        if ray.is_initialized():
            return ray
        own: dict[str, Any] = {}
        if not self._settings.address:
            own = {
                "num_cpus": self.workers,
                "include_dashboard": False,
                "object_store_memory": _OBJECT_STORE_BYTES,
                "_node_ip_address": "127.0.0.1",
            }
        _check_there(self._settings.address)
        where = self._settings.address or "a Ray of its own"
        for left in reversed(range(_TRIES if own else 1)):
            try:
                ray.init(
                    address=self._settings.address or "local",
                    log_to_driver=False,
                    logging_level="ERROR",
                    **own,
                )
            except Exception as error:  # Ray raises plain ones, too
                ray.shutdown()
                if not left:
                    message = f"{where} could not be reached: {_first(error)}"
                    raise Unavailable(message) from error
            else:
                break
        return ray


def _check_there(address: str) -> None:
    """Raise `Unavailable` when nobody listens there: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal():  # a Ray of its own, or "auto"
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHED).close()
    except OSError as error:
        raise Unavailable(f"{address} could not be reached: {_first(error)}") from error


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

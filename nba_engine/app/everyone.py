"""Everybody's next best action: what a worker does with a partition of the customers.

A partition is a file of customer ids, so that it is the same one however often it is built, and
whoever comes or goes meanwhile. What comes out is a Parquet file, with its sums beside it: where
both are there, the partition is done.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from nba_engine.app.logged import open_logged
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.engine import Standing, Supposed, Supposing
from nba_engine.errors import FailedPrecondition

__all__ = ["Everyone", "PartSums", "Share", "build_share", "decide_share", "schema", "seed_of"]

_ANYBODY = "customer:id"  # the identity of a request whose customer is known by its id


class Everyone(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided, and when: the same for all customers."""

    settings: str  # path of nba.toml
    placements: tuple[PlacementRequest, ...]
    context: dict[str, Any]
    now: float
    seed: int
    catalog: str  # the version that decides
    models: dict[str, str]
    standing: Standing


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A partition: the customers whose ids are in ``<folder>/ids-<number>.json``."""

    everyone: Everyone
    folder: str
    number: int
    by_identity: bool = False

    def __str__(self) -> str:
        return f"customers of {self.path('ids', 'json')}"

    def path(self, what: str, ending: str) -> Path:
        """A file of this partition."""
        return Path(self.folder, f"{what}-{self.number:06}.{ending}")


class PartSums(msgspec.Struct, kw_only=True):
    """What came out of a partition, added up. Money in the catalog's currency.

    ``treatments``: id → how often, sum of scores, sum of costs. ``accounts``: what would be held of
    accounts that customers share → limit, units, ceiling.
    """

    customers: int = 0
    gone: int = 0  # merged or erased since the ids were written down
    unknown: int = 0  # identities that lead to nobody: decided on priors
    nothing: int = 0  # customers for whom nothing is best
    degraded: dict[str, int] = {}
    treatments: dict[str, tuple[int, float, float]] = {}
    accounts: dict[str, tuple[str, int, int]] = {}

    def add(self, other: PartSums) -> None:
        """Add the sums of the next partition."""
        self.customers += other.customers
        self.gone += other.gone
        self.unknown += other.unknown
        self.nothing += other.nothing
        for word, count in other.degraded.items():
            self.degraded[word] = self.degraded.get(word, 0) + count
        for name, (count, score, cost) in other.treatments.items():
            before = self.treatments.get(name, (0, 0.0, 0.0))
            self.treatments[name] = (before[0] + count, before[1] + score, before[2] + cost)
        for account, (limit, units, ceiling) in other.accounts.items():
            held = self.accounts.get(account, (limit, 0, ceiling))[1]
            self.accounts[account] = (limit, held + units, ceiling)


def seed_of(seed: int, name: str) -> int:
    """The seed of one customer's decision: its own, and the same in every run."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def build_share(share: Share) -> Share:
    """A partition needs no building: what decides is opened once per worker, when it is needed."""
    return share


def decide_share(share: Share, _state: None) -> PartSums:
    """Decide for a partition and write it down, unless it is done; its sums."""
    done = share.path("sums", "json")
    if done.exists():
        return msgspec.json.decode(done.read_bytes(), type=PartSums)
    import pyarrow as pa
    import pyarrow.parquet as pq

    supposing = _supposing(share.everyone)
    names = msgspec.json.decode(share.path("ids", "json").read_bytes(), type=list[str])
    shared = {
        limit.id for limit in supposing.snapshot.catalog.limits if "customer" not in limit.scope
    }
    sums = PartSums()
    rows: list[dict[str, Any]] = []
    for name in names:
        supposed = _decided(supposing, share, name)
        if supposed is None:
            sums.gone += 1
            continue
        _count(sums, supposed, shared)
        rows += _rows(supposed, name if share.by_identity else "")
    table = pa.Table.from_pylist(rows, schema=schema())
    part = share.path("part", "parquet")
    draft = part.with_suffix(f".{os.getpid()}")
    pq.write_table(table, draft)
    draft.replace(part)
    draft = done.with_suffix(f".{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(sums))
    draft.replace(done)
    return sums


def _decided(supposing: Supposing, share: Share, name: str) -> Supposed | None:
    everyone = share.everyone
    customer = None if share.by_identity else supposing.customer(name)
    if customer is None and not share.by_identity:
        return None
    request = DecisionRequest(
        identity=name if share.by_identity else _ANYBODY,
        placements=everyone.placements,
        context=everyone.context,
    )
    return supposing.decide(request, seed=seed_of(everyone.seed, name), customer=customer)


def _count(sums: PartSums, supposed: Supposed, shared: set[str]) -> None:
    decision = supposed.decision
    sums.customers += 1
    sums.unknown += not decision.known
    worth = [one for one in decision.recommendations if one.score > 0.0]
    sums.nothing += not worth
    for word in decision.degraded:
        sums.degraded[word] = sums.degraded.get(word, 0) + 1
    for one in worth:
        count, score, cost = sums.treatments.get(one.treatment, (0, 0.0, 0.0))
        sums.treatments[one.treatment] = (count + 1, score + one.score, cost + one.cost)
    for hold in supposed.holds:
        if hold.limit in shared:
            held = sums.accounts.get(hold.account, (hold.limit, 0, hold.ceiling))[1]
            sums.accounts[hold.account] = (hold.limit, held + hold.amount, hold.ceiling)


def _rows(supposed: Supposed, identity: str) -> Iterator[dict[str, Any]]:
    decision = supposed.decision
    for one in decision.recommendations:
        yield {
            "customer_id": decision.customer_id,
            "identity": identity,
            "placement": one.placement,
            "position": one.position,
            "action": one.action,
            "treatment": one.treatment,
            "channel": one.channel,
            "score": one.score,
            "propensity": one.propensity,
            "value": one.value,
            "cost": one.cost,
            "selection_probability": one.selection_probability,
            "reason_codes": list(one.reason_codes),
        }


def schema() -> Any:
    """The columns of the Parquet file."""
    import pyarrow as pa

    texts = ("customer_id", "identity", "placement")
    more = ("action", "treatment", "channel")
    numbers = ("score", "propensity", "value", "cost", "selection_probability")
    return pa.schema(
        [
            *((name, pa.string()) for name in texts),
            ("position", pa.int32()),
            *((name, pa.string()) for name in more),
            *((name, pa.float64()) for name in numbers),
            ("reason_codes", pa.list_(pa.string())),
        ]
    )


_opened: dict[bytes, Supposing] = {}  # of this process, by what is decided


def _supposing(everyone: Everyone) -> Supposing:
    """What decides, opened at the first partition of a worker; it stays open until that ends.

    Raises `FailedPrecondition` when another catalog or model is in force by now.
    """
    key = msgspec.json.encode(everyone)
    found = _opened.get(key)
    if found is None:
        logged = open_logged(everyone.settings, with_log=False)
        found = Supposing(
            logged.snapshot, logged.store, now=everyone.now, standing=everyone.standing
        )
        _check_same(everyone, found)
        _opened[key] = found
    return found


def _check_same(everyone: Everyone, supposing: Supposing) -> None:
    """Raises `FailedPrecondition` when what decides is not what the run began with."""
    snapshot = supposing.snapshot
    here = (snapshot.catalog.version, dict(snapshot.model_versions))
    if here != (everyone.catalog, everyone.models):
        raise FailedPrecondition(
            "the catalog or a model has changed since this run began; --fresh begins a new one"
        )

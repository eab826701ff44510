"""What could be planned for whom: what a worker asks for a partition of the customers.

A partition is a file of customers, so that it is the same one however often it is built. What comes out
is a file beside it, with its sums: where both are there, the partition is done. Planning reads these
files, several to a partition, and holds what is in them once, in its workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from nba_engine.app.everyone import seed_of
from nba_engine.app.logged import open_logged
from nba_engine.domain import NO_EVIDENCE, ContactPlanTerms, Evidence
from nba_engine.engine import Standing
from nba_engine.engine.contact_plans import UNLIMITED, Offering, Offers
from nba_engine.errors import FailedPrecondition
from nba_engine.planning import Rows

__all__ = [
    "Asked",
    "OffersSource",
    "Share",
    "ShareSums",
    "Who",
    "ask_share",
    "build_share",
    "read_customers",
    "stored_names",
    "stored_rows",
]

_NO_END = np.iinfo(np.int64).max  # a budget without end, as plans have it


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and as of when: the same for all customers."""

    settings: str  # path of nba.toml
    now: float
    seed: int
    catalog: str  # the version that answers
    models: dict[str, str]
    standing: Standing
    terms: ContactPlanTerms
    treatments: tuple[int, ...]  # those that can be planned; contacts are positions among them
    pushed: tuple[str, ...] = ()  # limits with a minimum: what counts there may be at a loss


class Who(msgspec.Struct, frozen=True):
    """The customers of a partition: ids, and an identity of each."""

    customer_ids: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A partition: the customers in ``<folder>/who-<number>.json``."""

    asked: Asked
    folder: str
    number: int

    def __str__(self) -> str:
        return f"customers of {self.path('who', 'json')}"

    def path(self, what: str, ending: str) -> Path:
        """A file of this partition."""
        return _path(self.folder, what, self.number, ending)


class ShareSums(msgspec.Struct, kw_only=True):
    """Of a partition: customers, those without an offer, those gone since the run began."""

    customers: int = 0
    without: int = 0
    gone: int = 0
    offers: int = 0

    def add(self, other: ShareSums) -> None:
        """Add the sums of another one."""
        self.customers += other.customers
        self.without += other.without
        self.gone += other.gone
        self.offers += other.offers


class OffersSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where partitions of a plan find their customers: ``size`` in each file but the last."""

    folder: str
    size: int
    contacts: int


def build_share(share: Share) -> Share:
    """A partition needs no building: what answers is opened once per worker, when it is needed."""
    return share


def ask_share(share: Share, _state: None) -> ShareSums:
    """Ask for a partition and write it down, unless it is done; its sums."""
    done = share.path("sums", "json")
    if done.exists():
        return msgspec.json.decode(done.read_bytes(), type=ShareSums)
    offering = _offering(share.asked)
    who = msgspec.json.decode(share.path("who", "json").read_bytes(), type=Who)
    found = [
        offering.offers(customer_id, seed=seed_of(share.asked.seed, customer_id))
        for customer_id in who.customer_ids
    ]
    draft = share.path("offers", f"{os.getpid()}.npz")
    np.savez(draft, **_columns(found, share.asked.treatments))
    draft.replace(share.path("offers", "npz"))
    there = [one for one in found if one is not None]
    sums = ShareSums(
        customers=len(there),
        without=sum(not len(one.treatment) for one in there),
        gone=len(found) - len(there),
        offers=sum(len(one.treatment) for one in there),
    )
    draft = done.with_suffix(f".{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(sums))
    draft.replace(done)
    return sums


def stored_rows(source: OffersSource, first: int, last: int) -> Rows:
    """The customers from ``first`` to before ``last``, as planning has them."""
    values = np.full((last - first, source.contacts, 1), np.nan, dtype=np.float32)
    budget = np.zeros(last - first, dtype=np.int64)
    for number in range(first // source.size, -(-last // source.size)):
        with np.load(_path(source.folder, "offers", number, "npz")) as columns:
            begin = number * source.size - first
            count = len(columns["budget"])
            budget[begin : begin + count] = columns["budget"]
            row = begin + np.repeat(np.arange(count), columns["offers"])
            values[row, columns["contact"], 0] = columns["value"]
    return Rows(values=values, budget=budget)


def stored_names(source: OffersSource, first: int, last: int) -> list[str]:
    """What these customers are called: an identity of each."""
    names: list[str] = []
    for number in range(first // source.size, -(-last // source.size)):
        path = _path(source.folder, "who", number, "json")
        names += msgspec.json.decode(path.read_bytes(), type=Who).identities
    return names


def read_customers(share: Share) -> Iterator[tuple[str, str, int, int]]:
    """Who of a partition could be planned for: id, identity, and newest and merges of the history."""
    who = msgspec.json.decode(share.path("who", "json").read_bytes(), type=Who)
    with np.load(share.path("offers", "npz")) as columns:
        offers, *history = (columns[name].tolist() for name in ("offers", "newest", "merges"))
    for count, *one in zip(offers, who.customer_ids, who.identities, *history, strict=True):
        if count:
            customer_id, identity, newest, merges = one
            yield customer_id, identity, newest, merges


def _columns(found: Sequence[Offers | None], treatments: tuple[int, ...]) -> dict[str, Any]:
    """Offers one after the other, and per customer how many they are; those gone have none."""
    there = [one for one in found if one is not None]
    nothing = np.zeros(0)
    treatment = np.concatenate([nothing.astype(np.intp), *(one.treatment for one in there)])
    budget = [0 if one is None else one.budget for one in found]
    return {
        "offers": np.array([0 if one is None else len(one.treatment) for one in found], np.int64),
        "contact": np.searchsorted(np.array(treatments), treatment).astype(np.int32),
        "value": np.concatenate([nothing, *(one.value for one in there)]).astype(np.float32),
        "budget": np.array([_NO_END if one >= UNLIMITED else one for one in budget], np.int64),
        "newest": np.array([0 if one is None else one.newest for one in found], np.int64),
        "merges": np.array([0 if one is None else one.merges for one in found], np.int64),
    }


def _path(folder: str, what: str, number: int, ending: str) -> Path:
    return Path(folder, f"{what}-{number:06}.{ending}")


_opened: dict[bytes, Offering] = {}  # of this process, by what is asked


def _offering(asked: Asked) -> Offering:
    """What answers, opened at the first partition of a worker; it stays open until that ends.

    Raises `FailedPrecondition` when another catalog or model is in force by now.
    """
    key = msgspec.json.encode(asked)
    found = _opened.get(key)
    if found is None:
        logged = open_logged(asked.settings, with_log=False)
        snapshot = logged.snapshot
        if (snapshot.catalog.version, dict(snapshot.model_versions)) != (
            asked.catalog,
            asked.models,
        ):
            raise FailedPrecondition(
                "the catalog or a model has changed since this run began; --fresh begins a new one"
            )
        evidence = asked.standing.evidence
        found = _opened[key] = Offering(
            snapshot,
            logged.store,
            now=asked.now,
            evidence=Evidence(evidence) if evidence else NO_EVIDENCE,
            pushed=asked.pushed,
        )
    return found

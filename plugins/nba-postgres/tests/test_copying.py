"""`nba store copy`: an embedded store goes on in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nba_engine.cli.store import store_group
from nba_engine.domain import (
    CatalogFiles,
    Claim,
    Consent,
    Hold,
    LinkRequest,
    ProfileUpdate,
    Publication,
    ReservationRequest,
    Store,
)
from nba_engine.errors import FailedPrecondition
from nba_engine.store import open_store as open_file
from nba_engine.testing.customers_suite import FOLD, NOW, happened
from nba_postgres.store import open_store

pytestmark = pytest.mark.xdist_group("postgres")


def copied(path: Path, url: str) -> Result:
    return CliRunner().invoke(store_group, ["copy", f"sqlite:{path}", url])


def wanted(name: str, customer: str, *, rolls: float = 0.0) -> ReservationRequest:
    own = Hold(account=f"cap|customer={customer}|life", limit="cap", amount=1, ceiling=9)
    shared = Hold(account=f"all{rolls}", limit="all", amount=2, ceiling=90, rolls=rolls)
    return ReservationRequest(
        reservation_id=name,
        decision_id="d",
        customer_id=customer,
        holds=(own, shared),
        expires=NOW + 900,
    )


def claim() -> Claim:
    return Claim(
        request_id="q1", fingerprint=b"f", decision_id="d1", until=NOW + 60, expires=NOW + 900
    )


def fill(store: Store) -> None:
    consent = Consent(granted=True, time=NOW, source="form")
    once = ProfileUpdate(
        identity="crm:1", attributes={"city": "Köln"}, consents={"m:e": consent}, request_id="u1"
    )
    store.update([once, ProfileUpdate(identity="crm:2", attributes={"a": [1.5]})])
    store.link(LinkRequest(identities=("crm:1", "cookie:1")), lambda one, _: one, now=NOW)
    store.record([happened(n, identity="cookie:1", shop="a") for n in range(20)], FOLD, now=NOW)
    known: Any = store.customer("crm:1")
    requests = [
        wanted("r1", known[0].customer_id),
        wanted("r2", known[0].customer_id, rolls=60.0),
        wanted("r3", "cookie:nobody"),
    ]
    store.reserve(requests, now=NOW, claim=claim())
    store.record([happened("c", "delivery", recommendation="r2")], FOLD, now=NOW)
    store.remember(claim(), b"answer", keep=["r1", "r3"], now=NOW)
    store.bulk(now=NOW, progress=("file", "row 7"))
    catalog = CatalogFiles(version="v1", files={"a.toml": "x"})
    store.publish_catalog(catalog, Publication(version="v1", time=NOW, switch_time=NOW))
    store.erase("crm:2", erasure_id="e1", now=NOW + 1)


def told(store: Store) -> list[object]:
    """Everything that a store tells of what `fill` has put in."""
    return [
        store.customer("crm:1"),
        store.identities("cookie:1"),
        store.holdings("crm:1"),
        store.customer("crm:2"),
        list(store.usage_report()),
        store.request("q1", now=NOW),
        store.progress("file"),
        list(store.publications()),
        store.catalog_files("v1"),
        list(store.erasures()),
        list(store.erased_since()),
    ]


def test_a_copy_tells_what_the_original_told_and_goes_on_from_there(
    tmp_path: Path, url: Callable[[str], str]
) -> None:
    path = tmp_path / "nba.db"
    source = open_file(path)
    fill(source)
    before = told(source)
    source.close()
    result = copied(path, url("target"))
    assert result.exit_code == 0, result.output
    assert "rows copied" in result.output
    store = open_store(url("target"))
    assert told(store) == before
    repeated = [happened(3, identity="cookie:1", shop="a"), happened("new", identity="crm:new")]
    results = store.record(repeated, FOLD, now=NOW)
    assert [one.status for one in results] == ["duplicate", "recorded"]
    told_now = [
        happened("d", "reject", recommendation="r1"),
        happened("e", "view", identity="cookie:nobody"),  # who reserved r3 while it was nobody
    ]
    assert [one.reservation for one in store.record(told_now, FOLD, now=NOW)] == ["released", ""]
    found: Any = store.customer("cookie:nobody")
    assert store.usage([f"cap|customer={found[0].customer_id}|life"])
    assert store.recount() == store.usage_report()
    store.close()


def test_a_target_that_is_not_empty_is_refused_and_left_alone(
    tmp_path: Path, url: Callable[[str], str]
) -> None:
    source = open_file(tmp_path / "nba.db")
    fill(source)
    source.close()
    target = open_store(url("target"))
    target.update([ProfileUpdate(identity="crm:9", attributes={"a": 1})])
    refused = copied(tmp_path / "nba.db", url("target"))
    assert isinstance(refused.exception, FailedPrecondition)
    assert "not empty" in str(refused.exception)
    assert target.count_customers() == 1
    target.close()


def test_a_store_that_is_in_use_is_not_copied(tmp_path: Path, url: Callable[[str], str]) -> None:
    source = open_file(tmp_path / "nba.db")
    refused = copied(tmp_path / "nba.db", url("target"))
    assert isinstance(refused.exception, FailedPrecondition)
    assert "is open in another process" in str(refused.exception)
    source.close()


def test_only_a_store_that_can_begin_as_a_copy_is_a_target(tmp_path: Path) -> None:
    open_file(tmp_path / "nba.db").close()
    for target in ("sqlite:other.db", "carrier-pigeon:x"):
        refused = copied(tmp_path / "nba.db", target)
        assert isinstance(refused.exception, FailedPrecondition)
        assert "postgresql" in str(refused.exception)

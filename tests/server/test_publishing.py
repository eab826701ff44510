"""Catalogs published over the API, on real servers over real stores."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from nba_engine._gen.nba.v1 import catalog_service_pb2 as catalogs
from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1.decision_pb2 import Decision
from nba_engine.engine import Engine
from nba_engine.errors import Mistake, MistakesFound
from tests.engine.test_publishing import BREAD, BROKEN, DEARER, FIRST, beside
from tests.engine.world import shop
from tests.server.small import Details
from tests.server.test_reasons import Real

BANNER = decisions.DecideRequest(
    identity="crm:1", placements=[decisions.PlacementRequest(placement="banner", slots=1)]
)


@contextmanager
def served(engine: Engine, **settings: Any) -> Iterator[Real]:
    real = Real(engine, **{"admin": True, **settings})
    try:
        yield real
    finally:
        real.channel.close()
        real.server.stop(0)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with shop(tmp_path, simulated=False, queue=100_000, clock=time.time) as one:
        yield one


def publish(real: Real, files: dict[str, str], **more: Any) -> catalogs.PublishCatalogResponse:
    return real.catalogs.PublishCatalog(catalogs.PublishCatalogRequest(files=files, **more))


def refused(call: Any) -> Details:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return Details(caught.value)


def action(decision: Decision) -> str:
    return decision.recommendations[0].action


def test_every_decision_is_of_one_catalog_while_others_are_published(engine: Engine) -> None:
    made: list[Decision] = []
    failed: list[BaseException] = []
    done = threading.Event()

    def decide() -> None:
        try:
            while not done.is_set():
                made.append(real.decisions.Decide(BANNER).decision)
        except BaseException as error:
            failed.append(error)

    best: dict[str, str] = {}
    with served(engine) as real:
        for files in (FIRST, BREAD):
            version = publish(real, files).version.catalog_version
            decision = real.decisions.Decide(BANNER).decision
            best[version] = action(decision)
            assert decision.catalog_version == version
        threads = [threading.Thread(target=decide) for _ in range(8)]
        for thread in threads:
            thread.start()
        for files in (FIRST, BREAD) * 3:
            publish(real, files)
        done.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert best.keys() == {decision.catalog_version for decision in made}
    assert len(set(best.values())) == 2
    assert [one for one in made if action(one) != best[one.catalog_version]] == []


def test_a_broken_catalog_changes_nothing_and_its_mistakes_are_named(engine: Engine) -> None:
    with served(engine) as real:
        before = real.decisions.Decide(BANNER).decision.catalog_version
        told = refused(lambda: publish(real, BROKEN))
        assert (told.code.name, told.reason) == ("INVALID_ARGUMENT", "INVALID_CATALOG")
        assert all(field.startswith("shop.toml:") for field in told.fields)
        assert real.decisions.Decide(BANNER).decision.catalog_version == before
        listed = real.catalogs.ListCatalogVersions(catalogs.ListCatalogVersionsRequest())
        assert list(listed.versions) == []


def test_a_rollback_decides_as_before_and_is_listed(engine: Engine) -> None:
    with served(engine) as real:
        first, second = (
            publish(real, files, author="ada", comment="why").version.catalog_version
            for files in (FIRST, BREAD)
        )
        request = catalogs.RollbackCatalogRequest(expected_version=second)
        answer = real.catalogs.RollbackCatalog(request)
        assert answer.published
        assert real.decisions.Decide(BANNER).decision.catalog_version == first
        told = refused(lambda: real.catalogs.RollbackCatalog(request))
        assert told.reason == "CATALOG_VERSION_MISMATCH"
        found: list[catalogs.CatalogVersion] = []
        page = catalogs.ListCatalogVersionsRequest(page_size=2)
        while True:
            listed = real.catalogs.ListCatalogVersions(page)
            found += listed.versions
            page.page_token = listed.next_page_token
            if not page.page_token:
                break
    assert [one.catalog_version for one in found] == [first, second, first]
    assert [one.origin for one in found] == [3, 2, 2]
    assert [one.status for one in found[1:]] == [3, 3]
    assert (found[2].author, found[2].comment) == ("ada", "why")


def test_a_call_with_little_time_hears_that_the_switch_is_still_to_come(engine: Engine) -> None:
    with served(engine) as real:
        request = catalogs.PublishCatalogRequest(files=DEARER)
        answer = real.catalogs.PublishCatalog(request, timeout=0.4)
    assert answer.published
    assert answer.version.status == catalogs.CATALOG_STATUS_PENDING


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (catalogs.PublishCatalogRequest(), "files"),
        (catalogs.PublishCatalogRequest(files=FIRST, reload_folder=True), "files"),
        (catalogs.PublishCatalogRequest(files=FIRST, author="a" * 129), "author"),
        (catalogs.PublishCatalogRequest(files=FIRST, comment="a" * 1001), "comment"),
        (catalogs.PublishCatalogRequest(files=FIRST, expected_version="ä"), "expected_version"),
    ],
)
def test_malformed_requests_name_their_field(
    engine: Engine, request_: catalogs.PublishCatalogRequest, field: str
) -> None:
    with served(engine) as real:
        told = refused(lambda: real.catalogs.PublishCatalog(request_))
    assert told.fields == [field]


def test_a_token_from_before_a_publication_is_refused(engine: Engine) -> None:
    with served(engine) as real:
        for files in (FIRST, BREAD):
            publish(real, files)
        request = catalogs.ListCatalogVersionsRequest(page_size=1)
        request.page_token = real.catalogs.ListCatalogVersions(request).next_page_token
        publish(real, DEARER)
        told = refused(lambda: real.catalogs.ListCatalogVersions(request))
    assert told.fields == ["page_token"]


def test_two_servers_on_one_store_switch_together(engine: Engine, tmp_path: Path) -> None:
    with served(engine) as one, beside(engine, tmp_path) as other, served(other) as two:
        made: dict[int, list[tuple[float, str]]] = {0: [], 1: []}
        done = threading.Event()

        def decide(number: int, real: Real) -> None:
            while not done.is_set():
                version = real.decisions.Decide(BANNER).decision.catalog_version
                made[number].append((time.monotonic(), version))

        threads = [threading.Thread(target=decide, args=args) for args in enumerate((one, two))]
        for thread in threads:
            thread.start()
        version = publish(one, BREAD).version.catalog_version
        ended = time.monotonic() + 20
        while not all(made[n] and made[n][-1][1] == version for n in made):
            assert time.monotonic() < ended
            done.wait(0.01)
        done.set()
        for thread in threads:
            thread.join()
    firsts = [min(at for at, seen in made[n] if seen == version) for n in made]
    lasts = [max(at for at, seen in made[n] if seen != version) for n in made]
    assert max(firsts) - min(firsts) < 0.3  # milliseconds, on a machine that is not busy
    assert all(last < first for last, first in zip(lasts, firsts, strict=True))


def test_a_server_that_cannot_load_what_is_in_force_is_not_serving(
    engine: Engine, tmp_path: Path
) -> None:
    with (
        served(engine) as one,
        beside(engine, tmp_path, able=lambda: False) as other,
        served(other) as two,
    ):
        health: Any = health_pb2_grpc.HealthStub(two.channel)
        assert health.Check(health_pb2.HealthCheckRequest()).status == 1
        before = two.decisions.Decide(BANNER).decision.catalog_version
        publish(one, DEARER)
        told = two.lines("catalog not in force here", wait_for=1)
        assert [line["sequence"] for line in told] == [1]
        assert health.Check(health_pb2.HealthCheckRequest()).status == 2
        assert two.decisions.Decide(BANNER).decision.catalog_version == before


def test_each_switch_is_logged(engine: Engine) -> None:
    with served(engine) as real:
        version = publish(real, DEARER, author="ada").version.catalog_version
        (line,) = real.lines("catalog in force", wait_for=1)
    assert (line["catalog_version"], line["author"], line["origin"]) == (version, "ada", "files")


def test_mistakes_without_a_place_are_named_by_their_file(engine: Engine) -> None:
    def broken(files: object, models: object = None) -> Any:
        raise MistakesFound([Mistake(file="nba.toml", place="", message="is wrong", remedy="mend")])

    engine.catalogs._assemble = broken
    with served(engine) as real:
        told = refused(lambda: publish(real, DEARER))
    assert (told.fields, told.descriptions) == (["nba.toml"], ["is wrong (mend)"])

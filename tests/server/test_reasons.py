"""Every reason of the API, provoked over the wire with a real engine, and documented truly."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import msgspec
import pytest

from nba_engine._gen.nba.v1 import catalog_service_pb2 as catalogs
from nba_engine._gen.nba.v1 import decision_service_pb2 as decisions
from nba_engine._gen.nba.v1 import error_reason_pb2
from nba_engine._gen.nba.v1 import profile_service_pb2 as profiles
from nba_engine._gen.nba.v1.catalog_service_pb2_grpc import CatalogServiceStub
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine._gen.nba.v1.profile_pb2 import Profile
from nba_engine._gen.nba.v1.profile_service_pb2_grpc import ProfileServiceStub
from nba_engine._gen.nba.v1.value_pb2 import Value
from nba_engine.domain import Deciding, NoSettings, Resources, StageFactory
from nba_engine.engine import Engine
from nba_engine.settings import StageSettings
from tests.engine.world import CATALOG, STAGES, shop
from tests.server.small import Details, Served, SmallEngine

ROOT = Path(__file__).parents[2]
PROTO = (ROOT / "proto" / "nba" / "v1" / "error_reason.proto").read_text("utf-8")
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
REASONS = [name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()][1:]  # noqa: SIM118 - an enum wrapper
GOOD = decisions.DecideRequest(
    identity="crm:1", placements=[decisions.PlacementRequest(placement="banner")]
)

# reason → makes a call fail with it
PROVOKED: dict[str, Callable[[Path], Details]] = {}


def provokes(reason: str) -> Callable[[Callable[[Path], Details]], Callable[[Path], Details]]:
    def note(case: Callable[[Path], Details]) -> Callable[[Path], Details]:
        PROVOKED[reason] = case
        return case

    return note


class Real(Served):
    """A served engine with its stubs."""

    def __init__(self, engine: Engine, **settings: Any) -> None:
        super().__init__(cast("SmallEngine", engine), **settings)
        self.real_engine = engine
        self.decisions = DecisionServiceStub(self.channel)
        self.profiles = ProfileServiceStub(self.channel)
        self.catalogs = CatalogServiceStub(self.channel)


@contextmanager
def serving(
    folder: Path, *, shop_with: dict[str, Any] | None = None, **settings: Any
) -> Iterator[Real]:
    with shop(folder, **{"simulated": False, **(shop_with or {})}) as engine:
        real = Real(engine, **settings)
        try:
            yield real
        finally:
            real.channel.close()
            real.server.stop(0)


def failing(call: Callable[[], object]) -> Details:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return Details(caught.value)


def stage(apply: Callable[[Deciding], None], on_error: str = "fail") -> dict[str, Any]:
    """A shop with one more stage, after the profile."""

    class Made:
        def __init__(self, _settings: NoSettings, _resources: Resources) -> None:
            pass

        def apply(self, deciding: Deciding) -> None:
            apply(deciding)

    first, *others = STAGES
    named: Any = StageSettings(stage="made", on_error=on_error)  # type: ignore[arg-type]
    factory: StageFactory[Any] = StageFactory(build=Made, on_error="fail")
    return {"stages": [first, named, *others], "made": factory}


@provokes("INVALID_REQUEST")
def an_empty_request(folder: Path) -> Details:
    with serving(folder) as real:
        return failing(lambda: real.decisions.Decide(decisions.DecideRequest()))


@provokes("TIME_NOT_ALLOWED")
def a_seed_for_a_store_that_is_not_simulated(folder: Path) -> Details:
    request = decisions.DecideRequest(seed=1)
    request.MergeFrom(GOOD)
    with serving(folder) as real:
        return failing(lambda: real.decisions.Decide(request))


@provokes("DECISION_NOT_FOUND")
def an_explanation_of_what_was_never_decided(folder: Path) -> Details:
    asked = decisions.ExplainDecisionRequest(decision_id="never")
    with serving(folder) as real:
        return failing(lambda: real.decisions.ExplainDecision(asked))


@provokes("CUSTOMER_NOT_FOUND")
def a_profile_of_nobody(folder: Path) -> Details:
    asked = profiles.GetProfileRequest(identity="crm:nobody")
    with serving(folder) as real:
        return failing(lambda: real.profiles.GetProfile(asked))


@provokes("CATALOG_CHANGED")
def an_explanation_of_a_decision_whose_catalog_nobody_stored(folder: Path) -> Details:
    with serving(folder) as real:
        made = real.decisions.Decide(GOOD).decision.decision_id
        log = real.real_engine.log
        log.flush()
        record = log.read(made)
        assert record is not None
        log.append(msgspec.structs.replace(record, decision_id="ab", catalog_version="gone"))
        asked = decisions.ExplainDecisionRequest(decision_id="ab")
        return failing(lambda: real.decisions.ExplainDecision(asked))


@provokes("FAILED_PRECONDITION")
def an_explanation_with_a_stage_that_does_not_repeat_itself(folder: Path) -> Details:
    asked_before: list[str] = []

    def moody(deciding: Deciding) -> None:
        if asked_before:
            deciding.candidates.drop(deciding.candidates.index >= 0, "moody")
        asked_before.append(deciding.decision_id)

    with serving(folder, shop_with=stage(moody)) as real:
        decision = real.decisions.Decide(GOOD).decision
        asked = decisions.ExplainDecisionRequest(decision_id=decision.decision_id)
        return failing(lambda: real.decisions.ExplainDecision(asked))


@provokes("UNAVAILABLE")
def a_store_that_was_closed(folder: Path) -> Details:
    request = profiles.UpdateProfileRequest(identity="crm:1", profile=Profile())
    with serving(folder) as real:
        real.real_engine.store.close()
        return failing(lambda: real.profiles.UpdateProfile(request))


@provokes("STAGE_FAILED")
def a_stage_that_raises_and_must_not(folder: Path) -> Details:
    def broken(_deciding: Deciding) -> None:
        raise ZeroDivisionError("a text for the log")

    with serving(folder, shop_with=stage(broken)) as real:
        return failing(lambda: real.decisions.Decide(GOOD))


@provokes("EXHAUSTED")
def a_full_disk(folder: Path) -> Details:
    profile = Profile(attributes={"first_name": Value(string_value="x" * 4000)})
    with serving(folder) as real:
        writer = real.real_engine.store._writer  # type: ignore[attr-defined]
        pages = writer.submit(lambda connection: connection.pragma("page_count"))
        writer.submit(lambda connection: connection.pragma("max_page_count", pages))

        def fill() -> None:
            for number in range(1000):
                real.profiles.UpdateProfile(
                    profiles.UpdateProfileRequest(identity=f"crm:{number}", profile=profile)
                )

        return failing(fill)


@provokes("DEADLINE_EXCEEDED")
def a_decision_that_takes_longer_than_the_servers_default(folder: Path) -> Details:
    def slow(_deciding: Deciding) -> None:
        threading.Event().wait(0.05)

    with serving(folder, shop_with=stage(slow), default_deadline_ms=10) as real:
        return failing(lambda: real.decisions.Decide(GOOD))


@provokes("INTERNAL")
def an_engine_with_a_bug(folder: Path) -> Details:
    with serving(folder) as real:
        real.real_engine.validate_catalog = lambda files: 1 / 0  # type: ignore[assignment, method-assign, return-value]
        asked = catalogs.ValidateCatalogRequest(files={"shop.toml": CATALOG})
        return failing(lambda: real.catalogs.ValidateCatalog(asked))


@provokes("REQUEST_ID_REUSED")
def another_request_under_the_same_id(folder: Path) -> Details:
    first, second = (decisions.DecideRequest(request_id="the-same") for _ in range(2))
    first.MergeFrom(GOOD)
    second.MergeFrom(GOOD)
    second.identity = "crm:2"
    with serving(folder) as real:
        real.decisions.Decide(first)
        return failing(lambda: real.decisions.Decide(second))


@provokes("REQUEST_IN_PROGRESS")
def a_repeat_while_the_first_is_being_decided(folder: Path) -> Details:
    entered, gate = threading.Event(), threading.Event()

    def slow(_deciding: Deciding) -> None:
        entered.set()
        gate.wait(30)

    request = decisions.DecideRequest(request_id="the-same")
    request.MergeFrom(GOOD)
    with serving(folder, shop_with=stage(slow), default_deadline_ms=50) as real:
        first: Any = real.decisions.Decide.future(request, timeout=30)
        assert entered.wait(30)
        try:
            return failing(lambda: real.decisions.Decide(request))
        finally:
            gate.set()
            first.result()


def talking(real: Real) -> Any:
    """An open stream that has answered once."""
    more = threading.Event()

    def messages() -> Iterator[decisions.StreamDecideRequest]:
        yield decisions.StreamDecideRequest(request=GOOD)
        more.wait(30)

    call: Any = real.decisions.StreamDecide(messages())
    call.add_callback(more.set)
    assert next(call).HasField("decision")
    return call


@provokes("TOO_MANY_STREAMS")
def one_stream_more_than_there_may_be(folder: Path) -> Details:
    with serving(folder, max_streams=1) as real:
        first = talking(real)  # held: a stream that nobody holds is cancelled
        details = failing(lambda: next(real.decisions.StreamDecide(iter(()))))
        first.cancel()
        return details


@provokes("TOO_MANY_LINKS")
def a_link_that_gives_a_customer_too_many_identities(folder: Path) -> Details:
    names = [f"cookie:{number}" for number in range(51)]
    with serving(folder) as real:
        return failing(
            lambda: real.profiles.LinkIdentities(profiles.LinkIdentitiesRequest(identities=names))
        )


@provokes("STREAM_IDLE")
def a_stream_on_which_nothing_comes(folder: Path) -> Details:
    with serving(folder, stream_idle_seconds=0.5) as real:
        call = talking(real)
        return failing(lambda: next(call))


@provokes("SERVER_STOPPING")
def a_stream_on_a_server_that_stops(folder: Path) -> Details:
    with serving(folder) as real:
        call = talking(real)
        real.server.stop(30)
        return failing(lambda: next(call))


@provokes("ADMIN_DISABLED")
def a_publication_on_a_server_that_offers_none(folder: Path) -> Details:
    with serving(folder) as real:
        return failing(lambda: publish(real, CATALOG))


@provokes("INVALID_CATALOG")
def a_publication_with_a_mistake(folder: Path) -> Details:
    with serving(folder, admin=True) as real:
        return failing(lambda: publish(real, CATALOG.replace("value = 5.0", "value = true")))


@provokes("CATALOG_VERSION_MISMATCH")
def a_publication_that_expects_another_before_it(folder: Path) -> Details:
    with serving(folder, admin=True) as real:
        return failing(lambda: publish(real, CATALOG, expected_version="another"))


@provokes("CATALOG_VERSION_NOT_FOUND")
def a_rollback_to_what_never_was(folder: Path) -> Details:
    asked = catalogs.RollbackCatalogRequest(catalog_version="never")
    with serving(folder, admin=True) as real:
        return failing(lambda: real.catalogs.RollbackCatalog(asked))


def publish(real: Real, text: str, **more: Any) -> catalogs.PublishCatalogResponse:
    return real.catalogs.PublishCatalog(
        catalogs.PublishCatalogRequest(files={"shop.toml": text}, **more)
    )


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_provoked_and_comes_as_it_is_documented(
    reason: str, tmp_path: Path
) -> None:
    assert reason in PROVOKED, f"nothing in this file provokes {reason}"
    found = PROVOKED[reason](tmp_path)
    code, metadata = documented(reason)
    assert (found.reason, found.code.name) == (reason, code)
    assert found.metadata.keys() == {*metadata, "request_id"}
    assert (found.retry is not None) == (code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"))
    assert bool(found.fields) == (code == "INVALID_ARGUMENT")


def documented(reason: str) -> tuple[str, set[str]]:
    """Code and metadata as the comment in the proto tells them."""
    found = re.search(rf"((?:  //.*\n)+)  ERROR_REASON_{reason} = \d+;", PROTO)
    assert found
    text = " ".join(line.removeprefix("  //").strip() for line in found[1].splitlines())
    code, _, rest = text.partition(". ")
    assert code in grpc.StatusCode.__members__
    assert "Metadata: " in rest
    return code, set(re.findall(r"`(\w+)`", rest.rpartition("Metadata: ")[2]))


def test_the_page_tells_of_the_reasons_what_the_proto_tells() -> None:
    rows = dict(re.findall(r"^\| `ERROR_REASON_(\w+)` (\|.*\|)$", PAGE, re.MULTILINE))
    assert rows.keys() == set(REASONS)
    for reason, row in rows.items():
        code, metadata, remedy = (cell.strip() for cell in row.strip("|").split("|"))
        assert (code.strip("`"), set(re.findall(r"`(\w+)`", metadata))) == documented(reason)
        assert remedy


def test_no_reason_is_provoked_that_is_not_in_the_api() -> None:
    assert set(PROVOKED) <= set(REASONS)

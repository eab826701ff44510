"""A small engine over dictionaries, served for real: what tests of the server talk to."""

from __future__ import annotations

import io
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import grpc
import msgspec
import orjson
from google.rpc import error_details_pb2, status_pb2

from nba_engine.domain import (
    CandidateTrace,
    Change,
    CustomerState,
    Decision,
    DecisionRequest,
    Erasure,
    Explanation,
    Interaction,
    InteractionResult,
    Linked,
    LinkRequest,
    ProfileUpdate,
    Recommendation,
    StageCount,
    Store,
)
from nba_engine.domain.algebra import fold_for
from nba_engine.engine import CurrentPlan, Exported
from nba_engine.engine.prices import PriceBook
from nba_engine.errors import FailedPrecondition, Mistake, NotFound
from nba_engine.server import Server, make_logger
from nba_engine.server.protocols import Publishes
from nba_engine.settings import LoggingSettings, ServerSettings
from tests.server.small_catalog import small_catalog

NOW = 1_510_000_000.0


class SmallStore:
    """Customers in a dictionary."""

    def __init__(self, *, simulated: bool) -> None:
        self.simulated = simulated
        self.customers: dict[str, CustomerState] = {}
        self.seen: set[str] = set()

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        state = self.customers.get(identity)
        return None if state is None else (state, b"")


class SmallCatalogs:
    """Nothing is ever published."""

    why = "made up"

    def watch(self, watcher: object) -> None:
        """Nobody will call."""


class SmallEngine:
    """Recommends the first treatments that fit. ``fails`` is raised by every call."""

    def __init__(self, *, simulated: bool = False, actions: int = 5) -> None:
        self.catalog = small_catalog(actions)
        self.model_versions: Mapping[str, str] = {"propensity": "2017-11-06"}
        self.small_store = SmallStore(simulated=simulated)
        self.store = cast("Store", self.small_store)
        self.prices = PriceBook(self.store)
        self.catalogs = cast("Publishes", SmallCatalogs())
        self.decisions: dict[str, Decision] = {}
        self.requests: list[DecisionRequest] = []
        self.deadlines: list[float | None] = []
        self.updates: list[ProfileUpdate] = []
        self.links: list[LinkRequest] = []
        self.withdrawn: list[str] = []
        self.fails: Exception | None = None

    def _fail(self) -> None:
        if self.fails is not None:
            raise self.fails

    def decide(self, request: DecisionRequest, *, deadline: float | None = None) -> Decision:
        self.requests.append(request)
        self.deadlines.append(deadline)
        self._fail()
        recommendations = [
            Recommendation(
                recommendation_id=f"{len(self.decisions)}:{place}:{position}",
                placement=wanted.placement,
                position=position,
                action=treatment.action,
                treatment=treatment.id,
                channel=treatment.channel,
                content={"title": "Hello"},
                score=0.035,
                propensity=0.05,
                value=0.9,
                cost=0.01,
                reason_codes=("best_value",),
                expires=NOW + 90.5,
            )
            for place, wanted in enumerate(request.placements)
            for position, treatment in enumerate(self.catalog.treatments[: wanted.slots or 1])
        ]
        total = len(self.catalog.treatments) * len(request.placements)
        decision = Decision(
            decision_id=f"d{len(self.decisions)}",
            customer_id="",
            known=self.store.customer(request.identity) is not None,
            time=request.time or NOW,
            catalog_version=self.catalog.version,
            model_versions=dict(self.model_versions),
            recommendations=tuple(recommendations),
            candidates=total,
            dropped={"slate/outranked": total - len(recommendations)},
            stage_micros={"slate": 5},
            decided_by="propensity",
            control_groups=("held",),
        )
        self.decisions[decision.decision_id] = decision
        return decision

    def withdraw(self, decision: Decision) -> None:
        self.withdrawn.append(decision.decision_id)

    def contact_plan(self, identity: str, *, time: float | None = None) -> CurrentPlan:
        del identity, time
        self._fail()
        raise FailedPrecondition("no contact plan was made yet")

    def explain(
        self, decision_id: str, *, treatments: Collection[str] | None = None
    ) -> Explanation:
        self._fail()
        if decision_id not in self.decisions:
            raise NotFound("no such decision")
        traces = tuple(
            CandidateTrace(
                treatment=treatment.id,
                action=treatment.action,
                placement="banner",
                stage="slate",
                reason="outranked",
                text="Others earn more.",
                changes=(Change(kind="lever", target=treatment.id, value=2, text="double it"),),
                columns={"propensity": 0.05, "value": 0.9, "novelty": 1.5, "price": float("nan")},
                details={"rank": 3},
            )
            for treatment in self.catalog.treatments
            if treatments is None or treatment.id in treatments
        )
        return Explanation(
            decision=self.decisions[decision_id],
            funnel=(StageCount(stage="slate", reason="outranked", candidates=1),),
            candidates=traces,
            sentences=("Because it earns most.",),
            customer_value={"p_alive": 0.75, "purchase_days": 3, "win_back": False},
        )

    def record(self, interactions: Sequence[Interaction]) -> Sequence[InteractionResult]:
        self._fail()
        fold = fold_for(self.catalog.aggregates)
        results = []
        for one in interactions:
            known = one.interaction_id in self.small_store.seen
            if not known:
                self.small_store.seen.add(one.interaction_id)
                state = self.small_store.customers.get(one.identity)
                state = state or CustomerState(customer_id=one.identity)
                self.small_store.customers[one.identity] = msgspec.structs.replace(
                    state, version=state.version + 1, aggregates=fold(state.aggregates, [one])
                )
            status: Any = "duplicate" if known else "recorded"
            results.append(InteractionResult(interaction_id=one.interaction_id, status=status))
        return results

    def profile(self, identity: str) -> CustomerState:
        self._fail()
        found = self.store.customer(identity)
        if found is None:
            raise NotFound("nobody")
        return found[0]

    def seen(self, identity: str) -> CustomerState | None:
        found = self.store.customer(identity)
        return None if found is None else found[0]

    def update_profile(self, update: ProfileUpdate) -> CustomerState:
        self._fail()
        self.updates.append(update)
        state = self.small_store.customers.get(update.identity)
        state = state or CustomerState(customer_id=update.identity)
        kept = {k: v for k, v in state.attributes.items() if k not in update.remove}
        state = msgspec.structs.replace(
            state,
            version=state.version + 1,
            attributes=kept | update.attributes,
            consents=state.consents | update.consents,
        )
        self.small_store.customers[update.identity] = state
        return state

    def export(self, identity: str) -> Iterator[Exported]:
        state = self.profile(identity)
        yield Exported(kind="customer", content={"customer_id": state.customer_id})

    def link_identities(self, request: LinkRequest) -> Linked:
        self._fail()
        self.links.append(request)
        customers = self.small_store.customers
        states = [customers[name] for name in request.identities if name in customers]
        first, *others = states or [CustomerState(customer_id="new", version=1)]
        for name in request.identities:
            customers[name] = first
        merged = tuple(state.customer_id for state in others)
        return Linked(state=first, identities=tuple(sorted(request.identities)), merged=merged)

    def erase_profile(self, identity: str, *, request_id: str = "") -> Erasure:
        self._fail()
        known = self.small_store.customers.pop(identity, None) is not None
        return Erasure(
            erasure_id=request_id or "e1",
            sequence=1,
            time=NOW,
            known=known,
            counts={"customers": 1} if known else {},
            pending=("decision_log", "sinks", "files"),
            kept=("sink queue",),
        )

    def validate_catalog(self, files: Mapping[str, str]) -> Sequence[Mistake]:
        self._fail()
        return [
            Mistake(file=name, place="catalog.currency", message="missing", remedy="add it")
            for name, text in files.items()
            if "currency" not in text
        ]


class Served:
    """A running server, a channel to it, and what it logged."""

    def __init__(self, engine: SmallEngine, **settings: Any) -> None:
        self.engine = engine
        self.log = io.BytesIO()
        logger = make_logger(LoggingSettings(), stream=self.log)
        given = ServerSettings(**{"listen": "127.0.0.1:0", **settings})
        self.server = Server(engine, given, logger)
        self.port = self.server.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")

    def lines(self, event: str = "", *, wait_for: int = 0) -> list[dict[str, Any]]:
        """Log lines of one event; a line may come a moment after the answer."""
        until = time.monotonic() + 5
        while True:
            found = [orjson.loads(line) for line in self.log.getvalue().splitlines()]
            found = [line for line in found if not event or line["event"] == event]
            if len(found) >= wait_for or time.monotonic() > until:
                return found


@contextmanager
def serving(engine: SmallEngine | None = None, **settings: Any) -> Iterator[Served]:
    """Serve a small engine on a free port."""
    served = Served(engine or SmallEngine(), **settings)
    try:
        yield served
    finally:
        served.channel.close()
        served.server.stop(0)


class Details:
    """The details of a failed call, and that there is exactly one ErrorInfo."""

    def __init__(self, error: grpc.RpcError) -> None:
        call = cast("grpc.Call", error)  # in fact a call has failed with it
        self.code = call.code()
        self.message = call.details()
        trailing: Any = call.trailing_metadata() or ()
        found = [value for key, value in trailing if key == "grpc-status-details-bin"]
        assert len(found) == 1
        status = status_pb2.Status.FromString(found[0])
        assert status.code == self.code.value[0]
        infos: list[error_details_pb2.ErrorInfo] = []
        self.fields: list[str] = []
        self.descriptions: list[str] = []
        self.retry: float | None = None
        for packed in status.details:
            info = error_details_pb2.ErrorInfo()
            bad = error_details_pb2.BadRequest()
            retry = error_details_pb2.RetryInfo()
            if packed.Unpack(info):
                infos.append(info)
            elif packed.Unpack(bad):
                self.fields = [violation.field for violation in bad.field_violations]
                self.descriptions = [v.description for v in bad.field_violations]
            elif packed.Unpack(retry):
                self.retry = retry.retry_delay.ToMicroseconds() / 1e6
        (info,) = infos
        assert info.domain == "nba-engine"
        self.reason = info.reason.removeprefix("ERROR_REASON_")
        assert self.reason != info.reason
        self.metadata = dict(info.metadata)

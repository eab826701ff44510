"""Eight weeks through gRPC, in time order: a decision before every trip, then the purchase.

The app is asked for before every trip. Whether an e-mail, a letter or a call goes out is decided
once a week for a household, with its first trip of the week.

Households are spread over threads, so that one household's trips keep their order; a barrier per
day keeps households within a day of one another. Threads are spread over servers of one store. Whatever was recommended counts as shown or
delivered at once, so its reservation is confirmed together with the purchase (an assumption).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import msgspec
import numpy as np

from nba_demo.catalog_files import ASKED, WEEKLY
from nba_demo.data import DAY, WEEK, Year
from nba_demo.importing import Baskets, identity
from nba_engine._gen.nba.v1 import (
    decision_pb2,
    decision_service_pb2,
    decision_service_pb2_grpc,
    interaction_pb2,
    interaction_service_pb2,
    interaction_service_pb2_grpc,
)
from nba_engine.domain import IntArray
from nba_engine.errors import Unavailable

__all__ = ["Replayed", "Shown", "replay"]

THREADS = 4
_TIMEOUT = 30.0


class Shown(msgspec.Struct, frozen=True):
    """One recommendation of a decision; money in micros."""

    placement: str
    position: int
    action: str
    treatment: str
    channel: str
    score: int
    propensity: float
    cost: int
    reserved: bool
    planned: bool = False  # the contact plan had it for this week


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One decision as the client saw it. ``basket`` is the trip it was made before.

    ``asked``: the placements.
    """

    decision_id: str
    basket: int
    asked: tuple[str, ...]
    time: float
    seconds: float
    candidates: int
    dropped: dict[str, int]  # "stage/reason" → candidates
    stage_micros: dict[str, int]
    shown: tuple[Shown, ...]
    degraded: tuple[str, ...]
    overruns: int


def replay(
    year: Year,
    baskets: Baskets,
    addresses: Sequence[str],
    *,
    start: float,
    threads: int = THREADS,
    tick: Callable[[int], None] = lambda _: None,
) -> list[Replayed]:
    """Replay every trip from ``start`` on; the decisions in time order. ``tick`` gets trips done.

    ``addresses``: of servers of the same store; a household always asks the same one.

    Raises `Unavailable` when the server refuses a call.
    """
    trips = np.arange(int(np.searchsorted(year.basket_time, start)), len(year.basket_id))
    day = ((year.basket_time[trips] - start) // DAY).astype(np.intp)
    days = [trips[day == one] for one in range(int(day.max(initial=-1)) + 1)]
    done: list[Replayed] = []
    weekly = _first_of_week(year, trips, start)
    ticking = threading.Lock()

    def one_more() -> None:
        with ticking:
            tick(1)

    with ExitStack() as opened:
        channels = [opened.enter_context(grpc.insecure_channel(one)) for one in addresses]
        pool = opened.enter_context(ThreadPoolExecutor(threads))
        workers = [_Worker(year, baskets, channel, one_more, weekly) for channel in channels]
        for today in days:
            share = year.basket_household[today] % threads
            futures = [
                pool.submit(workers[one % len(workers)].run, today[share == one].tolist())
                for one in range(threads)
            ]
            try:
                for future in futures:
                    done.extend(future.result())
            except grpc.RpcError as error:
                for worker in workers:
                    worker.stop()
                detail = getattr(error, "details", lambda: "")() or str(error)
                raise Unavailable(f"the server refused a call of the replay: {detail}") from error
    return sorted(done, key=lambda one: one.basket)


def _first_of_week(year: Year, trips: IntArray, start: float) -> frozenset[int]:
    """Of each household the first trip of every week from ``start`` on."""
    week = ((year.basket_time[trips] - start) // WEEK).astype(np.intp)
    both = np.stack((year.basket_household[trips], week), axis=1)
    _, first = np.unique(both, axis=0, return_index=True)  # trips are in time order
    return frozenset(trips[first].tolist())


class _Worker:
    """Plays trips in order; shared by the threads."""

    def __init__(
        self,
        year: Year,
        baskets: Baskets,
        channel: grpc.Channel,
        tick: Callable[[], None],
        weekly: frozenset[int],
    ) -> None:
        self._year = year
        self._baskets = baskets
        self._decisions = decision_service_pb2_grpc.DecisionServiceStub(channel)
        self._interactions = interaction_service_pb2_grpc.InteractionServiceStub(channel)
        self._weekly = weekly  # trips that are a household's first of the week
        self._tick = tick
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let every thread end after its trip."""
        self._stopped.set()

    def run(self, trips: Sequence[int]) -> list[Replayed]:
        """Decide and record, trip by trip."""
        done = []
        for basket in trips:
            if self._stopped.is_set():
                break
            done.append(self._trip(basket))
            self._tick()
        return done

    def _trip(self, basket: int) -> Replayed:
        year = self._year
        household = int(year.households[year.basket_household[basket]])
        moment = round(float(year.basket_time[basket]))
        weekly = basket in self._weekly
        asked = tuple(name for name in ASKED if weekly or name not in WEEKLY)
        request = decision_service_pb2.DecideRequest(
            identity=identity(household),
            placements=[
                decision_service_pb2.PlacementRequest(placement=name, slots=ASKED[name])
                for name in asked
            ],
            include_funnel=True,
            seed=int(year.basket_id[basket]),
        )
        request.time.seconds = moment
        began = time.perf_counter()
        decision = self._decisions.Decide(request, timeout=_TIMEOUT).decision
        seconds = time.perf_counter() - began
        happened = [self._purchase(basket, household, moment)]
        happened += [
            _contact(one, household, moment)
            for one in decision.recommendations
            if one.action != "nothing"
        ]
        answer = self._interactions.RecordInteractions(
            interaction_service_pb2.RecordInteractionsRequest(interactions=happened),
            timeout=_TIMEOUT,
        )
        return Replayed(
            decision_id=decision.decision_id,
            basket=basket,
            asked=asked,
            time=float(moment),
            seconds=seconds,
            candidates=decision.candidate_count,
            dropped={f"{one.stage}/{one.reason}": one.candidate_count for one in decision.funnel},
            stage_micros=dict(decision.stage_micros),
            shown=tuple(_shown(one) for one in decision.recommendations),
            degraded=tuple(decision.degraded_stages),
            overruns=sum(
                result.reservation == interaction_pb2.RESERVATION_EFFECT_OVERRUN
                for result in answer.results
            ),
        )

    def _purchase(self, basket: int, household: int, moment: int) -> interaction_pb2.Interaction:
        properties = self._baskets.properties(basket)
        bought = interaction_pb2.Interaction(
            interaction_id=f"basket:{self._year.basket_id[basket]}",
            identity=identity(household),
            type="purchase",
        )
        bought.interaction_time.seconds = moment
        bought.properties["amount"].double_value = properties["amount"]
        listed = bought.properties["categories"].list_value
        listed.SetInParent()  # an empty list is a value too
        for category in properties["categories"]:
            listed.values.add(string_value=category)
        return bought


def _contact(
    one: decision_pb2.Recommendation, household: int, moment: int
) -> interaction_pb2.Interaction:
    """The recommendation reached the household: an assumption."""
    contact = interaction_pb2.Interaction(
        interaction_id=f"shown:{one.recommendation_id}",
        identity=identity(household),
        type="impression" if one.channel == "app" else "delivery",
        recommendation_id=one.recommendation_id,
    )
    contact.interaction_time.seconds = moment
    return contact


def _shown(one: decision_pb2.Recommendation) -> Shown:
    return Shown(
        placement=one.placement,
        position=one.position,
        action=one.action,
        treatment=one.treatment,
        channel=one.channel,
        score=one.score_micros,
        propensity=one.propensity,
        cost=one.cost_micros,
        reserved=one.HasField("expire_time"),
        planned="planned" in one.reason_codes,
    )

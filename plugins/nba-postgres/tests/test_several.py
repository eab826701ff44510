"""Several processes of one store at work at the same time; each `PostgresStore` is as one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from nba_engine.domain import (
    Claim,
    Held,
    Hold,
    LinkRequest,
    ProfileUpdate,
    ReservationRequest,
)
from nba_engine.errors import RequestTaken
from nba_engine.store.interactions import prepare
from nba_engine.testing.customers_suite import FOLD, NOW, happened
from nba_postgres import writer
from nba_postgres.changes import Change, Reserve, Write
from nba_postgres.faults import is_race
from nba_postgres.store import PostgresStore, open_store
from nba_postgres.unit import Unit

pytestmark = pytest.mark.xdist_group("postgres")

Open = Callable[[], PostgresStore]


@pytest.fixture
def opened(url: Callable[[str], str]) -> Iterator[Open]:
    """Opens the store of this test once more, as another process would."""
    stores: list[PostgresStore] = []

    def open_one_more() -> PostgresStore:
        stores.append(open_store(url("store")))
        return stores[-1]

    yield open_one_more
    for store in stores:
        store.close()


def together(*works: Callable[[], None]) -> None:
    """Run all of these at once; what one of them raises is raised here."""
    raised: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def reservation(name: str, *holds: Hold, customer: str = "c") -> ReservationRequest:
    return ReservationRequest(
        reservation_id=name, decision_id="d", customer_id=customer, holds=holds, expires=NOW + 900
    )


def on(account: str, *, ceiling: int, rolls: float = 0.0) -> Hold:
    return Hold(account=account, limit=account, amount=1, ceiling=ceiling, rolls=rolls)


def test_stores_that_are_made_at_once_are_one(url: Callable[[str], str]) -> None:
    stores: list[PostgresStore] = []
    together(*[lambda: stores.append(open_store(url("store"), simulated=True))] * 6)
    stores[0].update([ProfileUpdate(identity="crm:1", attributes={"age": 1})])
    seen = [store.customer("crm:1") for store in stores]
    assert seen == [stores[0].customer("crm:1")] * 6
    assert seen[0] is not None
    for store in stores:
        store.close()


def test_an_identity_that_many_see_first_is_one_customer(opened: Open) -> None:
    stores = [opened() for _ in range(4)]
    ids: list[str] = []

    def work(number: int) -> None:
        for turn in range(10):
            names = [f"cookie:{turn}", f"cookie:{turn}b"][:: 1 if number % 2 else -1]
            states = stores[number].update([ProfileUpdate(identity=name) for name in names])
            ids.extend(state.customer_id for state in states)
            stores[number].record([happened(turn, identity=names[0])], FOLD, now=NOW)

    together(*[lambda n=n: work(n) for n in range(4)])
    assert len(set(ids)) == 20
    counted = [stores[0].history(one) for one in sorted(set(ids))]
    assert sum(one is not None and len(one.interactions) for one in counted) == 10


def test_everything_at_once_neither_deadlocks_nor_miscounts(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_MOST_RACES", 0)  # a deadlock would be an error, not a retry
    stores = [opened() for _ in range(4)]
    customers = [f"crm:{number}" for number in range(6)]
    ids = [state.customer_id for state in stores[0].update([update(name) for name in customers])]
    granted: list[str] = []

    def work(number: int) -> None:
        draw = random.Random(number)
        store = stores[number % 4]
        for turn in range(25):
            mine = [f"r{number}-{turn}-{one}" for one in range(3)]
            asked = [
                reservation(
                    name,
                    *draw.sample([on("hot", ceiling=150), *accounts(draw)], 4),
                    customer=draw.choice([*ids, "cookie:new"]),
                )
                for name in mine
            ]
            answers = store.reserve(asked, now=NOW + turn)
            held = [one.reservation_id for one in answers if one.granted]
            granted.extend(held)
            kinds = ("delivery", "reject", "view")
            items = [
                happened(
                    name, draw.choice(kinds), identity=draw.choice(customers), recommendation=name
                )
                for name in held
            ]
            store.record(items, FOLD, now=NOW + turn)
            store.update([update(name) for name in draw.sample(customers, 3)])
            store.release(draw.sample(granted, min(3, len(granted))), now=NOW + turn)

    def expire() -> None:
        for turn in range(10):
            stores[3].expire(now=NOW + turn)

    def link() -> None:
        for one, other in (("crm:0", "crm:1"), ("crm:2", "crm:3"), ("cookie:new", "crm:2")):
            stores[2].link(LinkRequest(identities=(one, other)), keep_first, now=NOW)

    together(*[lambda n=n: work(n) for n in range(8)], expire, link)
    report = stores[0].usage_report()
    assert stores[0].recount() == report
    assert all(one.reserved + one.spent <= one.ceiling for one in report)
    (hot,) = stores[0].usage_report("hot")
    assert hot.spent > 0
    stores[1].expire(now=NOW + 10_000)
    assert sum(one.reserved for one in stores[1].usage_report()) == 0


def update(name: str) -> ProfileUpdate:
    return ProfileUpdate(identity=name, attributes={"seen": 1})


def keep_first(one: Held, _other: Held) -> Held:
    return one


def accounts(draw: random.Random) -> list[Hold]:
    return [
        on(f"cold{draw.randrange(20)}-{number}", ceiling=5, rolls=3.0 * (number % 2))
        for number in range(5)
    ]


def test_of_many_attempts_at_one_request_id_one_holds_it(opened: Open) -> None:
    stores = [opened() for _ in range(4)]
    won: list[str] = []

    def work(number: int) -> None:
        for turn in range(10):
            claim = Claim(
                request_id=f"q{turn}",
                fingerprint=b"body",
                decision_id=f"d{number}-{turn}",
                until=NOW + 60,
                expires=NOW + 900,
            )
            one = reservation(f"r{number}-{turn}", on("cap", ceiling=100))
            try:
                stores[number].reserve([one], now=NOW, claim=claim)
                stores[number].remember(claim, b"answer", keep=[one.reservation_id], now=NOW)
            except RequestTaken:
                continue
            won.append(claim.request_id)

    together(*[lambda n=n: work(n) for n in range(4)])
    assert sorted(won) == sorted(f"q{turn}" for turn in range(10))
    (cap,) = stores[0].usage_report("cap")
    assert cap.reserved == 10


def test_a_request_of_nobody_beside_a_write_waits_for_whoever_makes_its_customer(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = opened(), opened()
    one.record([happened(1)], FOLD, now=NOW)  # crm:1 is known
    locked, named = threading.Event(), threading.Event()
    races: list[str] = []
    lock = Unit.lock_customers

    def in_turn(unit: Unit) -> None:
        if unit.of(Reserve):
            lock(unit)
            locked.set()
            named.wait(0.5)  # as long as the other one waits for the name, it cannot come here
        else:
            named.set()
            lock(unit)

    def noted(error: BaseException) -> bool:
        races.append(type(error).__name__)
        return is_race(error)

    monkeypatch.setattr(Unit, "lock_customers", in_turn)
    monkeypatch.setattr(writer, "is_race", noted)
    request = ReservationRequest(
        reservation_id="r1", decision_id="d1", customer_id="crm:9", expires=NOW + 9, holds=()
    )
    items = prepare([happened(3), happened(4, identity="crm:9")])
    mixed: list[Change] = [
        Write(items=prepare([happened(2)]), fold=FOLD, now=NOW),
        Reserve([request], NOW),
    ]
    tickets = [writer._Ticket(change) for change in mixed]
    late = writer._Ticket(Write(items=items, fold=FOLD, now=NOW))

    def after() -> None:
        assert locked.wait(20)
        other._writer._commit([late])

    together(lambda: one._writer._commit(tickets), after)
    assert [ticket.error for ticket in (*tickets, late)] == [None, None, None]
    assert races == []
    held = one.holdings("crm:9")
    assert held is not None
    assert ([len(held.interactions), len(held.reservations)]) == [1, 1]

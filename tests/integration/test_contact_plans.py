"""A contact plan that is made while four processes serve: all of them follow it, and the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from faults.servers import Servers
from faults.world import World
from nba_engine._gen.nba.v1.decision_service_pb2 import (
    DecideRequest,
    GetContactPlanRequest,
    GetContactPlanResponse,
    PlacementRequest,
)
from nba_engine._gen.nba.v1.decision_service_pb2_grpc import DecisionServiceStub
from nba_engine.app.contact_plans import offers
from nba_engine.cli.main import run
from nba_engine.client import Client, Interaction
from nba_engine.learning.report import Report
from tests.integration.test_processes import stubs

PROCESSES, CONNECTIONS, CUSTOMERS = 4, 40, 8  # one process in 25,000 runs has no connection
SETTINGS = (
    """
[server]
listen = "127.0.0.1:0"
processes = PROCESSES
[logging]
level = "info"
[batch]
settings = { workers = 1, workers_are = "threads" }
""".replace("PROCESSES", str(PROCESSES))
    + "".join(
        f'[[pipeline]]\nstage = "{stage}"\n'
        for stage in ("profile", "eligibility", "value", "contact_plan", "arbitration", "slate")
    )
)
CATALOG = """
[catalog]
currency = "EUR"
time_zone = "Europe/Berlin"
[attributes.liking]
type = "double"
[aggregates.purchases]
kind = "count"
types = ["purchase"]
[channels.email]
direction = "outbound"
[channels.web]
[placements.newsletter]
channel = "email"
[placements.home]
channel = "web"
[actions.nothing]
kind = "nothing"
[actions.milk]
prior = 0.5
value = "customer.liking * 10.0"
treatments.email = { channel = "email", cost = 0.02 }
[actions.tea]
prior = 0.5
value = 4.0
treatments.email = { channel = "email", cost = 0.02 }
[actions.bread]
prior = 0.5
value = 1.0
treatments.banner = { channel = "web" }
[rules.once]
tier = "applicability"
when = "customer.purchases < 1"
applies_to = { actions = ["milk"] }
[limits.emails]
measure = "contacts"
amount = 1000000
window = "week"
[contact_plan]
period = "7d"
periods = 2
most_contacts = 2
diminishing = 0.8
"""

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("unseen")]


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reports are not drawn: pictures take longer than plans."""
    monkeypatch.setattr(Report, "picture", lambda *_: None)
    yield
    offers._opened.clear()


class Told(NamedTuple):
    """What a placement shows: the action, and whether it is said to be planned."""

    action: str
    planned: bool


class Shop(NamedTuple):
    """A shop that is served by several processes, and a connection to each of them, at least."""

    settings: Path
    servers: Servers
    stubs: Sequence[DecisionServiceStub]
    client: Client

    def decide(self) -> list[dict[str, Told]]:
        """What each connection is told, one customer after the other."""
        return [decide(stub, f"crm:{at % CUSTOMERS}") for at, stub in enumerate(self.stubs)]

    def plan(self, name: str) -> list[str]:
        """Plan for all customers of the store; who is to be written to now, and what."""
        out = self.settings.parent / name
        assert run(["plan", "-s", str(self.settings), "--out", str(out)]) == 0
        rows = pq.read_table(out / "plan.parquet").to_pylist()
        return sorted(f"{row['customer']} {row['treatment']}" for row in rows if row["period"] == 1)

    def plan_meanwhile(self, name: str, until: Callable[[], bool]) -> list[str]:
        """The same beside decisions, which go on until all processes follow it."""
        deadline = time.monotonic() + 60.0
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(self.plan, name)
            while not until():
                assert time.monotonic() < deadline
                assert not made.done() or made.result()
            return made.result()

    def like_milk(self, liking: float) -> None:
        """Have all customers like it so much."""
        for number in range(CUSTOMERS):
            self.client.update_profile(f"crm:{number}", attributes={"liking": liking})


def decide(stub: DecisionServiceStub, identity: str) -> dict[str, Told]:
    """Placement → what it shows."""
    placements = [PlacementRequest(placement=name, slots=1) for name in ("newsletter", "home")]
    asked = DecideRequest(identity=identity, placements=placements)
    decision = stub.Decide(asked, timeout=30.0).decision
    assert not decision.degraded_stages
    return {
        one.placement: Told(one.action, "planned" in one.reason_codes)
        for one in decision.recommendations
    }


def planned(stub: DecisionServiceStub, identity: str) -> GetContactPlanResponse:
    return stub.GetContactPlan(GetContactPlanRequest(identity=identity), timeout=30.0)


@contextmanager
def serving(folder: Path) -> Iterator[Shop]:
    """Customers who like milk, and no plan."""
    (folder / "catalog").mkdir()
    (folder / "catalog" / "shop.toml").write_text(CATALOG)
    (folder / "nba.toml").write_text(SETTINGS)
    world = World(
        settings=folder / "nba.toml",
        database=folder / "data" / "nba.db",
        amounts={},
        customers=CUSTOMERS,
        ttl=0,
    )
    with Servers(world) as servers, ExitStack() as stack:
        opened = stack.enter_context(stubs(servers.address, CONNECTIONS))
        client = stack.enter_context(Client(servers.address))
        shop = Shop(world.settings, servers, opened, client)
        shop.like_milk(1.0)
        yield shop
    assert servers.exit_code == 0
    assert servers.log == []
    assert len(servers.decided) == PROCESSES


MILK = {"newsletter": Told("milk", planned=True), "home": Told("bread", planned=False)}
NO_PLAN = {"newsletter": Told("milk", planned=False), "home": Told("bread", planned=False)}
EVERYBODY = [f"crm:{number}" for number in range(CUSTOMERS)]


def test_all_processes_follow_a_plan_and_whichever_answers_next_plans_a_customer_anew(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as shop:
        assert shop.decide() == CONNECTIONS * [NO_PLAN]

        def followed() -> bool:
            found = shop.decide()
            assert all(one in (NO_PLAN, MILK) for one in found)
            return found == CONNECTIONS * [MILK]

        made = shop.plan_meanwhile("plan", followed)
        assert made == [f"{customer} milk.email" for customer in EVERYBODY]

        (result,) = shop.client.record_interactions(
            [Interaction(identity="crm:1", type="purchase")]
        )
        assert result.status == "recorded"
        for stub in shop.stubs:  # no process is waited for
            assert decide(stub, "crm:1")["newsletter"] == Told("tea", planned=True)
            plan = planned(stub, "crm:1")
            assert plan.replanned
            assert [(one.period, one.treatment) for one in plan.contacts] == [(0, "tea.email")]
            assert decide(stub, "crm:2") == MILK
            assert not planned(stub, "crm:2").replanned


def test_a_second_plan_replaces_the_first_in_all_processes_and_nobody_is_without_one_meanwhile(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as shop:
        shop.plan_meanwhile("plan", lambda: shop.decide() == CONNECTIONS * [MILK])
        shop.like_milk(0.1)
        before, after = Told("milk", planned=True), Told("tea", planned=True)
        assert {one["newsletter"] for one in shop.decide()} == {before}  # worth less by now

        def replaced() -> bool:
            found = {one["newsletter"] for one in shop.decide()}
            assert found <= {before, after}
            return found == {after}

        made = shop.plan_meanwhile("second", replaced)
        assert made == [f"{customer} tea.email" for customer in EVERYBODY]
        plans = [planned(stub, f"crm:{at % CUSTOMERS}") for at, stub in enumerate(shop.stubs)]
        assert len({plan.plan_id for plan in plans}) == 1
        assert not any(plan.replanned for plan in plans)
        assert {plan.contacts[0].treatment for plan in plans} == {"tea.email"}

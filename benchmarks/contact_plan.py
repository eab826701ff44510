"""What it costs a decision to follow a contact plan, and to plan its customer anew: CPU, in one process.

Over a store on disk, with rules, a priced limit and customers of 40 interactions. Every figure is the
median of rounds in which the kinds of decisions take turns; run by hand.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nba_engine.domain import (
    PLAN_ATTRIBUTE,
    PLAN_MARK,
    CustomerPlan,
    DecisionRequest,
    Interaction,
    PlacementRequest,
    PlanMark,
    ProfileUpdate,
    encode_customer_plan,
    encode_plan_mark,
)
from nba_engine.engine import Engine
from nba_engine.engine.contact_plans import Offering, PlanContacts, chain_of
from nba_engine.store import open_store
from nba_engine.testing import make_engine

START = 1_605_225_600.0
NOW = START + 43_200.0
ROUNDS, EACH = 9, 40
STAGES = (
    "profile",
    "eligibility",
    "contact_policy",
    "value",
    "contact_plan",
    "arbitration",
    "slate",
)
HEAD = """
[attributes.age]
type = "int"
[channels.email]
direction = "outbound"
[channels.post]
direction = "outbound"
[placements.newsletter]
channel = "email"
[placements.letter]
channel = "post"
[actions.nothing]
kind = "nothing"
[limits.letters]
measure = "contacts"
amount = 1000000
window = "week"
applies_to = { channels = ["post"] }
[rules.adults]
tier = "eligibility"
when = "customer.age >= 18"
[contact_plan]
period = "7d"
periods = 4
most_contacts = 3
diminishing = 0.8
"""


def catalog(actions: int) -> str:
    """So many actions, by e-mail and by letter."""
    return HEAD + "".join(
        f"""
[actions.a{number}]
prior = {0.05 + 0.9 * number / actions:.4f}
value = 5.0
treatments.email = {{ channel = "email", cost = 0.02 }}
treatments.letter = {{ channel = "post", cost = 0.7 }}
"""
        for number in range(actions)
    )


def main() -> int:
    """Print the figures."""
    for actions in (20, 150):
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), actions)
    return 0


def _measure(folder: Path, actions: int) -> None:
    store = open_store(folder / "nba.db", simulated=True)
    engine = make_engine(
        {"catalog.toml": catalog(actions)}, pipeline=STAGES, store=store, clock=lambda: NOW
    )
    spec = engine.catalog.contact_plan
    assert spec is not None
    mark = PlanMark(
        id="p",
        made=START,
        starts=START,
        catalog_version=engine.catalog.version,
        terms=spec.terms,
        prices={"letters": (0.5, 0.4, 0.3, 0.2)},
    )
    for name, after in (("fresh", 0.0), ("stale", 60.0)):
        _customer(engine, f"crm:{name}", mark, after)
    store.bulk(now=START, progress=(PLAN_MARK, encode_plan_mark(mark)))

    def decide(name: str) -> Callable[[], object]:
        wanted = DecisionRequest(
            identity=f"crm:{name}", placements=(PlacementRequest("newsletter"),), time=NOW
        )
        return lambda: engine.decide(wanted)

    def without() -> object:
        engine.plans.take(None)
        try:
            return decide("fresh")()
        finally:
            engine.plans.take(mark)

    contacts = PlanContacts(engine.catalog, mark.terms, starts=mark.starts)
    prices = contacts.prices(mark.prices)
    offering = Offering(engine.catalogs.snapshot, store, now=NOW)
    found = store.customer("crm:stale")
    assert found is not None
    offers = offering.offers_of(found[0])
    kinds: dict[str, Callable[[], object]] = {
        "a decision without a plan": without,
        "that follows the stored one": decide("fresh"),
        "whose customer is planned anew": decide("stale"),
        "  of that: what could be planned": lambda: offering.offers_of(found[0]),
        "  and the chain": lambda: chain_of(offers, contacts, prices),
    }
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, kind in kinds.items():
            begun = time.process_time()
            for _ in range(EACH):
                kind()
            took[name].append((time.process_time() - begun) / EACH * 1e3)
    print(f"{2 * actions} treatments, {len(offers.treatment)} offers:")
    for name, times in took.items():
        print(f"  {name:<36} {statistics.median(times):6.2f} ms")
    store.close()


def _customer(engine: Engine, identity: str, mark: PlanMark, after: float) -> None:
    """Planned for at the mark's time; with ``after`` something happened so much later."""
    state = engine.update_profile(ProfileUpdate(identity=identity, attributes={"age": 40}))
    times = [START - 86_400.0 * number for number in range(1, 41)]
    _record(engine, identity, times)
    history = engine.store.history(state.customer_id)
    assert history is not None
    plan = CustomerPlan(plan=mark.id, made=mark.made, newest=history.newest)
    text = encode_customer_plan(plan)
    engine.store.bulk(
        updates=[ProfileUpdate(identity=identity, attributes={PLAN_ATTRIBUTE: text})], now=START
    )
    if after:
        _record(engine, identity, [START + after])


def _record(engine: Engine, identity: str, times: list[float]) -> None:
    engine.record(
        [
            Interaction(
                interaction_id=f"{identity}-{time}", identity=identity, type="view", time=time
            )
            for time in times
        ]
    )


if __name__ == "__main__":
    sys.exit(main())

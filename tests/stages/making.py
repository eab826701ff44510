"""Decisions in the making, over real catalogs and a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from nba_engine.catalog import Vocabulary, load
from nba_engine.domain import (
    NO_EVIDENCE,
    Answer,
    Candidates,
    CatalogView,
    Channel,
    ComplementTable,
    Consent,
    CustomerState,
    CustomerView,
    Deciding,
    DecisionRequest,
    Evidence,
    FloatArray,
    PlacementRequest,
    ReservationRequest,
    Scorer,
    Stage,
)
from nba_engine.errors import Unavailable
from nba_engine.stages.functions import RULE_FUNCTIONS
from nba_engine.stages.templates.channel import TemplateChannel

NOW = 1_509_980_400.0  # Monday, 6 November 2017, 15:00 UTC

SHOP = """
[catalog]
time_zone = "America/New_York"
[attributes]
age = { type = "int" }
first_name = { type = "string" }
[context]
cart = { type = "list<string>" }
[aggregates]
last_bought = { kind = "last", types = ["purchase"], by = "category" }
rejected_at = { kind = "last", types = ["reject"], by = "action" }
[channels]
app = {}
email = { direction = "outbound", consent = "marketing" }
[placements]
banner = { channel = "app" }
newsletter = { channel = "email" }
[actions.nothing]
kind = "nothing"
"""


def catalog(*more: str) -> CatalogView:
    """A catalog: the shop's channels, and whatever more is written."""
    return load(
        {"shop.toml": SHOP, **{f"{number}.toml": text for number, text in enumerate(more)}},
        Vocabulary(functions=RULE_FUNCTIONS, channel_kinds=frozenset({"template"})),
    )


class Ledger:
    """Reads of a decision, from memory. Grants are kept; ``down`` makes it unreachable."""

    def __init__(self, state: CustomerState | None = None, used: Mapping[str, int] = {}) -> None:
        self.state = state
        self.used = dict(used)
        self.known = NO_EVIDENCE
        self.down = False
        self.asked: list[tuple[str, ...]] = []
        self.calls = 0
        self.released: list[str] = []

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        return None if self.state is None else (self.state, msgspec.msgpack.encode(self.state))

    def usage(self, accounts: tuple[str, ...]) -> Mapping[str, int]:
        self.asked.append(accounts)
        return {account: self.used.get(account, 0) for account in accounts}

    def evidence(self) -> Evidence:
        return self.known

    def reserve(
        self, requests: tuple[ReservationRequest, ...], *, now: float
    ) -> tuple[Answer, ...]:
        self.calls += 1
        if self.down:
            raise Unavailable("the store is away")
        return tuple(self._answer(request) for request in requests)

    def release(self, reservations: tuple[str, ...], *, now: float) -> None:
        self.released.extend(reservations)

    def _answer(self, request: ReservationRequest) -> Answer:
        for hold in request.holds:
            room = hold.ceiling - self.used.get(hold.account, 0)
            if hold.amount > room:
                return Answer(
                    reservation_id=request.reservation_id,
                    granted=False,
                    refused_by=hold.limit,
                    room=room,
                )
        for hold in request.holds:
            self.used[hold.account] = self.used.get(hold.account, 0) + hold.amount
        return Answer(reservation_id=request.reservation_id, granted=True)


class Materials:
    """`Resources` over one catalog."""

    def __init__(
        self,
        catalog: CatalogView,
        *,
        scorer: Scorer | None = None,
        table: ComplementTable | None = None,
        channels: Mapping[str, Channel] | None = None,
    ) -> None:
        self.catalog = catalog
        template = TemplateChannel(None, catalog)
        self.channels: Mapping[str, Channel] = channels or dict.fromkeys(catalog.channels, template)
        self._scorer = scorer
        self._table = table

    def scorer(self, model: str) -> Scorer:
        assert self._scorer is not None
        return self._scorer

    def complements(self, table: str) -> ComplementTable:
        assert self._table is not None
        return self._table


def deciding(
    catalog: CatalogView,
    *placements: str | PlacementRequest,
    state: CustomerState | None = None,
    reads: Ledger | None = None,
    context: Mapping[str, Any] | None = None,
    now: float = NOW,
    seed: int = 1,
    deadline: float | None = None,
) -> Deciding:
    """A decision as the profile stage leaves it: every fitting treatment is a candidate."""
    wanted = tuple(
        PlacementRequest(each, catalog.placements[each].slots) if isinstance(each, str) else each
        for each in placements or ("banner",)
    )
    fitting = [catalog.fitting(each.placement) for each in wanted]
    slots = [np.full(len(each), slot, dtype=np.intp) for slot, each in enumerate(fitting)]
    made = Deciding(
        decision_id="d1",
        request=DecisionRequest(identity="crm:1", placements=wanted, context=dict(context or {})),
        placements=wanted,
        candidates=Candidates(np.concatenate(fitting), np.concatenate(slots), catalog.is_nothing),
        catalog=catalog,
        reads=reads or Ledger(state),
        now=now,
        seed=seed,
        deadline=deadline,
    )
    made.candidates.stage = "this stage"
    made.known = state is not None
    made.state = state or CustomerState(customer_id="crm:1")
    made.customer_id = made.state.customer_id
    made.customer = CustomerView(made.state, catalog.aggregates, now, known=made.known)
    return made


def customer(
    *consents: str, aggregates: Mapping[str, Any] | None = None, **attributes: Any
) -> CustomerState:
    """The customer crm:1."""
    return CustomerState(
        customer_id="crm:1",
        attributes=attributes,
        aggregates=dict(aggregates or {}),
        consents={word: Consent(granted=True, time=0.0) for word in consents},
    )


def scored(made: Deciding, scores: Mapping[str, float]) -> Deciding:
    """Give candidates a score by treatment, as arbitration leaves it."""
    treatments = made.catalog.treatments
    names = [treatments[index].id for index in made.candidates.index]
    column = np.array([scores.get(name, 0.0) for name in names])
    for name in ("lever", "weight", "propensity"):
        made.candidates[name] = np.ones(len(names))
    made.candidates["value"] = column
    made.candidates["cost"] = np.zeros(len(names))
    made.candidates["score"] = column
    return made


def surviving(made: Deciding) -> list[str]:
    """The treatments that are left."""
    return [made.catalog.treatments[index].id for index in made.candidates.index]


def dropped(made: Deciding) -> dict[str, str]:
    """Treatment → why it was dropped."""
    treatments = made.catalog.treatments
    return {
        treatments[index].id: drop.reason for drop in made.candidates.drops for index in drop.index
    }


def column(made: Deciding, name: str) -> dict[str, float]:
    """Treatment → its number in a column."""
    values: FloatArray = made.candidates[name]
    return dict(zip(surviving(made), values.tolist(), strict=True))


def recommended(made: Deciding) -> list[str]:
    """The treatments recommended, in order."""
    return [each.treatment for each in made.recommendations]


def run(stage: Stage, made: Deciding) -> Deciding:
    """Apply a stage."""
    stage.apply(made)
    return made


def sentence(stage: Any, made: Deciding, treatment: str) -> tuple[str, Sequence[Any]]:
    """What the stage says about a treatment it dropped."""
    wanted = made.catalog.treatment_index[treatment]
    for drop in made.candidates.drops:
        for position, index in enumerate(drop.index):
            if index == wanted:
                told: tuple[str, Sequence[Any]] = stage.explain(made, drop, position)
                return told
    raise AssertionError(f"{treatment} was not dropped")


Make = Callable[..., Stage]

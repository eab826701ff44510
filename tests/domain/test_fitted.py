"""Affinities, shares and reorder waits: what one customer's counters say against a prior."""

from __future__ import annotations

import pytest

from nba_engine.domain import AggregateSpec, CustomerState, CustomerView, Interaction
from nba_engine.domain.affinity_words import answers_code, said_code
from nba_engine.domain.algebra import fold_for, merge_states, value_of
from nba_engine.domain.fitted import AffinityPrior, Cycle, ReorderPrior, SharePrior, wait_of
from tests.stages.making import catalog as shop

DAY = 86_400.0
RATES = AffinityPrior(
    means={"": {"email": 0.1, "letter": 0.2}, "young": {"email": 0.3, "letter": 0.05}},
    weights={"email": 10.0, "letter": 4.0},
)
AFFINITY = AggregateSpec(
    name="a",
    kind="affinity",
    types=("sent",),
    positive=("accept",),
    by="channel",
    half_life=10 * DAY,
    prior=RATES,
)
SHARE = AggregateSpec(
    name="a",
    kind="share",
    types=("purchase",),
    by="category",
    half_life=10 * DAY,
    prior=SharePrior(means={"": {"milk": 0.25, "wine": 0.75}}, weight=4.0),
)
CYCLE = Cycle(shape=4.0, a=4.0, b=40.0, wait=(0.5, 1.0), usual=(1.0, 2.0))
REORDER = AggregateSpec(
    name="a",
    kind="reorder",
    types=("purchase",),
    by="category",
    prior=ReorderPrior(cycles={"milk": CYCLE}, share=0.25),
)


def happened(kind: str, days: float, number: int = 0, **properties: str | list[str]) -> Interaction:
    return Interaction(
        interaction_id=f"{kind}{days}{number}",
        identity="crm:1",
        type=kind,
        time=days * DAY,
        properties=dict(properties),
    )


def state(spec: AggregateSpec, *interactions: Interaction) -> object:
    return fold_for({"a": spec})({}, interactions).get("a")


def contacts(*channels: str, answered: int = 0, days: float = 0.0) -> list[Interaction]:
    sent = [happened("sent", days, n, channel=channel) for n, channel in enumerate(channels)]
    return [*sent, *(happened("accept", days, n, channel=channels[0]) for n in range(answered))]


def test_a_customer_without_contacts_is_like_others() -> None:
    assert value_of(AFFINITY, None, 0.0) == {"email": 1.0, "letter": 1.0}


def test_a_rate_is_pulled_to_what_is_usual_by_the_weight() -> None:
    found = value_of(AFFINITY, state(AFFINITY, *contacts("letter", "letter", answered=1)), 0.0)
    assert found == {"email": 1.0, "letter": pytest.approx((4 * 0.2 + 1) / (4 + 2) / 0.2)}


def test_evidence_fades_by_the_half_life() -> None:
    kept = state(AFFINITY, *contacts("letter", "letter", answered=1))
    found = value_of(AFFINITY, kept, 10 * DAY)
    assert found == {"email": 1.0, "letter": pytest.approx((4 * 0.2 + 0.5) / (4 + 1) / 0.2)}


def test_more_answers_than_contacts_are_as_many() -> None:
    kept = state(AFFINITY, *contacts("letter", answered=3))
    found = value_of(AFFINITY, kept, 0.0)
    assert found == {"email": 1.0, "letter": pytest.approx((4 * 0.2 + 1) / (4 + 1) / 0.2)}


def test_a_customers_general_level_counts_for_what_was_never_tried() -> None:
    prior = AffinityPrior(means=RATES.means, weights=RATES.weights, customer_weight=1.0)
    spec = AggregateSpec(
        name="a",
        kind="affinity",
        types=("sent",),
        positive=("accept",),
        by="channel",
        half_life=10 * DAY,
        prior=prior,
    )
    found = value_of(spec, state(spec, *contacts("letter", "letter", answered=2)), 0.0)
    assert isinstance(found, dict)
    assert found["email"] == pytest.approx((1 + 2) / (1 + 2 * 0.2))


def test_the_segment_says_what_is_usual() -> None:
    kept = CustomerState(
        customer_id="c",
        attributes={"segment": "young"},
        aggregates={"a": state(AFFINITY, *contacts("email"))},
    )
    spec = AggregateSpec(
        name="a",
        kind="affinity",
        types=("sent",),
        positive=("accept",),
        by="channel",
        half_life=10 * DAY,
        segment="segment",
        prior=RATES,
    )
    found = CustomerView(kept, {"a": spec}, 0.0)["a"]
    assert found == {"letter": 1.0, "email": pytest.approx(10 * 0.3 / 11 / 0.3)}


def test_shares_are_pulled_to_those_of_others_and_average_to_one() -> None:
    kept = state(SHARE, happened("purchase", 0, category=["milk", "milk", "beer"]))
    found = value_of(SHARE, kept, 0.0)
    assert isinstance(found, dict)
    assert found == {"milk": pytest.approx((4 + 2 / 0.25) / 6), "wine": pytest.approx(4 / 6)}
    assert 0.25 * found["milk"] + 0.75 * found["wine"] == pytest.approx(1.0)


def test_a_wait_is_that_of_others_until_the_customer_has_gaps_of_their_own() -> None:
    once = state(REORDER, happened("purchase", 3, category="milk"))
    assert value_of(REORDER, once, 8 * DAY) == {"milk": pytest.approx(5 / 10)}
    twice = state(
        REORDER,
        happened("purchase", 3, category="milk"),
        happened("purchase", 0, category=["milk", "milk"]),
        happened("purchase", 1, category="wine"),
    )
    assert isinstance(twice, dict)
    wait = wait_of(REORDER.prior, "milk", twice["milk"])  # type: ignore[arg-type]
    assert list(wait or ()) == pytest.approx([43 / 8, 2 * 43 / 8])
    assert value_of(REORDER, twice, 3 * DAY) == {"milk": 0.0}  # wine has no cycle


@pytest.mark.parametrize("spec", [AFFINITY, SHARE, REORDER], ids=lambda spec: str(spec.kind))
def test_no_order_and_no_merge_changes_what_is_counted(spec: AggregateSpec) -> None:
    done = [
        *contacts("letter", "email", answered=1, days=2),
        *contacts("letter", days=5),
        happened("purchase", 1, category=["milk", "wine"]),
        happened("purchase", 4, category="milk"),
        happened("purchase", 9, category="milk"),
    ]
    in_order = value_of(spec, state(spec, *done), 12 * DAY)
    backwards = value_of(spec, state(spec, *reversed(done)), 12 * DAY)
    merged = merge_states(spec, state(spec, *done[::2]), state(spec, *done[1::2]))
    assert in_order
    assert backwards == pytest.approx(in_order)
    assert value_of(spec, merged, 12 * DAY) == pytest.approx(in_order)


@pytest.mark.parametrize("spec", [AFFINITY, SHARE, REORDER], ids=lambda spec: str(spec.kind))
def test_without_a_prior_and_from_states_of_other_kinds_nothing_is_said(
    spec: AggregateSpec,
) -> None:
    bare = AggregateSpec(
        name="a",
        kind=spec.kind,
        types=spec.types,
        positive=spec.positive,
        by=spec.by,
        half_life=spec.half_life,
    )
    kept = state(spec, *contacts("letter"), happened("purchase", 1, category="milk"))
    assert value_of(bare, kept, 12 * DAY) == {}
    assert value_of(spec, 7, 0.0) == value_of(spec, None, 0.0)


def test_affinities_are_said_in_words() -> None:
    made = shop(
        'aggregates.a = { kind = "affinity", types = ["sent"], positive = ["accept"], by = "channel", half_life = "9d" }\n'
        'aggregates.b = { kind = "share", types = ["purchase"], by = "category", half_life = "9d" }'
    )
    said = said_code(made, answers_code("a", "app", 2.13))
    assert (
        said == f"this customer answers “{made.channels['app'].name}” 2.1 times as often as others"
    )
    assert said_code(made, "answers:b:MILK:0.5") == (
        "this customer takes “MILK” 0.5 times as much as others"
    )
    assert said_code(made, "answers:b:MILK:1.0") == ("this customer takes “MILK” as much as others")
    assert said_code(made, "answers:gone:MILK:2.0") == ""

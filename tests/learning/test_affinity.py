"""Affinities: counted as serving counts, fitted to known truths, refused on noise."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.affinities import CHANNELS, DAY, change_of_taste, contacted, quality, tastes
from nba_engine.domain import AggregateSpec, Interaction
from nba_engine.domain.algebra import fold_for, value_of
from nba_engine.domain.fitted import AffinityPrior, SharePrior
from nba_engine.learning.affinity import (
    Events,
    Finding,
    Scored,
    choices_of,
    contacts_of,
    events_of,
    fit_aggregate,
    fit_rates,
    fit_score,
    fit_shares,
    likelihoods,
    predicted,
    prior_before,
)
from nba_engine.learning.interactions import Interactions

SPEC = AggregateSpec(
    name="channel_affinity",
    kind="affinity",
    types=("sent",),
    positive=("accept",),
    by="channel",
    half_life=120 * DAY,
)
SHARE = AggregateSpec(
    name="assortment", kind="share", types=("purchase",), by="category", half_life=60 * DAY
)


def columns(
    events: Events, *, kinds: tuple[str, str] = ("sent", "accept"), field: str = "channel"
) -> Interactions:
    """Events as the store's interactions would be read."""
    order = np.lexsort((events.time, events.customer))
    words = np.array(events.words, dtype=np.object_)[events.word[order]]
    ids = np.array([str(row) for row in range(len(order))], dtype=np.object_)
    return Interactions(
        customer_ids=tuple(f"c{n}" for n in range(events.customers)),
        types=kinds,
        customer=events.customer[order],
        type=events.positive[order].astype(np.intp),
        time=events.time[order],
        interaction_id=ids,
        recommendation_id=np.full(len(order), "", dtype=np.object_),
        fields={field: words},
    )


def fitted(chances: NDArray[np.float64], *, seed: int = 1, per_year: float = 12.0) -> Finding:
    random = np.random.default_rng(seed)
    events, _ = contacted(random, chances, 730.0, per_year)
    return fit_aggregate(columns(events), SPEC, facts={}, random=random)


def test_what_is_learned_from_is_what_the_online_counters_said() -> None:
    random = np.random.default_rng(3)
    events, _ = contacted(random, np.full((3, 4), 0.4), 200.0, 30.0)
    contacts = contacts_of(events, SPEC.half_life)
    prior = AffinityPrior(
        means={"": dict(zip(CHANNELS, (0.3, 0.1, 0.2, 0.4), strict=True))},
        weights=dict.fromkeys(CHANNELS, 5.0),
        customer_weight=2.0,
    )
    spec = msgspec.structs.replace(SPEC, prior=prior)
    chance = predicted(contacts, prior)
    for row in (0, len(chance) // 2, len(chance) - 1):
        now, word = float(contacts.time[row]), CHANNELS[contacts.word[row]]
        mine = (events.customer == contacts.customer[row]) & (events.time < now)
        done = [
            Interaction(
                interaction_id=str(at),
                identity="crm:1",
                type="accept" if events.positive[at] else "sent",
                time=float(events.time[at]),
                properties={"channel": CHANNELS[events.word[at]]},
            )
            for at in np.flatnonzero(mine).tolist()
        ]
        state = fold_for({"a": spec})({}, done).get("a")
        value = value_of(spec, state, now)
        assert isinstance(value, dict)
        assert value[word] * prior.means[""][word] == pytest.approx(chance[row], rel=1e-6)


def test_the_fit_finds_the_weight_that_tastes_were_drawn_with() -> None:
    random = np.random.default_rng(5)
    chances = random.beta(8 * 0.2, 8 * 0.8, (700, 4))  # every channel by itself: κ is 8
    events, _ = contacted(random, chances, 730.0, 8.0)
    prior = fit_rates(contacts_of(events, 1e6 * DAY))
    assert 5.5 < np.mean(list(prior.weights.values())) < 11.5
    assert list(prior.means[""].values()) == pytest.approx([0.2] * 4, abs=0.03)


def test_fitted_rates_predict_better_than_raw_and_pooled_ones() -> None:
    found = quality(11, customers=400)
    assert found.truth < found.fitted < min(found.raw, found.softened, found.pooled)


def test_a_new_taste_is_learned_within_two_half_lives() -> None:
    found = change_of_taste(12, customers=200, per_year=18.0)
    assert found.fitted <= 1.05 * found.oracle
    assert found.fitted < found.pooled


def test_customers_who_differ_are_told_from_noise() -> None:
    different = fitted(tastes(np.random.default_rng(1), 160))
    assert different.fitted is not None
    assert min(different.losses, key=different.losses.__getitem__) == "fitted"
    alike = fitted(np.tile([0.05, 0.12, 0.03, 0.08], (160, 1)))
    assert alike.fitted is None
    assert "no better than everybody's rate" in alike.refusal


def test_a_handful_of_answers_shows_nothing() -> None:
    few = fitted(np.full((10, 4), 0.1), per_year=2.0)
    assert few.fitted is None
    assert not few.judged
    assert "it takes 50 with and 50 without an answer" in few.refusal


def test_a_segment_has_means_of_its_own() -> None:
    random = np.random.default_rng(6)
    chances = np.where(np.arange(200)[:, None] < 100, 0.3, 0.05) * np.ones((200, 4))
    events, _ = contacted(random, chances, 730.0, 8.0)
    spec = msgspec.structs.replace(SPEC, segment="persona")
    names = ["fan"] * 100 + ["other"] * 75 + [""] * 25
    found = fit_aggregate(columns(events), spec, facts={}, segment_of=names, random=random)
    assert found.fitted is not None
    assert isinstance(found.fitted.prior, AffinityPrior)
    means = found.fitted.prior.means
    assert means["fan"]["letter"] == pytest.approx(0.3, abs=0.04)
    assert means["other"]["letter"] == pytest.approx(0.05, abs=0.02)


def test_a_segment_that_was_set_after_the_cut_does_not_help_to_predict_what_came_before() -> None:
    """It is made of the answers that it is to predict: a perfect leak, if today's were used."""
    random = np.random.default_rng(8)
    events, _ = contacted(random, np.full((120, 4), 0.25), 365.0, 8.0)
    late = events.time > np.quantile(events.time, 0.75)
    heard = np.bincount(events.customer[late & events.positive], minlength=120)
    names = ["fan" if one else "other" for one in heard > np.median(heard)]
    spec = msgspec.structs.replace(SPEC, segment="persona")
    cut, end = float(np.quantile(events.time, 0.7)), float(events.time.max())

    def finding(segment_of: list[str], *since: float) -> Finding:
        return fit_aggregate(
            columns(events),
            spec,
            facts={},
            segment_of=segment_of,
            segment_since=list(since) * 120,
            random=np.random.default_rng(1),
        )

    leaking, honest, without = finding(names), finding(names, end), finding([])
    assert leaking.gain is not None
    assert leaking.gain.low > 0.001
    assert honest.losses == without.losses
    assert honest.fitted == without.fitted
    assert "without segments: most customers' 'persona' was set after" in honest.note
    known = finding(names, cut - 400 * DAY)  # set in time, so it may be used
    assert (known.losses, known.note) == (leaking.losses, "")


def bought(shares: NDArray[np.float64], *, seed: int, number: int = 30) -> Events:
    """Purchases once a week, by each customer's shares."""
    random = np.random.default_rng(seed)
    customers, width = shares.shape
    word = np.concatenate([random.choice(width, number, p=row) for row in shares])
    return Events(
        customers,
        tuple("abcdefgh"[:width]),
        np.repeat(np.arange(customers), number),
        word,
        np.tile(np.arange(number) * 7 * DAY, customers),
        np.zeros(customers * number, dtype=np.bool_),
    )


def test_shares_find_the_weight_that_tastes_were_drawn_with() -> None:
    random = np.random.default_rng(7)
    mean = np.array([0.5, 0.3, 0.15, 0.05])
    choices = choices_of(bought(random.dirichlet(10 * mean, 500), seed=8), 1e6 * DAY)
    prior = fit_shares(choices)
    assert 8.0 < prior.weight < 12.5
    assert list(prior.means[""].values()) == pytest.approx(mean.tolist(), abs=0.03)
    assert likelihoods(choices, 1e9, mean) == pytest.approx(mean[choices.word], rel=1e-6)


def test_tastes_in_goods_are_told_from_noise() -> None:
    random = np.random.default_rng(9)
    mean = np.array([0.5, 0.3, 0.15, 0.05])
    for shares, kept in ((random.dirichlet(5 * mean, 150), True), (np.tile(mean, (150, 1)), False)):
        events = bought(shares, seed=10)
        found = fit_aggregate(
            columns(events, kinds=("purchase", "return"), field="category"),
            SHARE,
            facts={},
            random=np.random.default_rng(1),
        )
        assert (found.fitted is not None) == kept
        assert found.fitted is None or isinstance(found.fitted.prior, SharePrior)


def test_interactions_from_before_a_tag_was_recorded_have_it_from_their_treatment() -> None:
    found = Interactions(
        customer_ids=("c",),
        types=("sent", "accept"),
        customer=np.zeros(3, dtype=np.intp),
        type=np.array([0, 0, 1]),
        time=np.arange(3.0),
        interaction_id=np.array(["a", "b", "c"], dtype=np.object_),
        recommendation_id=np.array(["", "", ""], dtype=np.object_),
        fields={
            "tone": np.array([None, "cool", None], dtype=np.object_),
            "treatment": np.array(["x.letter", "x.letter", "gone"], dtype=np.object_),
        },
    )
    spec = msgspec.structs.replace(SPEC, by="tone")
    events = events_of(found, spec, {"x.letter": {"tone": "warm"}})
    assert [events.words[at] for at in events.word] == ["warm", "cool"]


def scored(
    seed: int, exponents: tuple[float, float], *, number: int = 6000, customers: int = 600
) -> Scored:
    """Contacts whose odds are known to be propensity times affinities to these exponents."""
    random = np.random.default_rng(seed)
    affinity = random.normal(0.0, 0.6, (number, 2))
    propensity = random.beta(2.0, 10.0, number)
    logit = np.log(propensity / (1 - propensity)) - 0.3 + affinity @ np.array(exponents)
    return Scored(
        names=("channel_affinity", "assortment"),
        customer=random.integers(0, customers, number),
        time=np.arange(number, dtype=np.float64),
        propensity=propensity,
        affinity=affinity,
        answered=(random.random(number) < 1 / (1 + np.exp(-logit))).astype(np.float64),
    )


def test_the_score_finds_how_far_affinities_bear_out() -> None:
    found = fit_score(scored(1, (1.0, 0.5)), random=np.random.default_rng(1))
    assert found.score is not None
    assert found.score.bias == pytest.approx(-0.3, abs=0.15)
    assert found.score.slope == pytest.approx(1.0, abs=0.08)
    assert list(found.score.exponents.values()) == pytest.approx([1.0, 0.5], abs=0.12)
    assert min(found.losses, key=found.losses.__getitem__) == "treatment score"


def test_affinities_that_say_nothing_of_responses_make_no_score() -> None:
    found = fit_score(scored(2, (0.0, 0.0)), random=np.random.default_rng(1))
    assert found.score is None
    assert "no better than" in found.refusal


def test_the_score_is_judged_by_what_was_usual_before_the_cut() -> None:
    """Affinities that know the answers make a perfect score, if they may be held against them."""
    rows = scored(5, (0.0, 0.0))
    random = np.random.default_rng(2)
    knows = rows.affinity + 2.0 * rows.answered[:, np.newaxis]
    leaking = msgspec.structs.replace(rows, affinity=knows)
    assert fit_score(leaking, random=np.random.default_rng(1)).score is not None
    honest = msgspec.structs.replace(leaking, then=random.normal(0.0, 0.6, knows.shape))
    found = fit_score(honest, random=np.random.default_rng(1))
    assert found.score is None
    assert "no better than" in found.refusal


@pytest.mark.parametrize("spec", [SPEC, SHARE], ids=["rates", "shares"])
def test_what_was_usual_before_a_moment_knows_nothing_of_what_followed(spec: AggregateSpec) -> None:
    if spec is SPEC:
        chances = tastes(np.random.default_rng(9), 60)
        events, _ = contacted(np.random.default_rng(9), chances, 730.0, 12.0)
        kinds, field = ("sent", "accept"), "channel"
    else:
        events, kinds, field = bought(np.full((60, 4), 0.25), seed=9), ("purchase", "x"), "category"
    moment = float(np.quantile(events.time, 0.6))
    followed = events.time >= moment
    word = np.where(followed, 0, events.word)
    other = events._replace(word=word)
    priors = [
        prior_before(columns(one, kinds=kinds, field=field), spec, moment=moment, facts={})
        for one in (events, other)
    ]
    assert priors[0] is not None
    assert priors[0] == priors[1]
    again = fit_aggregate(
        columns(other, kinds=kinds, field=field), spec, facts={}, random=np.random.default_rng(1)
    )
    assert all(one.mean != priors[0].means[""][one.word] for one in again.words)
    early = prior_before(columns(events, kinds=kinds, field=field), spec, moment=-1.0, facts={})
    assert early is None


def test_responses_that_contradict_the_affinities_make_no_score() -> None:
    found = fit_score(scored(4, (-0.5, -0.5)), random=np.random.default_rng(1))
    assert found.score is None
    assert found.gain is not None
    assert found.gain.value == pytest.approx(0.0, abs=1e-4)
    assert "no better than" in found.refusal


def test_without_logged_responses_there_is_no_score() -> None:
    found = fit_score(scored(3, (1.0, 1.0), number=40), random=np.random.default_rng(1))
    assert found.score is None
    assert "it takes 50 each" in found.refusal

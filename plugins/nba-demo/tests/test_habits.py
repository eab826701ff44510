"""What households like and when they need it again: as fitted, as served, as told."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from nba_demo.baselines import fit_gamma_poisson
from nba_demo.catalog_files import ASKED, write_catalog
from nba_demo.catalog_policy import rules_file
from nba_demo.cycles import Cycles, fit_cycles
from nba_demo.data import CUT_OFF, DAY
from nba_demo.features import CYCLE
from nba_demo.hits import count_hits
from nba_demo.importing import identity
from nba_demo.panel import at_moment
from nba_demo.personas import Persona, Personas, fit_personas
from nba_demo.replay import Replayed, Shown
from nba_demo.summary_habits import told_cycles
from nba_demo.tastes import events_before
from nba_demo.training import publish_model
from nba_engine.app import check, open_app
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.domain.fitted import Fitted, ReorderPrior, shares
from nba_engine.engine import Engine
from nba_engine.learning.reorder import cycle_of
from nba_engine.learning.reorder.cycles import Pace
from nba_engine.learning.resampling import Interval

from .small import Small


def test_affinities_are_those_that_serving_computes(small: Small) -> None:
    moment = at_moment(small.panel, CUT_OFF)
    found = small.trained.tastes.affinities(moment)
    words = [offer.category for offer in small.offers]
    for household in np.flatnonzero(moment.active)[:20]:
        cells = {
            word: [CUT_OFF, amount]
            for word, amount in zip(words, moment.taken[household].tolist(), strict=True)
        }
        served = shares(small.trained.tastes.prior, cells, CUT_OFF, 1 / (180 * DAY), "")
        assert found[household] == pytest.approx([served[word] for word in words])


def test_own_shares_foretell_more_than_everybodys(small: Small) -> None:
    taste = small.trained.taste
    assert taste.loss < taste.alike
    assert taste.saved.low > 0
    assert taste.saved.value == pytest.approx(taste.alike - taste.loss)


def test_only_what_was_bought_before_the_moment_is_learned_from(small: Small) -> None:
    events = events_before(small.panel, small.offers, CUT_OFF)
    assert events.time.max() < CUT_OFF
    assert len(events.time) == small.panel.span(-np.inf, CUT_OFF).stop
    first = events.customer == events.customer[0]
    told = {events.words[at] for at in events.word[first].tolist()}
    row = at_moment(small.panel, CUT_OFF).count[events.customer[0]]
    assert told == {o.category for o, n in zip(small.offers, row.tolist(), strict=True) if n}


def test_what_is_kept_serves_and_the_rest_is_counted(small: Small) -> None:
    cycles, fitted = fit_cycles(small.panel, small.offers, seed=7)
    assert cycles.categories == len(small.offers)
    assert (fitted is None) == (not cycles.kept)
    if fitted is not None:
        assert isinstance(fitted.prior, ReorderPrior)
        assert {one.category for one in cycles.kept} == set(fitted.prior.cycles)
    else:
        assert cycles.refusal


def test_the_summary_says_when_windows_are_not_used() -> None:
    no_gain = Interval(value=0.0, low=-0.1, high=0.1)
    found = Cycles(
        categories=150, kept=(), offers=9, hits={}, gain=no_gain, refusal="they do no better"
    )
    told = told_cycles(found).plain
    assert told.startswith("Reorder windows are not used: they do no better.")
    assert "150 categories keep a fixed window" in told


def test_too_few_households_have_no_target_groups(small: Small, tmp_path: Path) -> None:
    revenue = np.ones(len(small.year.households))
    found, belongs = fit_personas(small.year, small.panel, small.offers, revenue, tmp_path, seed=7)
    assert (found.groups, found.least, belongs) == ((), "", {})
    assert "too few" in found.verdict
    assert list(tmp_path.iterdir()) == []


def test_the_group_that_spends_least_gets_no_letters() -> None:
    def group(name: str, revenue: float) -> Persona:
        return Persona(name=name, description="", households=9, share=0.5, revenue=revenue)

    found = Personas(groups=(group("high_visits", 90.0), group("low_bread", 40.0)), verdict="Yes.")
    rules = tomllib.loads(rules_file(set(), found.least))["rules"]
    assert 'customer.segment != "low_bread"' in rules["letters_for_other_segments"]["when"]
    assert "letters_for_other_segments" not in tomllib.loads(rules_file(set()))["rules"]


def test_a_catalog_with_cycles_and_segments_is_a_right_one(small: Small, copied: Path) -> None:
    settings = write_catalog(
        copied,
        small.offers,
        small.trained.popularity,
        listen="127.0.0.1:0",
        cycles={small.offers[0].category},
        poorest="low_bread",
    )
    assert check(settings, environ={}) == []
    offers = tomllib.loads((copied / "catalog" / "offers.toml").read_text("utf-8"))["actions"]
    assert [name for name, one in offers.items() if one.get("reorder")] == [small.offers[0].id]


def test_survivors_are_reproduced_where_offers_wait_for_a_cycle(small: Small, copied: Path) -> None:
    waiting = [offer.category for offer in small.offers[:40]]
    cycle = cycle_of(Pace(2.0, 3.0, 60.0), 0.5)
    cycles = Fitted(
        by=CYCLE.by,
        half_life=CYCLE.half_life,
        types=CYCLE.types,
        prior=ReorderPrior(cycles=dict.fromkeys(waiting[:30], cycle), share=0.5),
    )
    trained = small.trained
    publish_model(copied, trained, small.offline, small.year.data_hash, cycles=cycles)
    settings = write_catalog(
        copied, small.offers, trained.popularity, listen="127.0.0.1:0", cycles=waiting
    )
    with open_app(settings, environ={}) as app:
        engine = app.engine
        made = [_decided(engine, small, basket) for basket in _first_trips(small)[:15]]
        engine.log.flush()
        hits = count_hits(
            small.year,
            small.panel,
            small.offers,
            made,
            catalog=engine.catalog,
            log=engine.log,
            popularity=trained.popularity,
            frequency=fit_gamma_poisson(at_moment(small.panel, CUT_OFF)),
        )
        told = [word for one in made for word in engine.explain(one.decision_id).sentences]
    assert (hits.decisions, hits.mismatches) == (15, 0)
    kept_back = sum(one.dropped.get("cross_sell/bought_recently", 0) for one in made)
    assert kept_back > 15 * 20
    assert any("as much as others" in sentence for sentence in told)


def _first_trips(small: Small) -> list[int]:
    """The first trip of each household after the cut-off: the store knows all that was before."""
    year = small.year
    start = int(np.searchsorted(year.basket_time, CUT_OFF))
    _, first = np.unique(year.basket_household[start:], return_index=True)
    return sorted((start + first).tolist())


def _decided(engine: Engine, small: Small, basket: int) -> Replayed:
    year = small.year
    decision = engine.decide(
        DecisionRequest(
            identity=identity(int(year.households[year.basket_household[basket]])),
            placements=tuple(
                PlacementRequest(placement=name, slots=slots) for name, slots in ASKED.items()
            ),
            time=float(year.basket_time[basket]),
        )
    )
    return Replayed(
        decision_id=decision.decision_id,
        basket=basket,
        asked=tuple(ASKED),
        time=decision.time,
        seconds=0.0,
        candidates=decision.candidates,
        dropped=decision.dropped,
        stage_micros={},
        shown=tuple(
            Shown(
                one.placement,
                one.position,
                one.action,
                one.treatment,
                one.channel,
                0,
                one.propensity,
                0,
                reserved=False,
            )
            for one in decision.recommendations
        ),
        degraded=decision.degraded,
        overruns=0,
    )

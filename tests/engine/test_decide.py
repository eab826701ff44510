from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nba_engine.domain import Deciding, DecisionRequest, PlacementRequest
from nba_engine.engine.requests import RequestReader
from nba_engine.errors import DeadlineExceeded, InvalidRequest, Unavailable
from nba_engine.settings import StageSettings
from tests.engine.world import CATALOG, NOON, STAGES, ask, shop
from tests.pipeline.faulty import Doing, factory, raises


def test_the_best_treatments_are_recommended_for_each_placement(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1", "banner", "newsletter"))
    chosen = [(r.placement, r.position, r.treatment) for r in decision.recommendations]
    assert chosen == [
        ("banner", 0, "cereal.app"),
        ("banner", 1, "milk.app"),
        ("newsletter", 0, "wine.email"),
    ]
    assert decision.known
    assert decision.time == NOON
    assert decision.degraded == ()
    assert decision.catalog_version
    assert set(decision.stage_micros) == set(STAGES)


def test_candidates_are_recommended_or_dropped_and_nothing_is_lost(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        fitting = sum(len(engine.catalog.fitting(p)) for p in ("banner", "newsletter"))
        for identity in ("crm:1", "crm:2", "crm:unknown"):
            decision = engine.decide(ask(identity, "banner", "newsletter", cart=["MILK"]))
            recommended = len(decision.recommendations)
            assert decision.candidates == fitting
            assert recommended + sum(decision.dropped.values()) == fitting


def test_ids_are_unique_128_bits_and_ordered_by_time(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        ids = [engine.decide(ask()).decision_id for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(len(one) == 32 and int(one, 16) for one in ids)
    assert {int(one[:12], 16) for one in ids} == {int(NOON * 1000)}


def test_the_seed_of_the_request_decides_among_equals(tmp_path: Path) -> None:
    catalog = CATALOG.replace("prior = 0.10\nvalue = 5.0", "prior = 0.20\nvalue = 3.0")
    with shop(tmp_path, catalog=catalog) as engine:

        def first(seed: int | None) -> str:
            return engine.decide(ask(seed=seed, slots=1)).recommendations[0].treatment

        assert first(7) == first(7)
        assert len({first(seed) for seed in range(20)}) > 1
        assert len({first(None) for _ in range(40)}) > 1


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ask("crm:1", "bannr"), "placements[0].placement"),
        (ask("crm:1", "banner", "banner"), "placements[1].placement"),
        (ask("crm:1", slots=51), "placements[0].slots"),
        (ask("crm:1", slots=-1), "placements[0].slots"),
        (ask("nobody"), "identity"),
        (ask("crm:" + "x" * 300), "identity"),
        (ask("crm:1", weather="wet"), "context[weather]"),
        (ask("crm:1", hour="noon"), "context[hour]"),
        (ask("crm:1", hour=float("nan")), "context[hour]"),
        (ask("crm:1", cart="MILK"), "context[cart]"),
        (ask("crm:1", cart=[1]), "context[cart]"),
        (ask("crm:1", time=float("inf")), "time"),
        (ask("crm:1", seed=-1), "seed"),
        (DecisionRequest(identity="crm:1", placements=()), "placements"),
        (
            DecisionRequest(
                identity="crm:1", placements=tuple(PlacementRequest(f"p{i}") for i in range(33))
            ),
            "placements",
        ),
    ],
)
def test_a_malformed_request_is_refused_with_its_field(
    request_: DecisionRequest, field: str, tmp_path: Path
) -> None:
    with shop(tmp_path) as engine, pytest.raises(InvalidRequest) as caught:
        engine.decide(request_)
    assert field in {violation.field for violation in caught.value.violations}


def test_every_violation_of_a_request_is_told_at_once(tmp_path: Path) -> None:
    bad = ask("x", "bannr", seed=-1, hour="noon")
    with shop(tmp_path) as engine, pytest.raises(InvalidRequest) as caught:
        engine.decide(bad)
    assert {violation.field for violation in caught.value.violations} == {
        "identity",
        "placements[0].placement",
        "context[hour]",
        "seed",
    }
    assert "banner" in str(caught.value)  # did you mean


def test_only_a_simulated_store_lets_requests_set_time_and_seed(tmp_path: Path) -> None:
    with shop(tmp_path, simulated=False) as engine:
        with pytest.raises(InvalidRequest) as caught:
            engine.decide(ask())
        assert caught.value.reason == "TIME_NOT_ALLOWED"
        assert engine.decide(ask(time=None, seed=None)).time == NOON  # the engine's own clock


def test_whole_numbers_are_taken_where_doubles_are_declared(tmp_path: Path) -> None:
    seen: list[Any] = []
    stages = (*STAGES, "look")
    look = factory(Doing(lambda deciding: seen.append(deciding.context["hour"])))
    with shop(tmp_path, stages=stages, look=look) as engine:
        engine.decide(ask(hour=7))
    assert seen == [7.0]
    assert type(seen[0]) is float


def test_a_passed_deadline_leaves_no_reservation(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        with pytest.raises(DeadlineExceeded):
            engine.decide(ask("crm:1", "newsletter"), deadline=time.monotonic() - 1)
        assert list(engine.store.usage_report()) == []
        engine.decide(ask("crm:1", "newsletter"), deadline=time.monotonic() + 60)
        assert [usage.reserved for usage in engine.store.usage_report()] == [1]


def test_an_answer_that_nobody_gets_gives_back_what_it_reserved(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        decision = engine.decide(ask("crm:1", "newsletter"))
        assert [usage.reserved for usage in engine.store.usage_report()] == [1]
        engine.withdraw(decision)
        assert [usage.reserved for usage in engine.store.usage_report()] == [0]
        engine.withdraw(engine.decide(ask("crm:1", "banner")))  # reserves nothing


def test_candidates_nobody_recommended_are_dropped_at_last(tmp_path: Path) -> None:
    with shop(tmp_path, stages=("profile", "prior")) as engine:
        decision = engine.decide(ask())
    assert decision.recommendations == ()
    assert decision.dropped == {"pipeline/outranked": decision.candidates}


def test_a_failed_slate_that_drops_still_balances_the_books(tmp_path: Path) -> None:
    stages = (*STAGES[:-1], StageSettings(stage="bad_slate"))
    bad = factory(Doing(raises(ValueError())), "drop")
    with shop(tmp_path, stages=stages, bad_slate=bad) as engine:
        decision = engine.decide(ask())
    assert decision.degraded == ("bad_slate",)
    assert decision.candidates == sum(decision.dropped.values())
    assert decision.dropped["pipeline/stage_failed"] == 1  # nothing, which filters spare


def test_a_log_that_cannot_keep_up_is_named_and_the_answer_goes_out(tmp_path: Path) -> None:
    with shop(tmp_path, queue=1) as engine:
        decisions = [engine.decide(ask()) for _ in range(200)]
    assert any(decision.degraded == ("decision_log",) for decision in decisions)
    assert all(decision.recommendations for decision in decisions)


def test_a_store_that_cannot_be_read_makes_the_call_unavailable(tmp_path: Path) -> None:
    stages = (StageSettings(stage="profile", on_error="ignore"), *STAGES[1:])
    with shop(tmp_path, stages=stages) as engine:
        engine.store.close()
        with pytest.raises(Unavailable):
            engine.decide(ask())


def test_a_reload_swaps_the_catalog_and_a_broken_one_leaves_the_old_one(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        before = engine.catalog.version
        broken = CATALOG.replace("customer.age >=", "customer.agge >=")
        assert [m.file.partition(":")[0] for m in engine.validate_catalog({"a.toml": broken})]
        with pytest.raises(Exception, match="agge"):
            engine.reload({"a.toml": broken})
        assert engine.catalog.version == before
        assert engine.validate_catalog({"a.toml": CATALOG}) == []
        engine.reload({"a.toml": CATALOG.replace("prior = 0.30", "prior = 0.90")})
        assert engine.catalog.version != before
        assert engine.decide(ask()).recommendations[0].action == "milk"


def test_a_stage_that_fails_is_named_and_the_decision_still_comes(tmp_path: Path) -> None:
    def half(deciding: Deciding) -> None:
        deciding.candidates["weight"] = np.full(len(deciding.candidates), np.nan)

    stages = (*STAGES[:4], "half", *STAGES[4:])
    with shop(tmp_path, stages=stages, half=factory(Doing(half), "ignore")) as engine:
        decision = engine.decide(ask())
    assert decision.degraded == ("half",)
    assert [one.treatment for one in decision.recommendations] == ["cereal.app", "milk.app"]


def test_plans_of_many_different_requests_do_not_pile_up(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        reader = RequestReader(engine.catalog)
        reader._cached = 999_800  # as after many requests
        first, _ = reader.read(ask(slots=1), simulated=True)
        assert len(reader._plans) == 1
        reader.read(ask(slots=2), simulated=True)
        assert list(reader._plans) == [ask(slots=2).placements]
        assert (
            reader.read(ask(slots=2), simulated=True)[1] is reader._plans[ask(slots=2).placements]
        )
    assert first.placements[0].slots == 1


@pytest.mark.parametrize("policy", ["drop", "ignore"])
def test_a_ledger_that_cannot_be_read_makes_the_call_unavailable(
    policy: Any, tmp_path: Path
) -> None:
    def cut(deciding: Deciding) -> None:
        engine.store.close()

    stages = (
        *STAGES[:2],
        "cut",
        StageSettings(stage="contact_policy", on_error=policy),
        *STAGES[3:],
    )
    broken = shop(tmp_path, stages=stages, cut=factory(Doing(cut)))
    with broken as engine, pytest.raises(Unavailable) as caught:
        engine.decide(ask("crm:1", "newsletter"))
    assert caught.value.metadata["dependency"] == "store"

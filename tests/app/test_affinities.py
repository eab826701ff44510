"""A fit is put in force in running servers, and decisions made before it can still be explained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nba_engine.app import check, open_app
from nba_engine.app.affinities import keep_fitted
from nba_engine.domain import Decision, DecisionRequest, Interaction, PlacementRequest
from nba_engine.domain.fitted import (
    AFFINITIES,
    AffinityPrior,
    Fitted,
    FittedTable,
    TreatmentScore,
)
from nba_engine.engine import Engine
from nba_engine.settings import load_settings

SETTINGS = '[store]\nurl = "sqlite:data/nba.db"\n' + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n'
    for stage in ("profile", "treatment_score", "value", "arbitration", "slate")
)
CATALOG = """
[aggregates.app_affinity]
kind = "affinity"
types = ["impression"]
positive = ["accept"]
by = "channel"
half_life = "200d"
[channels.app]
[placements.banner]
channel = "app"
[actions.nothing]
kind = "nothing"
[actions.tea]
prior = 0.4
value = 4.0
treatments.app = { channel = "app" }
"""


def shop(folder: Path) -> Path:
    (folder / "catalog").mkdir()
    (folder / "catalog/shop.toml").write_text(CATALOG)
    (folder / "nba.toml").write_text(SETTINGS)
    return folder / "nba.toml"


def table(rate: float) -> FittedTable:
    prior = AffinityPrior(means={"": {"app": rate}}, weights={"app": 1.0})
    fitted = Fitted(
        by="channel",
        half_life=200 * 86_400.0,
        types=("impression",),
        positive=("accept",),
        prior=prior,
    )
    score = TreatmentScore(bias=0.0, slope=1.0, exponents={"app_affinity": 1.0})
    return FittedTable(aggregates={"app_affinity": fitted}, score=score)


def made_anew(rate: float) -> Callable[[FittedTable], FittedTable]:
    return lambda _before: table(rate)


def decided(engine: Engine) -> Decision:
    return engine.decide(
        DecisionRequest(identity="crm:1", placements=(PlacementRequest("banner", 1),))
    )


def said(decision: Decision) -> list[str]:
    return [code for code in decision.recommendations[0].reason_codes if code.startswith("answers")]


def test_a_running_server_switches_to_a_fit_and_explains_what_it_decided_before(
    tmp_path: Path,
) -> None:
    path = shop(tmp_path)
    settings = load_settings(path, {})
    with open_app(path, environ={}, publish=True) as app:
        engine = app.engine
        happened = [("impression", "a"), ("accept", "b")]
        engine.record(
            [
                Interaction(
                    interaction_id=name,
                    identity="crm:1",
                    type=kind,
                    time=engine.now - 1,
                    properties={"channel": "app"},
                )
                for kind, name in happened
            ]
        )
        decisions = [decided(engine)]
        for rate in (0.2, 0.1):  # (rate + 1) / 2 is 3 times, and 5.5 times the usual
            version, in_force = keep_fitted(path, settings, made_anew(rate), environ={})
            assert in_force
            engine.catalogs.step()
            assert engine.model_versions == {AFFINITIES: version}
            decisions.append(decided(engine))
        told = [[], ["answers:app_affinity:app:3.0"], ["answers:app_affinity:app:5.5"]]
        assert [said(one) for one in decisions] == told
    with open_app(path, environ={}) as app:  # nothing is remembered but what is stored
        for one, codes in zip(decisions, told, strict=True):
            again = app.engine.explain(one.decision_id)
            assert [
                code for code in again.decision.recommendations[0].reason_codes if ":" in code
            ] == codes


def test_without_a_published_catalog_the_next_server_reads_it(tmp_path: Path) -> None:
    path = shop(tmp_path)
    open_app(path, environ={}).close()
    version, in_force = keep_fitted(path, load_settings(path, {}), made_anew(0.2), environ={})
    assert not in_force
    with open_app(path, environ={}) as app:
        assert app.engine.model_versions == {AFFINITIES: version}


def test_a_table_that_cannot_be_read_is_a_mistake_until_it_is_made_anew(tmp_path: Path) -> None:
    path = shop(tmp_path)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/affinities.json").write_text("{")
    assert [one.file for one in check(path, environ={})] == [
        str(tmp_path / "tables/affinities.json")
    ]
    (tmp_path / "tables/affinities.json").unlink()
    open_app(path, environ={}).close()  # which makes the store
    (tmp_path / "tables/affinities.json").write_text("{")
    keep_fitted(path, load_settings(path, {}), made_anew(0.2), environ={})
    assert check(path, environ={}) == []

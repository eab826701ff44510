"""`nba affinity fit` and `nba reorder fit`, from a store with decisions to decisions that differ."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nba_engine.app import App, open_app
from nba_engine.domain import (
    DecisionRequest,
    Interaction,
    PlacementRequest,
    ProfileUpdate,
    Recommendation,
)
from nba_engine.learning.affinity import Scored, ScoreFinding, fit_score
from nba_engine.store import open_store

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

DAY = 86_400.0
START = time.time() - 205 * DAY  # commands look at customers as of now
SETTINGS = '[store]\nurl = "sqlite:data/nba.db"\n' + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n'
    for stage in ("profile", "treatment_score", "cross_sell", "value", "arbitration", "slate")
)
CATALOG = """
[aggregates.tone_affinity]
kind = "affinity"
types = ["impression"]
positive = ["accept"]
by = "tone"
half_life = "200d"
[aggregates.reorder]
kind = "reorder"
types = ["purchase"]
by = "category"
[aggregates.last_bought]
kind = "last"
types = ["purchase"]
by = "category"
[channels.app]
[placements.cool]
channel = "app"
[placements.warm]
channel = "app"
[actions.nothing]
kind = "nothing"
[actions.tea]
prior = 0.4
value = 4.0
reorder = true
attributes = { category = "TEA" }
[actions.tea.treatments]
cool = { channel = "app", placements = ["cool"], attributes = { tone = "cool" } }
warm = { channel = "app", placements = ["warm"], attributes = { tone = "warm" } }
"""
CUSTOMERS = 60


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog/shop.toml").write_text(CATALOG)
    (tmp_path / "nba.toml").write_text(SETTINGS)
    (tmp_path / "data").mkdir()
    open_store(f"sqlite:{tmp_path}/data/nba.db", create=True, simulated=True).close()
    return tmp_path / "nba.toml"


def ask(app: App, who: int, time: float, *placements: str) -> tuple[Recommendation, ...]:
    request = DecisionRequest(
        identity=f"crm:{who}",
        placements=tuple(PlacementRequest(placement, 1) for placement in placements),
        time=time,
        seed=1,
    )
    return app.engine.decide(request).recommendations


def lived(app: App, rounds: int = 10) -> None:
    """Even customers answer a warm tone, odd ones a cool one; nobody says more than that they did."""
    random = np.random.default_rng(1)
    for turn in range(rounds):
        now = START + 20 * DAY * turn
        told: list[Interaction] = []
        for who in range(CUSTOMERS):
            for one in (*ask(app, who, now, "warm"), *ask(app, who, now, "cool")):
                told.append(of(one, who, "impression", now + 1))
                likes = (one.placement == "warm") == (who % 2 == 0)
                if random.random() < (0.7 if likes else 0.1):
                    told.append(of(one, who, "accept", now + DAY))
        app.engine.load(interactions=told)


def of(one: Recommendation, who: int, kind: str, time: float) -> Interaction:
    return Interaction(
        interaction_id=f"{kind}-{one.recommendation_id}",
        identity=f"crm:{who}",
        type=kind,
        time=time,
        recommendation_id=one.recommendation_id,
    )


def bought(shape: float) -> Iterator[Interaction]:
    """Tea, every ten days or so: in a cycle, or at random (shape 1)."""
    random = np.random.default_rng(2)
    for who in range(CUSTOMERS):
        at, number = START, 0
        while at < START + 200 * DAY:
            yield Interaction(
                interaction_id=f"{who}-{number}",
                identity=f"crm:{who}",
                type="purchase",
                time=at,
                properties={"category": "TEA"},
            )
            at += (5 + 10 * (who % 2)) / shape * random.gamma(shape) * DAY
            number += 1


def test_tones_are_learned_and_the_next_decision_knows_them(
    shop: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[Scored] = []

    def watched(rows: Scored, *, hold_out: float, random: np.random.Generator) -> ScoreFinding:
        judged.append(rows)
        return fit_score(rows, hold_out=hold_out, random=random)

    monkeypatch.setattr("nba_engine.learning.affinity.fit_score", watched)
    with open_app(shop, environ={}) as app:
        lived(app)
    assert nba("affinity", "fit", "-s", shop) == 0, nba.out + nba.err
    assert "tone_affinity: kept" in nba.out
    assert "treatment score: kept" in nba.out
    (rows,) = judged  # what is held out is predicted by what was usual before
    assert rows.then is not None
    assert rows.then.shape == rows.affinity.shape
    assert not np.allclose(rows.then, rows.affinity)
    np.testing.assert_allclose(rows.then, rows.affinity, atol=0.5)
    assert "a server reads it when it starts" in nba.out
    assert "<svg" in (shop.parent / "tables/affinities.html").read_text()
    now = START + 201 * DAY
    with open_app(shop, environ={}) as app:
        (warm,) = ask(app, 0, now, "warm")
        (cool,) = ask(app, 0, now, "cool")
        assert [one.startswith("answers:tone_affinity:warm:") for one in warm.reason_codes] == [
            False,
            True,
        ]
        assert not any(one.startswith("answers") for one in cool.reason_codes)
        text = app.engine.explain(warm.recommendation_id.partition(".")[0]).sentences[1]
        assert "this customer answers “warm” 1." in text
        assert text.endswith("times as often as others.")
    assert nba("identity", "show", "crm:0", "-s", shop, "--affinities") == 0
    assert "tone_affinity\n  this customer answers “cool” 0." in nba.out


def test_segments_count_where_they_were_known_when_the_held_out_time_began(
    shop: Path, nba: Nba
) -> None:
    spec = (
        CATALOG.partition("[aggregates.reorder]")[0]
        .strip()
        .removeprefix("[aggregates.tone_affinity]")
    )
    segments = "".join(
        f'[attributes.{one}]\ntype = "string"\n[aggregates.by_{one}]{spec}\nsegment = "{one}"\n'
        for one in ("early", "late")
    )
    (shop.parent / "catalog/segments.toml").write_text(segments)
    with open_app(shop, environ={}) as app:
        lived(app, rounds=6)
        for name, at in (("early", START + DAY), ("late", START + 90 * DAY)):
            updates = [
                ProfileUpdate(
                    identity=f"crm:{who}",
                    attributes={name: "even" if who % 2 == 0 else "odd"},
                    time=at,
                )
                for who in range(CUSTOMERS)
            ]
            app.engine.load(updates=updates)
    options = ("-s", shop, "--json", "--hold-out", "0.4")
    assert nba("affinity", "fit", *options) == 0, nba.out
    table = json.loads((shop.parent / "tables/affinities.json").read_text())["aggregates"]
    assert set(table["by_early"]["prior"]["means"]) == {"", "even", "odd"}
    assert set(table["by_late"]["prior"]["means"]) == {""}
    notes = {one["name"]: one["note"] for one in json.loads(nba.out)["aggregates"]}
    assert notes["by_early"] == ""
    assert "without segments: most customers' 'late' was set after" in notes["by_late"]


def test_tea_in_cycles_waits_and_tea_at_random_does_not(shop: Path, nba: Nba) -> None:
    with open_app(shop, environ={}) as app:
        app.engine.load(interactions=list(bought(shape=5.0)))
    assert nba("reorder", "fit", "-s", shop, "--json") == 0
    figures = json.loads(nba.out)
    assert figures["kept"]
    assert [one["category"] for one in figures["categories"] if not one["refusal"]] == ["TEA"]
    with open_app(shop, environ={}) as app:
        cell = app.engine.profile("crm:1").aggregates["reorder"]["TEA"]
        (soon,) = ask(app, 1, cell[1] + 3 * DAY, "warm")
        (later,) = ask(app, 1, cell[1] + 14 * DAY, "warm")
    assert (soon.treatment, later.treatment) == ("nothing.app", "tea.warm")


def test_what_is_bought_at_random_is_refused_and_an_older_fit_ends(shop: Path, nba: Nba) -> None:
    table = shop.parent / "tables/affinities.json"
    with open_app(shop, environ={}) as app:
        app.engine.load(interactions=list(bought(shape=1.0)))
    assert nba("reorder", "fit", "-s", shop) == 1
    assert "refused: no category has a cycle" in nba.out
    assert json.loads(table.read_text())["aggregates"] == {}


def test_with_too_little_to_judge_by_what_there_is_stays(shop: Path, nba: Nba) -> None:
    assert nba("affinity", "fit", "-s", shop) == 1
    assert "left as it was" in nba.out
    assert nba("reorder", "fit", "-s", shop) == 1
    assert "left as it was" in nba.out
    assert not (shop.parent / "tables/affinities.json").exists()


def test_a_catalog_without_affinities_is_told_what_to_add(shop: Path, nba: Nba) -> None:
    bare = CATALOG.replace('"affinity"', '"count"').replace('positive = ["accept"]\n', "")
    (shop.parent / "catalog/shop.toml").write_text(bare.replace('half_life = "200d"\n', ""))
    assert nba("affinity", "fit", "-s", shop) == 1
    assert "add one: [aggregates.channel_affinity]" in nba.err


def test_of_several_aggregates_one_must_be_named(shop: Path, nba: Nba) -> None:
    more = CATALOG + '[aggregates.again]\nkind = "reorder"\ntypes = ["purchase"]\nby = "brand"\n'
    (shop.parent / "catalog/shop.toml").write_text(more)
    assert nba("reorder", "fit", "-s", shop) == 1
    assert "name one of the catalog's: --aggregate reorder | again" in nba.err
    assert nba("reorder", "fit", "-s", shop, "--aggregate", "again") == 1
    assert "0 purchases are too few" in nba.out


def test_patience_is_a_duration(shop: Path, nba: Nba) -> None:
    assert nba("affinity", "fit", "-s", shop, "--patience", "two weeks") == 2
    assert "is not a duration" in nba.err


def test_a_customer_without_a_past_is_like_others(shop: Path, nba: Nba) -> None:
    with open_app(shop, environ={}) as app:
        app.engine.load(interactions=list(bought(shape=5.0)))
    assert nba("reorder", "fit", "-s", shop) == 0
    assert nba("identity", "show", "crm:3", "-s", shop, "--affinities") == 0
    assert "tone_affinity\n  not fitted, or customers are alike in it: nba affinity fit" in nba.out
    assert "“TEA” was bought" in nba.out

"""What was published of CDNOW: Fader, Hardie and Lee 2005; Batislam et al. 2007; Fader and Hardie 2013."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nba_engine.cli.main import run
from nba_engine.learning.value import (
    BetaGeometric,
    Buyers,
    GammaGamma,
    ModifiedBetaGeometric,
    Purchases,
    buyers_of,
    choose,
    spend_correlation,
)

CUT, END = 273.0, 546.0  # 39 weeks, and the 39 weeks after them
WEEK = 7.0


@pytest.fixture(scope="module")
def buyers(cdnow: Purchases) -> Buyers:
    return buyers_of(cdnow, CUT)


def test_the_customers_are_those_of_the_publication(buyers: Buyers) -> None:
    assert (len(buyers.customer), buyers.repeats.sum()) == (2_357, 2_457)
    assert np.count_nonzero(buyers.repeats) == 946
    first = (buyers.repeats[0], buyers.recency[0] / WEEK, buyers.age[0] / WEEK)
    assert first == pytest.approx((2.0, 30.43, 38.86), abs=0.005)
    assert spend_correlation(buyers) == pytest.approx(0.11, abs=0.005)


def test_bg_nbd_has_the_published_parameters_and_likelihood(buyers: Buyers) -> None:
    model = BetaGeometric.fit(buyers)
    in_weeks = (model.r, model.alpha / WEEK, model.a, model.b)
    assert [round(one, 3) for one in in_weeks] == [0.243, 4.414, 0.793, 2.426]
    weeks = buyers.repeats.sum() * np.log(WEEK)
    assert model.log_likelihood(buyers) + weeks == pytest.approx(-9_582.4, abs=0.05)


def test_mbg_nbd_has_the_published_parameters(buyers: Buyers) -> None:
    model = ModifiedBetaGeometric.fit(buyers)
    in_weeks = (model.r, model.alpha / WEEK, model.a, model.b)
    assert [round(one, 3) for one in in_weeks] == [0.525, 6.183, 0.891, 1.614]


def test_gamma_gamma_has_the_published_parameters(buyers: Buyers) -> None:
    model = GammaGamma.fit(buyers)
    assert (round(model.p, 2), round(model.q, 2), round(model.gamma, 1)) == (6.25, 3.74, 15.4)


def test_bg_nbd_is_chosen_and_tells_the_next_39_weeks(cdnow: Purchases) -> None:
    choice = choose(cdnow, CUT, END)
    told = choice.held_out["bg_nbd"]
    assert (choice.best, choice.slipping.model) == ("bg_nbd", "bg_nbd")
    assert round(told.correlation, 3) == 0.626
    assert (round(told.expected), choice.actual.sum()) == (1_653, 1_882)
    assert told.deviance < choice.held_out["gamma_poisson"].deviance - 0.1
    assert set(choice.refused) == {"recent_rate"}  # nobody is older than what is held out


def test_the_command_prints_the_same_from_a_plain_file(
    cdnow_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "value.html"
    options = ["--until", "1997-09-30", "--json", "--report", str(page)]
    assert run(["value", "fit", str(cdnow_file), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    model = found["parameters"]["bg_nbd"]
    assert [round(model[key], 3) for key in ("r", "alpha", "a", "b")] == [
        0.243,
        4.414,
        0.793,
        2.426,
    ]
    assert round(model["log_likelihood"], 1) == -9_582.4
    assert round(found["held_out"]["bg_nbd"]["correlation"], 3) == 0.626
    assert "BG/NBD (chosen)" in page.read_text()

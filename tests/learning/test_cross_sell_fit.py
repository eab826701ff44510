"""The choice of a cross-sell table, on seeded baskets whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from nba_engine.errors import FailedPrecondition
from nba_engine.learning.cross_sell import Baskets, baskets_of, fit_cross_sell
from nba_engine.learning.cross_sell.baskets import halved, split
from nba_engine.learning.cross_sell.report import report_cross_sell, strongest, verdict
from nba_engine.learning.resampling import mean_interval

ITEMS, GROUPS = 48, 8


def receipts(seed: int, *, share: float, count: int = 3_000) -> Baskets:
    """Baskets of 2 to 6 items, popular ones more often.

    A ``share`` of them is bought for one of eight purposes (item number mod 8), whose items are 20
    times as likely then; the others, and with 0.0 all, are independent draws.
    """
    random = np.random.default_rng(seed)
    popular = np.arange(1, ITEMS + 1) ** -0.8
    lines = []
    for number in range(count):
        weight = popular.copy()
        if random.random() < share:
            weight[np.arange(ITEMS) % GROUPS == random.integers(GROUPS)] *= 20
        keys = random.random(ITEMS) ** (1.0 / weight)  # weighted draws without repetition
        drawn = np.argsort(-keys)[: random.integers(2, 7)].tolist()
        lines += [(number, f"item{item:02d}", number // 3) for item in drawn]
    basket, item, customer = (np.array(column) for column in zip(*lines, strict=True))
    return baskets_of(basket, item, customer=customer)


def test_company_that_there_is_beats_popularity_and_is_found() -> None:
    fit = fit_cross_sell(receipts(1, share=0.7), seed=1)
    assert fit.chosen in ("ease", "log_lift")
    assert fit.winner.gain.low > 0.02
    same = [int(a[4:]) % GROUPS == int(b[4:]) % GROUPS for a, b, _ in strongest(fit, 40)]
    assert np.mean(same) > 0.95
    assert verdict(fit).startswith("Yes")


@pytest.mark.parametrize("seed", [1, 2])
def test_independent_draws_leave_popularity_in_place(seed: int) -> None:
    fit = fit_cross_sell(receipts(seed, share=0.0), seed=seed)
    assert (fit.chosen, fit.table) == ("popularity", None)
    assert verdict(fit).startswith("No")
    assert strongest(fit) == ()


def test_the_same_seed_gives_the_same_figures() -> None:
    baskets = receipts(3, share=0.7, count=600)
    one, other = (
        fit_cross_sell(baskets, seed=5, penalties=[100.0], shrinks=[10.0]) for _ in range(2)
    )
    assert (one.judged, one.tried) == (other.judged, other.tried)


def test_substitutes_are_in_no_table_and_in_no_figure() -> None:
    baskets = receipts(1, share=0.7, count=900)
    masked = {one: [two for two in baskets.items if two != one] for one in baskets.items}
    fit = fit_cross_sell(baskets, substitutes=masked, penalties=[100.0], shrinks=[10.0])
    # nothing may go with anything: what is served is popularity, and so is judged as such
    assert fit.table is None
    assert [one.gain.value for one in fit.judged] == [0.0, 0.0, 0.0]


def test_later_baskets_judge_where_times_are_known() -> None:
    time = np.arange(1_000, dtype=np.float64)[::-1]
    baskets = baskets_of(
        np.repeat(np.arange(1_000), 2), np.tile(["a", "b"], 1_000), time=np.repeat(time, 2)
    )
    parts = split(baskets, np.random.default_rng(0))
    assert baskets.time[parts.train].max() < baskets.time[parts.choose].min()
    assert baskets.time[parts.choose].max() < baskets.time[parts.test].min()
    assert len(parts.train) + len(parts.choose) + len(parts.test) == 1_000


def test_baskets_of_one_customer_are_on_one_side_without_times() -> None:
    baskets = receipts(1, share=0.5, count=600)
    parts = split(baskets, np.random.default_rng(0))
    sides = [set(baskets.customer[rows]) for rows in (parts.train, parts.choose, parts.test)]
    assert sum(map(len, sides)) == 200
    assert set.union(*sides) == set(range(200))


def test_half_of_a_basket_is_known_and_the_rest_is_wanted() -> None:
    matrix = receipts(1, share=0.5, count=200).matrix
    known, wanted, usable = halved(matrix, np.random.default_rng(0))
    np.testing.assert_array_equal((known + wanted).toarray(), matrix[usable].toarray())
    sizes = np.diff(matrix.indptr)[usable]
    np.testing.assert_array_equal(np.diff(known.indptr), sizes // 2)


def test_lines_become_baskets_and_rare_items_are_left_out() -> None:
    basket = ["r1", "r1", "r1", "r2", "r2", "r3"]
    item = ["milk", "milk", "tea", "milk", "rum", "tea"]
    found = baskets_of(np.array(basket), np.array(item), least_baskets=2)
    assert found.items == ("milk", "tea")
    assert found.left_out == 1
    np.testing.assert_array_equal(found.matrix.toarray(), [[1, 1], [1, 0], [0, 1]])


def test_too_little_is_refused_with_what_is_needed() -> None:
    with pytest.raises(FailedPrecondition, match="only 0 of 2 items"):
        baskets_of(np.array(["r1", "r1"]), np.array(["milk", "tea"]))
    few = receipts(1, share=0.5, count=100)
    with pytest.raises(FailedPrecondition, match="about 350 in all"):
        fit_cross_sell(few)


def test_the_interval_of_a_mean_is_as_wide_as_groups_make_it() -> None:
    random = np.random.default_rng(7)
    effect = random.normal(size=200)
    values = np.repeat(effect, 10) + 0.01 * random.normal(size=2_000)
    found = mean_interval(values, np.repeat(np.arange(200), 10), random=random)
    # ten rows of one customer tell no more than one: ± 1.96 / √200
    assert found.high - found.low == pytest.approx(2 * 1.96 * effect.std() / np.sqrt(200), rel=0.1)
    assert found.low < found.value < found.high


def test_the_report_says_the_verdict_and_shows_pictures() -> None:
    fit = fit_cross_sell(receipts(1, share=0.7, count=900), penalties=[100.0], shrinks=[10.0])
    page = report_cross_sell(fit, source="receipts <a>.csv").html()
    assert page.count("<svg") == 2
    assert "receipts &lt;a&gt;.csv" in page
    assert "popularity" in page
    assert strongest(fit)[0][0] in page

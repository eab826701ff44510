from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from nba_demo.actions import choose_offers
from nba_demo.data import CUT_OFF, find_data, load_year
from nba_demo.importing import Baskets
from nba_demo.names import readable, slug
from nba_engine.app import App
from nba_engine.engine import Rebuilding

from .small import Small


def test_the_cut_off_is_local_midnight_five_hours_behind_utc() -> None:
    assert datetime.fromtimestamp(CUT_OFF, UTC) == datetime(2017, 11, 6, 5, tzinfo=UTC)


def test_the_whole_year_is_read_and_150_offers_are_chosen() -> None:
    year = load_year()
    offers = choose_offers(year)

    assert (len(year.households), len(year.basket_id)) == (2469, 155_848)
    assert np.all(np.diff(year.basket_time) >= 0)
    assert np.all(np.diff(year.line_basket) >= 0)
    assert len(offers) == 150
    assert len({offer.id for offer in offers}) == len({offer.category for offer in offers}) == 150
    assert [offer.households for offer in offers] == sorted(
        (offer.households for offer in offers), reverse=True
    )
    sources = " ".join(offer.source for offer in offers)
    assert not any(word in sources for word in ("COUPON", "BEER", "CIGAR", "WINE", "MAGAZINE"))


def test_a_subset_holds_the_same_baskets_of_its_households(small: Small) -> None:
    again = load_year(find_data(), households=len(small.year.households))

    assert np.array_equal(again.households, small.year.households)
    assert np.array_equal(again.basket_id, small.year.basket_id)
    assert set(small.year.basket_household) == set(range(len(small.year.households)))


def test_the_lines_of_a_basket_add_up_to_no_more_than_its_amount(small: Small) -> None:
    year = small.year
    lines = np.bincount(year.line_basket, year.line_amount, minlength=len(year.basket_id))
    assert np.all(lines <= year.basket_amount + 1e-6)  # some products have no category
    assert lines.sum() > 0.9 * year.basket_amount.sum()


def test_baskets_list_offered_categories_by_their_readable_names(small: Small) -> None:
    baskets = Baskets(small.year, small.offers)
    words = {offer.index: offer.category for offer in small.offers}
    for basket in (0, 17, len(small.year.basket_id) - 1):
        lines = small.year.line_category[small.year.lines_of(basket)].tolist()
        assert baskets.categories(basket) == [words[c] for c in lines if c in words]


def test_terse_names_become_readable_ones() -> None:
    assert readable("REFRGRATD JUICES/DRNKS") == "Chilled juices, drinks"
    assert readable("SEAFOOD - FROZEN") == "Frozen seafood"
    assert slug("Chilled juices, drinks") == "chilled_juices_drinks"


def test_the_import_leaves_the_aggregates_that_the_catalog_asks_for(app: App) -> None:
    engine = app.engine
    ids = engine.store.customer_ids().customer_ids[:15]
    found = list(Rebuilding(engine.store, engine.catalog.aggregates).check(ids))
    assert found == [None] * 15

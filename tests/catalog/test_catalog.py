from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from nba_engine.catalog import Catalog, Vocabulary, aggregate_type, load
from nba_engine.domain import CatalogView, Expression, QuietHours
from nba_engine.errors import NotFound

Files = dict[str, str]


def test_a_catalog_is_what_the_domain_calls_one(catalog: Catalog) -> None:
    view: CatalogView = catalog  # checked by mypy
    members = {name for name in dir(CatalogView) if not name.startswith("_")}
    assert members <= set(dir(view))
    assert (view.currency, view.time_zone) == ("USD", "America/New_York")
    assert catalog.assumptions == "Channel costs are assumed."
    assert catalog.warnings == ()


def test_treatments_come_from_sets_and_actions_with_nothing_last(catalog: Catalog) -> None:
    assert [treatment.id for treatment in catalog.treatments] == [
        "milk.email",
        "milk.banner",
        "milk.letter",
        "organic_milk.email",
        "organic_milk.banner",
        "soy_milk.email",
        "cereal.email",
        "cereal.banner",
        "wine.banner",
        "nothing.email",
        "nothing.letter",
        "nothing.app",
    ]
    assert catalog.treatment_index["wine.banner"] == 8
    assert [catalog.actions[i].id for i in catalog.action_of[[0, 3, 11]]] == [
        "milk",
        "organic_milk",
        "nothing",
    ]


def test_an_actions_own_treatment_replaces_the_shared_one(catalog: Catalog) -> None:
    own = catalog.treatments[catalog.treatment_index["cereal.email"]]
    shared = catalog.treatments[catalog.treatment_index["milk.email"]]
    assert (own.cost, own.content, own.attributes) == (0.03, {}, {})
    assert (shared.cost, shared.attributes) == (0.01, {"tone": "warm"})


def test_nothing_is_costless_and_fits_every_placement_of_each_channel(catalog: Catalog) -> None:
    nothing = np.flatnonzero(catalog.is_nothing).tolist()
    assert nothing == [9, 10, 11]
    assert catalog.cost[nothing].tolist() == [0.0, 0.0, 0.0]
    assert catalog.lever[nothing].tolist() == [1.0, 1.0, 1.0]
    assert [catalog.limits_of[index] for index in nothing] == [(), (), ()]
    assert catalog.treatments[11].placements == ("app_banner", "app_start")


def test_fitting_lists_treatments_by_placement_and_is_the_same_array_every_time(
    catalog: Catalog,
) -> None:
    assert catalog.fitting("newsletter").tolist() == [0, 3, 5, 6, 9]
    assert catalog.fitting("app_banner").tolist() == [1, 4, 7, 8, 11]
    assert catalog.fitting("app_start").tolist() == [1, 4, 7, 11]
    assert catalog.fitting("mailing") is catalog.fitting("mailing")
    with pytest.raises(NotFound, match='did you mean "mailing"'):
        catalog.fitting("mailin")


def test_columns_follow_the_treatments_and_are_read_only(catalog: Catalog) -> None:
    index = catalog.treatment_index
    assert catalog.cost[index["milk.letter"]] == 0.7
    assert catalog.prior[index["milk.letter"]] == 0.05
    assert catalog.prior[index["wine.banner"]] == 0.01
    for column in (
        catalog.cost,
        catalog.prior,
        catalog.lever,
        catalog.action_of,
        catalog.is_nothing,
        catalog.fitting("mailing"),
    ):
        assert len(column) == len(catalog.treatments) or column is catalog.fitting("mailing")
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_levers_multiply_where_all_keys_of_their_selector_match(catalog: Catalog) -> None:
    lever = {t.id: catalog.lever[i] for i, t in enumerate(catalog.treatments)}
    assert lever["milk.banner"] == pytest.approx(1.5 * 1.2)  # the action's own, and dairy
    assert lever["organic_milk.email"] == pytest.approx(1.2 * 2)  # dairy, and premium by mail
    assert lever["organic_milk.banner"] == pytest.approx(1.2)
    assert lever["cereal.email"] == 1.0


def test_limits_apply_where_their_selector_matches_and_money_where_it_is_spent(
    catalog: Catalog,
) -> None:
    names = {
        treatment.id: [catalog.limits[i].id for i in catalog.limits_of[index]]
        for index, treatment in enumerate(catalog.treatments)
    }
    assert names["milk.email"] == ["email_week", "ad_budget", "autumn"]
    assert names["milk.letter"] == ["ad_budget", "autumn"]
    assert names["milk.banner"] == []  # costs nothing
    assert names["wine.banner"] == []


def test_limits_know_their_window_scope_and_amount(catalog: Catalog) -> None:
    mails, budget, campaign = catalog.limits
    assert (mails.name, mails.amount, mails.scope) == ("Two mails a week", 2.0, ("customer",))
    assert (mails.window.unit, mails.window.time_zone) == ("week", "America/New_York")
    assert (campaign.window.unit, campaign.window.time_zone) == ("lifetime", "Europe/Berlin")
    assert not isinstance(budget.amount, float)
    assert budget.amount.evaluate({"ad_budget": 12.5}, {}, 0.0) == 12.5
    assert budget.amount.evaluate({}, {}, 0.0) is None


def test_a_value_may_be_an_expression_over_customer_and_action(catalog: Catalog) -> None:
    value = catalog.actions[catalog.action_index["organic_milk"]].value
    assert not isinstance(value, float)
    expression: Expression = value
    assert expression.text == "customer.avg_basket * 0.25 + action.price"
    assert expression.evaluate({"avg_basket": 40.0}, {}, 0.0) == pytest.approx(12.9)
    assert catalog.actions[catalog.action_index["milk"]].value == 0.9


def test_a_season_is_local_time_and_includes_its_last_day(catalog: Catalog) -> None:
    milk = catalog.actions[catalog.action_index["milk"]]
    wine = catalog.actions[catalog.action_index["wine"]]

    def at(*moment: int) -> float:
        return dt.datetime(*moment, tzinfo=dt.UTC).timestamp()  # type: ignore[arg-type,misc]

    assert milk.starts == at(2017, 11, 1, 4)  # summer time in New York
    assert milk.ends == at(2018, 1, 1, 5)  # winter time
    assert wine.starts == at(2017, 11, 1, 13)
    assert wine.ends == at(2017, 12, 1)  # an offset of its own


def test_attributes_have_one_type_everywhere(catalog: Catalog) -> None:
    milk, organic = catalog.actions[1], catalog.actions[2]
    assert milk.attributes == {"category": "FLUID MILK", "price": 2.0}
    assert isinstance(milk.attributes["price"], float)  # a whole number in the file
    assert organic.attributes["listed"] == dt.datetime(2017, 1, 2, 5, tzinfo=dt.UTC).timestamp()


def test_channels_hold_what_was_written(catalog: Catalog) -> None:
    email, app = catalog.channels["email"], catalog.channels["app"]
    assert email.quiet_hours == QuietHours(start=21 * 60, end=8 * 60)
    assert (email.consent, email.direction, email.kind) == ("marketing", "outbound", "template")
    assert email.reservation_ttl == 7 * 86_400
    assert app.settings == {"width": 320}
    assert catalog.placements["newsletter"].slots == 3


def test_aggregates_have_the_types_that_rules_see(catalog: Catalog) -> None:
    assert {name: aggregate_type(spec) for name, spec in catalog.aggregates.items()} == {
        "purchases": "map<string,int>",
        "spent": "double",
        "last_purchase": "timestamp",
        "last_store": "string",
        "cart_items": "list<string>",
        "warm": "map<string,double>",
    }
    assert catalog.aggregates["cart_items"].within == 36 * 3600
    assert catalog.aggregates["warm"].where == {"channel": "app"}


def test_rules_hold_for_the_treatments_they_apply_to(catalog: Catalog) -> None:
    table = catalog.rules["eligibility"]
    wine = 1 << catalog.treatment_index["wine.banner"]
    assert table.failing({"age": 17}, {}, 0.0) == wine
    assert table.failing({}, {}, 0.0) == wine  # missing: not eligible
    assert table.failing({"age": 18}, {}, 0.0) == 0


def test_rules_know_the_action_they_are_about(catalog: Catalog) -> None:
    table = catalog.rules["applicability"]
    milk = sum(1 << i for i, t in enumerate(catalog.treatments) if "milk" in t.action)
    soy = 1 << catalog.treatment_index["soy_milk.email"]
    assert table.failing({}, {"cart": ["FLUID MILK"]}, 0.0) == milk - soy
    assert table.failing({}, {"cart": ["BREAD"]}, 0.0) == 0
    assert table.failing({}, {}, 0.0) == 0


def test_rules_explain_themselves_by_name_and_keep_secrets(shop: Files) -> None:
    rule = '[rules.rich]\ntier = "suitability"\nwhen = "customer.avg_basket > 50.0"'
    catalog = load({**shop, "rich.toml": rule}, Vocabulary())
    (failed,) = catalog.rules["suitability"].explain(0, {"avg_basket": 12.0}, {}, 0.0)
    assert failed.rule == "rich"
    assert failed.saw == {"customer.avg_basket": "(sensitive)"}


def test_a_copy_for_what_if_changes_what_it_is_told_and_nothing_else(catalog: Catalog) -> None:
    copy = catalog.changed(
        limit_amounts={"email_week": 5}, levers={"milk.email": 2.0}, control_share=0.0
    )
    index = catalog.treatment_index["milk.email"]
    assert copy.limits[0].amount == 5.0
    assert copy.limits[1:] == catalog.limits[1:]
    assert copy.lever[index] == pytest.approx(2 * catalog.lever[index])
    assert np.delete(copy.lever, index).tolist() == np.delete(catalog.lever, index).tolist()
    assert copy.control_group.share == 0.0
    assert (catalog.limits[0].amount, catalog.control_group.share) == (2.0, 0.05)
    assert catalog.changed().lever is catalog.lever
    assert copy.version == catalog.version


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limit_amounts": {"email_weak": 1.0}}, 'no limit .*did you mean "email_week"'),
        ({"levers": {"milk.emial": 1.0}}, 'no treatment .*did you mean "milk.email"'),
    ],
)
def test_a_copy_with_an_unknown_id_is_refused(
    catalog: Catalog, changes: dict[str, dict[str, float]], message: str
) -> None:
    with pytest.raises(NotFound, match=message):
        catalog.changed(**changes)  # type: ignore[arg-type]

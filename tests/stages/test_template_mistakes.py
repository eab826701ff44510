"""A wrong template is told once, where it is written, with a remedy."""

from __future__ import annotations

import pytest

from nba_engine.domain import CatalogView
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.stages.templates.channel import TemplateChannel
from tests.stages.making import catalog

OFFERS = """
[actions.tea]
attributes = { category = "DRINKS" }
treatments_from = "offer"
[actions.coffee]
attributes = { category = "DRINKS", origin = "Peru" }
treatments_from = "offer"
[actions.cake]
treatments_from = "offer"
[treatment_sets.offer]
app = { channel = "app", content = { headline = '''TEXT''' } }
"""


def mistakes_of(view: CatalogView) -> list[Mistake]:
    channel = TemplateChannel(None, view)
    found: list[Mistake] = []
    for treatment in view.treatments:
        try:
            channel.prepare(treatment)
        except MistakesFound as wrong:
            found += wrong.mistakes
    return found


@pytest.mark.parametrize(
    ("text", "line", "message", "remedy"),
    [
        ("{{ action.nam }}", "", "action.nam is missing", "did you mean action.name?"),
        ("{{ action.catgory }}", "", "no 'catgory'", "did you mean action.category?"),
        ("{{ action.orgin }}", "", "no 'orgin'", "did you mean action.origin?"),
        ("{{ action.origin }}", "", "action 'tea' has no 'origin'", "give every action"),
        ("{{ treatment.coast }}", "", "treatment.coast", "did you mean treatment.cost?"),
        ("{{ action.name * 9 }}", "", "fails: * takes numbers", "jinja"),
        ("{{ action.tags[3] }}", "", "fails: list object has no element 3", "jinja"),
        ("a\n{{ costumer.x }}", ":2", "unknown name 'costumer'", "did you mean customer?"),
        ("{{ qwxz }}", ":1", "unknown name 'qwxz'", "templates see action, context"),
        ("{{ now | dat }}", ":1", "there is no filter 'dat'", "did you mean date?"),
        ("{{ 1 if now is defned }}", ":1", "there is no test 'defned'", "did you mean defined?"),
        ("{% if customer.x %}{{ now | dat }}{% endif %}", ":1", "no filter 'dat'", "mean date?"),
        ("one\n{{ now", ":2", "cannot be read: unexpected end", "jinja"),
        ("{% include 'x' %}", ":1", "{% include %} is not available", "docs/stages.md"),
    ],
)
def test_a_mistake_in_a_shared_text_is_one_mistake_where_it_is_written(
    text: str, line: str, message: str, remedy: str
) -> None:
    found = mistakes_of(catalog(OFFERS.replace("TEXT", text)))
    (one,) = set(found)
    assert one.file == "0.toml"
    assert one.place == f"treatment_sets.offer.app.content.headline{line}"
    assert message in one.message
    assert remedy in one.remedy
    assert "Error" not in one.message
    assert one.place not in one.message


def test_a_text_of_one_action_is_told_at_this_action() -> None:
    own = '[actions.bun]\ntreatments.app = { channel = "app", content = { a = "{{ action.x }}" } }'
    (one,) = mistakes_of(catalog(own))
    assert (one.file, one.place) == ("0.toml", "actions.bun.treatments.app.content.a")

from __future__ import annotations

from typing import Any

import pytest

from nba_engine.domain import Treatment
from nba_engine.errors import MistakesFound, RenderFailed
from nba_engine.stages.templates.channel import TemplateChannel
from tests.stages.making import NOW, catalog

TEA = """
[actions.tea]
name = "Tea"
tags = ["hot"]
attributes = { category = "DRINKS", price = 2.5 }
treatments.app = { channel = "app", cost = 0.2, attributes = { color = "green" } }
"""


def render(text: str, *, context: dict[str, Any] | None = None, **customer: Any) -> str:
    shop = catalog(TEA)
    treatment = Treatment(
        id="tea.app",
        action="tea",
        channel="app",
        placements=("banner",),
        cost=0.2,
        attributes={"color": "green"},
        content={"text": text},
    )
    prepared = TemplateChannel(None, shop).prepare(treatment)
    return prepared({"customer": customer, "context": context or {}, "now": NOW})["text"]


def mistake(text: str) -> str:
    with pytest.raises(MistakesFound) as found:
        render(text)
    (one,) = found.value.mistakes
    return str(one)


def test_templates_see_customer_context_action_treatment_and_now() -> None:
    text = (
        "{{ customer.first_name }} {{ context.city }} {{ action.name }} {{ action.category }} "
        "{{ action.tags | join }} {{ treatment.color }} {{ treatment.cost }} {{ now | date }}"
    )
    rendered = render(text, context={"city": "Bonn"}, first_name="Ann")
    assert rendered == "Ann Bonn Tea DRINKS hot green 0.2 2017-11-06"


def test_what_needs_only_the_action_is_rendered_at_load() -> None:
    assert render("{{ action.name }} for {{ treatment.cost }}") == "Tea for 0.2"
    assert "action.nmae is missing" in mistake("{{ action.nmae }}")


def test_a_missing_attribute_fails_the_rendering_and_names_it() -> None:
    with pytest.raises(RenderFailed) as failed:
        render("Dear {{ customer.first_name }}")
    assert failed.value.metadata["missing"] == "customer.first_name"


def test_a_template_may_test_for_what_is_missing() -> None:
    text = "{{ customer.first_name | default('you') }}{% if context.city is defined %}!{% endif %}"
    assert render(text) == "you"


def test_attributes_named_like_methods_are_attributes() -> None:
    assert render("{{ customer.items }} {{ customer.values }}", items=3, values="x") == "3 x"
    with pytest.raises(RenderFailed):
        render("{{ customer.keys }}")


def test_times_are_formatted_in_the_zone_of_the_catalog() -> None:
    assert render("{{ now | date('%H:%M') }}", first_name="Ann") == "10:00"


@pytest.mark.parametrize(
    "text",
    [
        "{{ customer.first_name.__class__ }}",
        "{{ customer.first_name.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}{{ customer.first_name }}",
        "{{ customer }}",
        "{{ customer.first_name | attr('__class__') }}",
        "{{ customer.first_name.ljust(100000000) }}",
        "{{ customer.first_name * 100000000 }}",
        "{{ '%999999999d' % customer.number }}",
        "{{ customer.number ** customer.number }}",
        "{% for i in range(customer.number) %}x{% endfor %}",
        "{{ customer.number / 0 }}",
        "{{ (customer.first_name,) * 100000000 }}",
        "{{ customer.first_name.format() }}",
    ],
)
def test_templates_cannot_run_away(text: str) -> None:
    with pytest.raises((RenderFailed, MistakesFound)):
        render(text, first_name="Ann", number=10_000_000)


def test_output_is_bounded() -> None:
    text = "{% for i in range(1000) %}{% for j in range(1000) %}{{ customer.word }}{% endfor %}{% endfor %}"
    with pytest.raises(RenderFailed, match="longer than 65536"):
        render(text, word="many words")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ customer.first_name", "tea.app.content.text:1"),
        ("one\n{% if %}", "tea.app.content.text:2"),
        ("{{ costumer.name }}", "unknown name 'costumer'"),
        ("{% include 'other' %}", "{% include %} is not available"),
        ("{% macro f() %}{% endmacro %}", "{% macro %} is not available"),
        ("{% import 'x' as x %}", "{% import %} is not available"),
        ("{% extends 'x' %}", "{% extends %} is not available"),
        ("{{ customer.name | nofilter }}", "nofilter"),
        (
            "{% for a in [1] %}{% for b in [1] %}{% for c in [1] %}{% endfor %}{% endfor %}{% endfor %}",
            "nested 2 deep",
        ),
        ("{% for a in [[1]] recursive %}{{ loop(a) }}{% endfor %}", "recursive loops"),
    ],
)
def test_bad_templates_are_found_at_load_with_their_place(text: str, says: str) -> None:
    assert says in mistake(text)


def test_every_bad_field_of_a_treatment_is_told() -> None:
    treatment = Treatment(
        id="tea.app",
        action="tea",
        channel="app",
        placements=("banner",),
        content={"a": "{{", "b": "fine", "c": "{% x %}"},
    )
    with pytest.raises(MistakesFound) as found:
        TemplateChannel(None, catalog(TEA)).prepare(treatment)
    assert [one.place for one in found.value.mistakes] == [
        "treatments.tea.app.content.a:1",
        "treatments.tea.app.content.c:1",
    ]


def test_a_name_set_in_one_field_does_not_leak_into_the_next() -> None:
    treatment = Treatment(
        id="tea.app",
        action="tea",
        channel="app",
        placements=("banner",),
        content={"a": "{% set now = 1 %}{{ customer.x }}", "b": "{{ now | date }}"},
    )
    prepared = TemplateChannel(None, catalog(TEA)).prepare(treatment)
    content = prepared({"customer": {"x": "y"}, "context": {}, "now": NOW})
    assert content == {"a": "y", "b": "2017-11-06"}


def test_constant_content_is_not_shared_between_decisions() -> None:
    treatment = Treatment(
        id="tea.app", action="tea", channel="app", placements=("banner",), content={"a": "b"}
    )
    prepared = TemplateChannel(None, catalog(TEA)).prepare(treatment)
    first = prepared({})
    first["a"] = "changed"
    assert prepared({}) == {"a": "b"}


def test_items_of_maps_and_lists_are_within_reach_and_a_missing_one_fails() -> None:
    text = "{{ customer.spend['TEA'] }} {{ customer.spend.TEA }} {{ customer['name'] }} {{ context.cart[0] }}"
    rendered = render(text, context={"cart": ["x"]}, spend={"TEA": 2}, name="Ann")
    assert rendered == "2 2 Ann x"
    with pytest.raises(RenderFailed):
        render("{{ customer.spend.keys }}", spend={"TEA": 2})


def test_numbers_may_be_computed_with() -> None:
    assert (
        render("{{ customer.n * 2 }} {{ customer.n % 4 }} {{ customer.n ** 2 }}", n=7) == "14 3 49"
    )

"""What is filled in without the sandbox reads like what the sandbox makes of it."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba_engine.stages.templates.sandbox import MAX_OUTPUT, Root, Sandbox
from nba_engine.stages.templates.substitution import fill_with, pieces_of

SANDBOX = Sandbox("UTC")
FIXED: dict[str, dict[str, Any]] = {"action": {"name": "Tea", "tags": ["hot"]}}


def filled(text: str, **seen: Any) -> str | None:
    """What substitution makes of a template; None when it leaves it to the sandbox."""
    pieces = pieces_of(SANDBOX.parse(text))
    fill = None if pieces is None else fill_with(pieces, FIXED)
    return None if fill is None else fill(seen)


def run(text: str, **seen: Any) -> str:
    """What the sandbox makes of it."""
    roots = {name: Root(name, values) for name, values in {**FIXED, **seen}.items()}
    return SANDBOX.from_string(text).render(roots)


WORDS = st.sampled_from(
    [
        "Dear ",
        "\n",
        "{{ customer.name }}",
        "{{ customer['n a'] }}",
        "{{ action.name }}",
        "{{ context.city -}}  ",
        "{{ action.tags }}",
        "{# no #}",
        "{% raw %}{{{% endraw %}",
    ]
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(st.lists(WORDS), VALUES, VALUES, VALUES)
def test_attributes_in_text_read_as_from_the_sandbox(
    words: list[str], name: Any, spaced: Any, city: Any
) -> None:
    text = "".join(words)
    seen = {"customer": {"name": name, "n a": spaced}, "context": {"city": city}}
    assert filled(text, **seen) == run(text, **seen)


@pytest.mark.parametrize(
    "text",
    [
        "{{ customer.name | upper }}",
        "{{ customer.name.first }}",
        "{{ customer.name ~ '!' }}",
        "{% if customer.name %}yes{% endif %}",
        "{% set customer = context %}{{ customer.name }}",
        "{{ customer[context.name] }}",
        "{{ customer[0] }}",
        "{{ customer }}",
        "{{ now.year }}",
        "{{ action.missing }}{{ customer.name }}",
        "{{ 1 }}",
    ],
)
def test_anything_else_is_left_to_the_sandbox(text: str) -> None:
    assert filled(text, customer={"name": "Ann"}, context={"name": "name"}) is None


def test_what_is_missing_is_left_to_the_sandbox_which_names_it() -> None:
    assert filled("{{ customer.name }}", customer={}) is None
    with pytest.raises(jinja2.UndefinedError, match=r"customer\.name"):
        run("{{ customer.name }}", customer={})


def test_what_grows_too_long_is_left_to_the_sandbox() -> None:
    text = "{{ customer.name }}{{ customer.name }}"
    assert filled(text, customer={"name": "x" * (MAX_OUTPUT // 2)}) == "x" * MAX_OUTPUT
    assert filled(text, customer={"name": "x" * (MAX_OUTPUT // 2 + 1)}) is None

"""What every channel must do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from nba_engine.domain import (
    CatalogView,
    Channel,
    ChannelFactory,
    Renderer,
    Treatment,
)
from nba_engine.errors import MistakesFound, RenderFailed
from nba_engine.settings import convert
from nba_engine.stages.templates import static_names
from nba_engine.testing.deciding import make_deciding
from nba_engine.testing.samples import sample_context, sample_customers
from nba_engine.testing.stage_suite import describe
from nba_engine.testing.threads import in_threads
from nba_engine.testing.world import make_catalog

__all__ = ["ChannelSuite"]

# what somebody will write into a catalog sooner or later
_ODD: Sequence[Mapping[str, str]] = (
    {},
    {"text": ""},
    {"text": "{{"},
    {"text": "{% if customer %}"},
    {"text": "{{ customer.no_such_attribute }}"},
    {"text": "{{ 1 / 0 }}"},
    {"text": "%(name)s {0} ${name} \\ \x00 \u202e 💐"},
    {"text": "x" * 100_000},
    {"no such field": "text"},
)


class ChannelSuite:
    """Inherit, and give the fixture ``factory``; override the others where yours needs it."""

    @pytest.fixture
    def factory(self) -> ChannelFactory:
        """The factory that your plugin offers."""
        raise NotImplementedError("give a fixture `factory`: the ChannelFactory you offer")

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """The table ``settings`` of a channel of this kind, as the catalog would hold it."""
        return {}

    @pytest.fixture
    def content(self) -> dict[str, str]:
        """Content of a treatment that your channel can render for customers who have it all."""
        return {"text": "Hello"}

    @pytest.fixture
    def bad_content(self) -> list[dict[str, str]]:
        """Contents that your channel must refuse at load: broken templates, missing fields."""
        return []

    @pytest.fixture
    def catalog(self) -> CatalogView:
        """The catalog; its channels are taken to be of your kind."""
        return make_catalog()

    @pytest.fixture
    def channel(
        self, factory: ChannelFactory, settings: dict[str, Any], catalog: CatalogView
    ) -> Channel:
        """The channel, built as the engine builds it."""
        own, mistakes = convert(settings, factory.settings, "catalog", "channels.it.settings")
        assert own is not None, f"the settings are wrong: {[str(each) for each in mistakes]}"
        return factory.build(own, catalog)

    @pytest.fixture
    def treatment(self, catalog: CatalogView, content: dict[str, str]) -> Treatment:
        """A treatment of the catalog with the content."""
        first = next(one for one in catalog.treatments if one.action != "nothing")
        return msgspec.structs.replace(first, content=content)

    @pytest.fixture
    def see(self, catalog: CatalogView, treatment: Treatment) -> Callable[[int], dict[str, Any]]:
        """What a renderer sees of customer number n; 0 has everything, -1 nothing at all."""
        customers = sample_customers(catalog)

        def see(number: int) -> dict[str, Any]:
            state = customers[number % len(customers)]
            deciding = make_deciding(catalog, state=state, context=sample_context(catalog, share=1))
            action = catalog.action_index[treatment.action]
            return {
                "customer": deciding.customer,
                "context": deciding.context,
                "now": deciding.now,
                **static_names(catalog, action, treatment),
            }

        return see

    def test_its_settings_refuse_a_key_they_do_not_know(
        self, factory: ChannelFactory, settings: dict[str, Any]
    ) -> None:
        wrong = {**settings, "no_such_setting": 1}
        _, mistakes = convert(wrong, factory.settings, "catalog", "channels.it.settings")
        assert [one.place for one in mistakes] == ["channels.it.settings.no_such_setting"]

    def test_its_settings_can_be_described_by_a_json_schema(self, factory: ChannelFactory) -> None:
        assert describe(factory.settings)

    def test_it_renders_texts_by_field_for_a_customer_who_has_everything(
        self,
        channel: Channel,
        treatment: Treatment,
        see: Callable[[int], dict[str, Any]],
    ) -> None:
        rendered = channel.prepare(treatment)(see(0))
        assert rendered, "nothing was rendered"
        check_content(rendered)

    def test_for_every_customer_it_renders_or_says_that_it_cannot(
        self,
        channel: Channel,
        treatment: Treatment,
        see: Callable[[int], dict[str, Any]],
    ) -> None:
        render = channel.prepare(treatment)
        for number in range(-1, 8):
            _render(render, see(number))

    def test_it_prepares_every_treatment_of_a_catalog_and_nothing_too(
        self,
        channel: Channel,
        catalog: CatalogView,
        content: dict[str, str],
        see: Callable[[int], dict[str, Any]],
    ) -> None:
        for treatment in catalog.treatments:
            filled = {} if treatment.action == "nothing" else content
            render = channel.prepare(msgspec.structs.replace(treatment, content=filled))
            _render(render, see(0))

    def test_odd_content_is_a_mistake_at_load_or_rendered_or_refused_for_a_customer(
        self,
        channel: Channel,
        treatment: Treatment,
        see: Callable[[int], dict[str, Any]],
    ) -> None:
        for odd in _ODD:
            try:
                render = channel.prepare(msgspec.structs.replace(treatment, content=odd))
            except MistakesFound:
                continue
            _render(render, see(0))

    def test_bad_content_is_a_mistake_that_says_where(
        self, channel: Channel, treatment: Treatment, bad_content: list[dict[str, str]]
    ) -> None:
        for bad in bad_content:
            try:
                channel.prepare(msgspec.structs.replace(treatment, content=bad))
            except MistakesFound as found:
                told = found.mistakes
            else:
                raise AssertionError(f"{bad} was taken")
            for mistake in told:
                assert mistake.message
                assert mistake.file
                assert mistake.place

    def test_what_it_returns_belongs_to_the_caller(
        self,
        channel: Channel,
        treatment: Treatment,
        see: Callable[[int], dict[str, Any]],
    ) -> None:
        render = channel.prepare(treatment)
        first = render(see(0))
        kept = dict(first)
        first.clear()
        assert render(see(0)) == kept, "a renderer gave out its own dictionary"

    def test_rendering_changes_nothing_of_what_it_sees(
        self,
        channel: Channel,
        treatment: Treatment,
        see: Callable[[int], dict[str, Any]],
    ) -> None:
        seen = see(0)
        before = {name: deepcopy(dict(_mapping(value))) for name, value in seen.items()}
        channel.prepare(treatment)(seen)
        for name, value in before.items():
            now = dict(_mapping(seen[name]))
            assert {key: now.get(key) for key in value} == value, f"{name} was changed"

    def test_four_threads_render_what_one_renders(
        self,
        channel: Channel,
        treatment: Treatment,
        see: Callable[[int], dict[str, Any]],
    ) -> None:
        render = channel.prepare(treatment)
        alone = [_render(render, see(number)) for number in range(24)]
        assert in_threads(lambda n: _render(render, see(n)), range(24)) == alone


def check_content(rendered: object) -> None:
    """Rendered content is a dictionary of texts."""
    assert isinstance(rendered, dict), f"a renderer returned {type(rendered).__name__}"
    for field, text in rendered.items():
        assert isinstance(field, str), f"a field is named {field!r}"
        assert isinstance(text, str), f"field {field!r} is {type(text).__name__}, not text"


def _render(render: Renderer, seen: Mapping[str, Any]) -> dict[str, str] | None:
    """What is rendered; None when the renderer says that it cannot."""
    try:
        rendered = render(seen)
    except RenderFailed:
        return None
    check_content(rendered)
    return rendered


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"": value}

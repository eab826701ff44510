"""Channel kind ``template``: content from Jinja2 templates, in a sandbox, compiled at load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2 import meta
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context

from nba_engine.domain import CatalogView, ChannelFactory, NoSettings, Renderer, Treatment
from nba_engine.errors import Mistake, MistakesFound, RenderFailed
from nba_engine.stages.templates.mistakes import (
    FORBIDDEN_REMEDY,
    Flaw,
    check_words,
    not_compiled,
    not_rendered,
    unknown_name,
)
from nba_engine.stages.templates.sandbox import MAX_OUTPUT, Root, Sandbox, forbidden_in
from nba_engine.stages.templates.seen import static_names
from nba_engine.stages.templates.substitution import Fill, Piece, fill_with, pieces_of

__all__ = ["TEMPLATE_CHANNEL", "TemplateChannel"]

_NAMES = frozenset(("customer", "context", "action", "treatment", "now"))
_STATIC = frozenset(("action", "treatment"))


class TemplateChannel:
    """Renders the fields of a treatment's ``content``.

    Templates see ``customer``, ``context``, ``action``, ``treatment`` and ``now``; a missing
    attribute fails the rendering unless the template tests for it (``is defined``, ``default``).
    What only needs the action and the treatment is rendered once, at load.
    """

    def __init__(self, _settings: object, catalog: CatalogView) -> None:
        self._catalog = catalog
        self._sandbox = Sandbox(catalog.time_zone)
        self._compiled: dict[str, _Field] = {}  # by text: many treatments share their texts
        # by where a text is written: one mistake in a shared text is one mistake
        self._wrong: dict[tuple[str, str, str], Mistake] = {}

    def prepare(self, treatment: Treatment) -> Renderer:
        """Compile the treatment's fields; constant ones become plain text."""
        mistakes: list[Mistake] = []
        constant: dict[str, str] = {}
        moving: list[tuple[str, str, _Field, Fill | None]] = []
        at = self._catalog.action_index[treatment.action]
        fixed = static_names(self._catalog, at, treatment)
        names = {**self._sandbox.globals, **{root: Root(root, fixed[root]) for root in fixed}}
        for name, text in treatment.content.items():
            what = f"{treatment.id}.{name}"
            try:
                field = self._compile(text)
                if field.names <= _STATIC:
                    constant[name] = field.render(what, names)
                else:
                    fill = None if field.pieces is None else fill_with(field.pieces, fixed)
                    moving.append((name, what, field, fill))
            except Flaw as wrong:
                mistakes.append(self._mistake(treatment, name, wrong))
            except RenderFailed as failed:
                flaw = not_rendered(failed, fixed, self._catalog)
                mistakes.append(self._mistake(treatment, name, flaw))
        if mistakes:
            raise MistakesFound(mistakes)
        if not moving:
            return lambda _seen: constant.copy()
        template = {name: constant.get(name, "") for name in treatment.content}

        def render(seen: Mapping[str, Any]) -> dict[str, str]:
            content = template.copy()
            everything: dict[str, Any] = {}
            for name, what, field, fill in moving:
                text = None if fill is None else fill(seen)
                if text is None:
                    everything = everything or {
                        **names,
                        "customer": Root("customer", seen["customer"]),
                        "context": Root("context", seen["context"]),
                        "now": seen["now"],
                    }
                    text = field.render(what, everything)
                content[name] = text
            return content

        return render

    def _compile(self, text: str) -> _Field:
        field = self._compiled.get(text)
        if field is None:
            field = self._compiled[text] = _field(self._sandbox, text)
        return field

    def _mistake(self, treatment: Treatment, name: str, flaw: Flaw) -> Mistake:
        file = treatment.file or "catalog"
        source = treatment.place or f"treatments.{treatment.id}"
        key = (file, source, name)
        if key not in self._wrong:
            line = f":{flaw.line}" if flaw.line else ""
            self._wrong[key] = Mistake(
                file=file,
                place=f"{source}.content.{name}{line}",
                message=flaw.message,
                remedy=flaw.remedy,
            )
        return self._wrong[key]


class _Field:
    """One compiled template and the names it uses; without any, just its text.

    ``pieces`` are there when it only puts attributes into text.
    """

    __slots__ = ("_constant", "_run", "_sandbox", "names", "pieces")

    def __init__(
        self,
        text: str,
        template: jinja2.Template | None,
        names: frozenset[str],
        pieces: tuple[Piece, ...] | None = None,
    ) -> None:
        self._constant = text
        self._run = None if template is None else template.root_render_func
        self._sandbox = None if template is None else template.environment
        self.names = names
        self.pieces = pieces

    def render(self, what: str, names: dict[str, Any]) -> str:
        """The text for these names (with the sandbox's globals). Raises `RenderFailed`."""
        if self._run is None or self._sandbox is None:
            return self._constant
        parts: list[str] = []
        size = 0
        try:
            # what Template.render does, without building the same globals every time
            for part in self._run(Context(self._sandbox, names, None, {})):
                size += len(part)
                if size > MAX_OUTPUT:
                    raise RenderFailed(f"{what} is longer than {MAX_OUTPUT} characters")
                parts.append(part)
        except jinja2.UndefinedError as error:
            missing = str(error).split("'")[1] if "'" in str(error) else ""
            name = re.escape(missing.rpartition(".")[2])
            if not re.search(rf"\b{name}\b", self._constant):
                # looked up by a value, as in ``{…}[customer.city]``: the error would tell it
                raise RenderFailed(
                    f"{what}: something that it looks up is not there",
                    metadata={"treatment": what},
                ) from None
            raise RenderFailed(
                f"{what}: {missing!r} is undefined",
                metadata={"treatment": what, "missing": missing},
            ) from error
        except RenderFailed:
            raise
        except SecurityError as error:  # says what templates must not do, without any value
            raise RenderFailed(f"{what}: {error}", metadata={"treatment": what}) from error
        # a template computes with a customer's values: anything may go wrong in it
        except Exception as error:
            raise RenderFailed(
                f"{what}: {type(error).__name__}", metadata={"treatment": what}
            ) from error
        return "".join(parts)


def _field(sandbox: Sandbox, text: str) -> _Field:
    """Compile one text. Raises `Flaw`."""
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        return _Field(text, None, frozenset())
    try:
        tree = sandbox.parse(text)
        wrong = forbidden_in(tree)
        if wrong is not None:
            raise Flaw(wrong[1], FORBIDDEN_REMEDY, line=wrong[0])
        check_words(tree, sandbox.filters, sandbox.tests)
        names = frozenset(meta.find_undeclared_variables(tree)) - set(sandbox.globals)
        unknown = sorted(names - _NAMES)
        if unknown:
            raise unknown_name(tree, unknown[0], _NAMES)
        return _Field(text, sandbox.from_string(tree), names, pieces_of(tree))
    except jinja2.TemplateSyntaxError as error:
        raise not_compiled(error) from error


TEMPLATE_CHANNEL = ChannelFactory(build=TemplateChannel, settings=NoSettings)

"""What is wrong with a template, in words, and how to mend it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import jinja2
from jinja2 import nodes

from nba_engine.domain import Action, CatalogView, Treatment, Values
from nba_engine.errors import NbaError, RenderFailed

__all__ = [
    "FORBIDDEN_REMEDY",
    "Flaw",
    "check_words",
    "not_compiled",
    "not_rendered",
    "unknown_name",
]

FORBIDDEN_REMEDY = "write it without; see the channel kind template in docs/stages.md"
_SYNTAX_REMEDY = "see https://jinja.palletsprojects.com/templates"
_UNDEFINED = re.compile(r"'(action|treatment)\.([^']*)' is undefined")


class Flaw(NbaError):
    """One thing that is wrong with a text; ``line`` is where in it, 0 when nobody can tell."""

    def __init__(self, message: str, remedy: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.line = line


def unknown_name(tree: nodes.Template, name: str, known: Iterable[str]) -> Flaw:
    """A root that templates do not see."""
    lines = [node.lineno for node in tree.find_all(nodes.Name) if node.name == name]
    remedy = _near(name, known) or f"templates see {', '.join(sorted(known))}"
    return Flaw(f"unknown name {name!r}", remedy, line=min(lines, default=1))


def check_words(tree: nodes.Template, filters: Collection[str], tests: Collection[str]) -> None:
    """Raises `Flaw` for a filter or test there is not. Jinja2 puts off those behind a condition."""
    kinds: tuple[tuple[type[nodes.Filter | nodes.Test], str, Collection[str]], ...] = (
        (nodes.Filter, "filter", filters),
        (nodes.Test, "test", tests),
    )
    for kind, word, known in kinds:
        for node in tree.find_all(kind):
            if node.name not in known:
                message = f"there is no {word} {node.name!r}"
                raise Flaw(message, _near(node.name, known) or _SYNTAX_REMEDY, line=node.lineno)


def not_compiled(error: jinja2.TemplateSyntaxError) -> Flaw:
    """What Jinja2 cannot read."""
    return Flaw(f"cannot be read: {error.message}", _SYNTAX_REMEDY, line=error.lineno)


def not_rendered(failed: RenderFailed, fixed: Mapping[str, Values], catalog: CatalogView) -> Flaw:
    """What fails already at load, for it needs nothing but an action and its treatment.

    ``fixed`` is what templates see of these two; others of the catalog may have more attributes.
    """
    cause = failed.__cause__
    if cause is None:  # too long
        return Flaw(failed.message, "shorten it")
    if found := _UNDEFINED.match(str(cause)):
        root, name = found[1], found[2]
        message = f"{root}.{name} is missing: {root} {fixed[root]['id']!r} has no {name!r}"
        owners: Sequence[Action | Treatment]
        owners = catalog.actions if root == "action" else catalog.treatments
        known = {*fixed[root], *(attribute for owner in owners for attribute in owner.attributes)}
        near = "" if name in known else _near(name, sorted(known), root)
        remedy = near or f"give every {root} with this text the attribute {name}, or use default"
        return Flaw(message, remedy)
    return Flaw(f"fails: {cause}", _SYNTAX_REMEDY)


def _near(word: str, known: Iterable[str], root: str = "") -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {root}{'.' if root else ''}{close[0]}?" if close else ""

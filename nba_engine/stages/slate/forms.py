"""The forms of a catalog's treatments: how each is rendered, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from nba_engine.domain import Action, Renderer, Resources, Treatment, Values
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.stages.templates import static_names

__all__ = ["Content", "Forms", "Named", "flaw_of"]

Content: TypeAlias = dict[str, str]

_KIND_CODES = {"win_back": "win_back", "loyalty": "loyalty"}


class Forms:
    """The renderers of all treatments, by treatment index. Raises `MistakesFound` with all mistakes."""

    def __init__(self, resources: Resources) -> None:
        catalog = resources.catalog
        self._renderers: list[Renderer] = []
        self._static: list[Mapping[str, Any]] = []
        self.named: list[Named] = []
        mistakes: list[Mistake] = []
        for index, treatment in enumerate(catalog.treatments):
            try:
                self._renderers.append(resources.channels[treatment.channel].prepare(treatment))
            except MistakesFound as wrong:
                mistakes.extend(wrong.mistakes)
            action = int(catalog.action_of[index])
            self._static.append(static_names(catalog, action, treatment))
            self.named.append(_named(catalog.actions[action], treatment))
        if mistakes:
            raise MistakesFound(mistakes)

    def render(self, treatment: int, customer: Values, context: Values, now: float) -> Content:
        """The content of a treatment for this customer; raises what the channel raises."""
        return self.content(treatment, {"customer": customer, "context": context, "now": now})

    def content(self, treatment: int, seen: Mapping[str, Any]) -> Content:
        """`render`, for several treatments of one decision."""
        return self._renderers[treatment]({**seen, **self._static[treatment]})


class Named(NamedTuple):
    """What a recommendation of a treatment says for every customer."""

    action: str
    treatment: str
    channel: str
    best: tuple[str, ...]  # reason codes of the first in its placement
    other: tuple[str, ...]  # … and of those that follow
    nothing: bool


def flaw_of(content: object) -> str:
    """What is wrong with what a renderer returned; "" when nothing is."""
    if type(content) is not dict:
        return f"it returned {type(content).__name__}, not a dict of texts"
    for name, text in content.items():
        if type(name) is not str or type(text) is not str:
            return f"it returned {type(text).__name__} under a {type(name).__name__}, not texts"
    return ""


def _named(action: Action, treatment: Treatment) -> Named:
    codes = (_KIND_CODES[action.kind],) if action.kind in _KIND_CODES else ()
    best = ("best_value", *codes)
    nothing = action.kind == "nothing"
    return Named(action.id, treatment.id, treatment.channel, best, codes, nothing)

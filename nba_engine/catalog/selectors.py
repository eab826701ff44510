"""``applies_to``: which treatments a rule, limit or lever is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np

from nba_engine.catalog.findings import Findings
from nba_engine.catalog.schema import Selector
from nba_engine.domain import Action, IntArray, Treatment
from nba_engine.settings import suggest

__all__ = ["Matcher"]


class Matcher:
    """Matches selectors against all treatments at once. *nothing* never matches."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        treatments: Sequence[Treatment],
        declared: Collection[str] = (),
    ) -> None:
        """``declared`` holds ids that exist although, by a mistake elsewhere, nothing has them."""
        self._count = len(treatments)
        self._declared = declared
        self._words: dict[str, dict[str, list[int]]] = {
            field: {} for field in Selector.__struct_fields__
        }
        self._all = np.zeros(self._count, dtype=np.bool_)
        for index, treatment in enumerate(treatments):
            action = actions[treatment.action]
            if action.kind == "nothing":
                continue
            self._all[index] = True
            self._note("actions", action.id, index)
            self._note("groups", action.group, index)
            self._note("campaigns", action.campaign, index)
            self._note("kinds", action.kind, index)
            self._note("channels", treatment.channel, index)
            for tag in {*action.tags, *treatment.tags}:
                self._note("tags", tag, index)

    def _note(self, key: str, word: str, index: int) -> None:
        if word:
            self._words[key].setdefault(word, []).append(index)

    def match(self, selector: Selector, file: str, place: str, findings: Findings) -> IntArray:
        """Indices of the treatments that match, ascending. Words and selectors that match none are mistakes."""
        result = self._all.copy()
        wrong = False
        for key, words in msgspec.structs.asdict(selector).items():
            if not words:
                continue
            known = self._words[key]
            any_word = np.zeros(self._count, dtype=np.bool_)
            for position, word in enumerate(words):
                if word in known:
                    any_word[known[word]] = True
                    continue
                wrong = True
                if word in self._declared:
                    continue
                remedy = suggest(word, known, f"{key} of treatments")
                message = f"no treatment matches {key} = {word!r}"
                findings.missing(file, f"{place}.{key}[{position}]", message, remedy)
            result &= any_word
        if not (wrong or self._declared or result.any() or selector == Selector()):
            message, remedy = "no treatment matches all of it together", "leave a key out"
            findings.missing(file, place, message, remedy)
        return np.flatnonzero(result)

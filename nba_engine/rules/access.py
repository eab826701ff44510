"""Fetching: from customer and context to the value that a table is asked for.

Each function returns a look-up ``(customer, context, now) → bitset of units that fail``.
"""

# ruff: noqa: ARG001  # all look-ups have the same signature

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from nba_engine.domain import Values
from nba_engine.rules.closures import ValueOf, value_of
from nba_engine.rules.nodes import Attribute, Node, walk
from nba_engine.rules.tables import Answers, Conjuncts, build_answers, layers
from nba_engine.rules.values import (
    AFTER_LAST_SECOND,
    FIRST_SECOND,
    Duration,
    Failed,
    Timestamp,
    plain,
)

__all__ = ["LookUp", "look_up", "look_up_entries"]

LookUp: TypeAlias = Callable[[Values, Values, Timestamp], int]

_KINDS: dict[str, tuple[type, type]] = {
    "string": (str, str),
    "int": (int, float),
    "double": (float, int),
    "bool": (bool, bool),
    "timestamp": (Timestamp, Timestamp),
    "duration": (Duration, Duration),
}


def look_up(subject: Node, conjuncts: Conjuncts) -> LookUp:
    """All conjuncts on one scalar subject."""
    answers = build_answers(subject.type, conjuncts)
    if isinstance(subject, Attribute):
        return _stored(subject, answers)
    return _computed(subject, answers)


def _stored(subject: Attribute, answers: Answers) -> LookUp:
    """The attribute itself. The code of `_classifier` is repeated: this is the hottest spot."""
    at, missing, nan = answers.at, answers.missing, answers.nan
    first, second = _KINDS[subject.type]
    unusual = _classifier(subject.type, answers)
    name, of_customer = subject.name, subject.root == "customer"

    def stored(c: Values, x: Values, n: Timestamp) -> int:
        try:
            value = c[name] if of_customer else x[name]
        except KeyError:
            return missing
        kind = type(value)
        if kind is first or kind is second:
            return at(value) if value == value else nan  # noqa: PLR0124  # NaN, fastest
        return missing if value is None else unusual(value)

    return stored


def _classifier(type_: str, answers: Answers) -> Callable[[Any], int]:
    """The answer for any stored value: numbers of either kind, times as seconds, wrong types."""
    at, other, nan = answers.at, answers.other, answers.nan
    first, second = _KINDS[type_]
    is_time = type_ == "timestamp"

    def classify(value: Any) -> int:
        kind = type(value)
        if kind is first or kind is second:
            return at(value) if value == value else nan  # noqa: PLR0124  # NaN, fastest
        if value is None:
            return other
        value = plain(value)
        kind = type(value)
        if is_time and (kind is int or kind is float):
            if FIRST_SECOND <= value < AFTER_LAST_SECOND:
                return at(round(value * 1e6) * 1000)
            return other
        if kind is first or kind is second:
            return at(value) if value == value else nan  # noqa: PLR0124
        return other

    return classify


def _computed(subject: Node, answers: Answers) -> LookUp:
    compute, classify = value_of(subject), _classifier(subject.type, answers)
    missing, error = answers.missing, answers.error
    roots = [value_of(part) for part in walk(subject) if isinstance(part, Attribute)]

    def computed(c: Values, x: Values, n: Timestamp) -> int:
        try:
            value = compute(c, x, n, None)
        except (KeyError, Failed):
            return error if missing == error or _all_present(roots, c, x, n) else missing
        return classify(value)

    return computed


def _all_present(roots: Sequence[ValueOf], c: Values, x: Values, n: Timestamp) -> bool:
    try:
        for root in roots:
            root(c, x, n, None)
    except KeyError:
        return False
    return True


def look_up_entries(attribute: Attribute, type_: str, by_key: Mapping[str, Conjuncts]) -> LookUp:
    """``map["key"]`` for many keys: the map is fetched once, only the keys it has are looked at.

    In each layer a unit is spoken of by one key, so that XOR exchanges the answer for a missing
    key with the answer for its value.
    """
    whole: list[tuple[str, int]] = []  # key → every unit it speaks of
    missing = 0
    tables = {key: build_answers(type_, conjuncts) for key, conjuncts in by_key.items()}
    for key, conjuncts in by_key.items():
        mask = 0
        for _, units in conjuncts:
            mask |= units
        whole.append((key, mask))
        missing |= tables[key].missing
    layered: list[tuple[int, dict[str, tuple[Callable[[Any], int], int]]]] = []
    error = 0
    for layer in layers(whole):
        absent, entries = 0, {}
        for key, _ in layer:
            absent |= tables[key].error
            entries[key] = (_classifier(type_, tables[key]), tables[key].error)
        layered.append((absent, entries))
        error |= absent
    name, of_customer = attribute.name, attribute.root == "customer"

    def look_up_all(c: Values, x: Values, n: Timestamp) -> int:
        try:
            found = c[name] if of_customer else x[name]
        except KeyError:
            return missing
        if type(found) is not dict:
            if found is None:
                return missing
            found = plain(found)
            if type(found) is not dict:
                return error
        bits = 0
        for absent, entries in layered:
            part = absent
            for key in entries.keys() & found.keys():
                classify, without = entries[key]
                part ^= without ^ classify(found[key])
            bits |= part
        return bits

    return look_up_all

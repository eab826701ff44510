"""Model inputs, declared once: serving and training compute the same number from them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Literal

import msgspec

__all__ = ["Feature", "Transform", "flaws_of_feature"]

Transform = Literal["none", "log1p", "days_since", "equals", "category", "element", "table"]

_SOURCE = re.compile(r"(customer|context|action|treatment)\.[A-Za-z_]\w*|now(\.(hour|weekday))?")
_SOURCES = (
    "customer.<name>, context.<name>, action.<name>, treatment.<name>, now, now.hour or now.weekday"
)
_KEY = re.compile(r"(action|treatment)\.[A-Za-z_]\w*")


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model input, declared so that serving and training compute the same number.

    ``source``: ``customer.<name>``, ``context.<name>``, ``action.<attribute>``,
    ``treatment.<attribute>`` (``treatment.cost``, ``treatment.channel`` too) or ``now``
    (``now.hour``, ``now.weekday`` in the catalog's time zone).
    ``key`` (``action.category``): ``source`` is a map of the customer, looked up by that value.
    ``transform``: ``log1p``; ``days_since`` (of a time); ``equals`` (1.0 if it equals ``value``);
    ``element`` (of a map: its number under the word ``value``);
    ``category`` (the position among ``categories``; what is not among them is missing);
    ``table``: Σ over the customer's list or map ``source`` of the complement table ``table``'s
    strength from its elements to the action's ``key`` (EASE score).
    ``default`` replaces a missing value, after the transform. ``minimum``/``maximum`` clip.
    """

    name: str
    source: str
    key: str = ""
    transform: Transform = "none"
    value: str | float | bool | None = None
    categories: tuple[str, ...] = ()
    table: str = ""
    default: float = 0.0
    minimum: float | None = None
    maximum: float | None = None


def flaws_of_feature(feature: Feature) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a declaration in itself: (key, message, remedy)."""
    if not feature.name:
        yield "name", "is empty", ""
    if not _SOURCE.fullmatch(feature.source):
        yield "source", f"{feature.source!r} names no source", _SOURCES
    of_customer = feature.source.startswith(("customer.", "context."))
    if feature.key and not _KEY.fullmatch(feature.key):
        yield "key", f"{feature.key!r} names no key", "action.<name> or treatment.<name>"
    if feature.key and not of_customer:
        yield "key", "only a map of the customer or the context can be looked up in", ""
    if feature.transform == "table" and not (feature.table and feature.key):
        yield "transform", "table needs `table` and `key`", ""
    if feature.table and feature.transform != "table":
        yield "table", "is used by transform = 'table' only", "leave it out"
    if (feature.value is None) == (feature.transform in ("equals", "element")):
        yield "value", "goes with transform = 'equals' or 'element', and only with these", ""
    if feature.transform == "element":
        if feature.key or not isinstance(feature.value, str | None):
            yield "value", "must be the word of the map's element, and there is no `key` then", ""
        if not of_customer:
            yield "transform", "element needs a map of the customer or the context", ""
    if feature.transform == "days_since" and not of_customer:
        yield "transform", "days_since needs a time of the customer or the context", ""
    yield from _flaws_of_categories(feature)
    numbers = (feature.default, feature.minimum, feature.maximum)
    if not all(math.isfinite(number) for number in numbers if number is not None):
        yield "default", "default, minimum and maximum must be finite numbers", ""
    if (
        feature.minimum is not None
        and feature.maximum is not None
        and feature.minimum > feature.maximum
    ):
        yield "minimum", "is above maximum", ""


def _flaws_of_categories(feature: Feature) -> Iterator[tuple[str, str, str]]:
    if feature.transform != "category":
        if feature.categories:
            yield "categories", "goes with transform = 'category', and only with it", ""
        return
    if feature.key:
        yield "key", "a category is a single value, not looked up in a map", "leave it out"
    if len(set(feature.categories)) < len(feature.categories):
        yield "categories", "names a category twice", "name each once"
    if feature.minimum is not None or feature.maximum is not None:
        yield "minimum", "positions among categories are not clipped", "leave it out"

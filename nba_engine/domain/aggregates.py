"""Declared aggregates over interactions: the specification. The algebra is in `algebra.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from nba_engine.domain.customer_value import ValueSpec
from nba_engine.domain.fitted import Prior
from nba_engine.domain.values import Value

__all__ = ["AggregateKind", "AggregateSpec", "DeclaredKind"]

DeclaredKind = Literal[
    "count", "sum", "first", "last", "set", "decayed", "affinity", "share", "reorder"
]
AggregateKind = DeclaredKind | Literal["days", "value"]


class AggregateSpec(msgspec.Struct, frozen=True, kw_only=True):
    """``customer.<name>``, computed from interactions of ``types`` whose properties match ``where``.

    - ``count``: number of interactions; ``sum``: of ``property`` (absent: ignored).
    - ``first``/``last``: the time of the first/last one; with ``property`` the property's value then.
    - ``set``: the distinct values of ``by`` (rules see a list); with ``within`` (seconds) only
      those seen that recently; ``removed_by`` names interaction types that take an element out
      (``remove_from_cart``, or ``purchase`` for a cart).
    - ``decayed``: count (or sum of ``property``) halved every ``half_life`` seconds.
    - ``by`` (not for ``set``): one value per value of that property (rules see a map). A property
      holding a list counts for each element. ``sum`` and ``decayed`` accept ``property`` holding
      a list too, aligned with ``by``'s list (a basket in one interaction).
    - ``affinity``: how much more often than others a customer responds, by value of ``by``:
      ``types`` are contacts, ``positive`` responses; both fade with ``half_life``.
    - ``share``: which part of all that fades away with ``half_life`` is of a value of ``by``.
    - ``reorder``: time since the last one over the usual time between two, by value of ``by``.
    - ``prior``: what these three know of others, of the attribute ``segment`` if there is one; it
      was fitted, and is not declared. Without it they say nothing.
    - ``days``, ``value``: what a catalog's ``[value]`` stands for. ``days``: on how many days there was
      one, with the money of ``property``; ``value``: what ``value`` says of the state of another
      aggregate, ``reads``.
    - ``type`` (``first``/``last`` with ``property``): the type of the property's value, for rules;
      "" is double.
    """

    name: str
    kind: AggregateKind
    types: tuple[str, ...]
    where: Mapping[str, Value] = {}
    by: str = ""
    property: str = ""
    half_life: float = 0.0
    within: float = 0.0
    removed_by: tuple[str, ...] = ()
    sensitive: bool = False
    type: str = ""
    positive: tuple[str, ...] = ()
    segment: str = ""
    prior: Prior | None = None
    reads: str = ""
    value: ValueSpec | None = None

"""How two customers become one.

A merge is a pure function over two customers. It is commutative and associative but for the id of
the customer that stays, which the store chooses (the one known longest); so the order in which
identities are linked does not matter:

========== ==================================================================================
attributes by the rule that the catalog declares (`MergeRule`); what only one has is kept
aggregates by their algebra (`nba_engine.domain.algebra`)
consents   the stricter: a withdrawal on either side wins, of two equal ones the later; what one
           said of ``purpose:*`` holds against what the other said of a channel
version    added, so that it rises
========== ==================================================================================
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from nba_engine.domain.aggregates import AggregateSpec
from nba_engine.domain.algebra import merge_states
from nba_engine.domain.cells import Cell, combine_for
from nba_engine.domain.identities import Held, Merge, MergeRule
from nba_engine.domain.profile import Consent, CustomerState
from nba_engine.domain.values import Value

__all__ = ["merge_for"]

_LARGEST_INT = 2**63 - 1

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_add = combine_for(AggregateSpec(name="", kind="sum", types=()))


def merge_for(rules: Mapping[str, MergeRule], aggregates: Mapping[str, AggregateSpec]) -> Merge:
    """Compile merge rules (by attribute) and aggregates into one pure function.

    An attribute without a rule is merged as ``latest``. Of two states of an aggregate that is not
    declared, or that do not have its form, one is kept (always the same one).
    """

    def merge(one: Held, other: Held) -> Held:
        attributes, stamps = _attributes(rules, one, other)
        return Held(
            state=CustomerState(
                customer_id=one.state.customer_id,
                version=one.state.version + other.state.version,
                attributes=attributes,
                aggregates=_aggregates(aggregates, one.state.aggregates, other.state.aggregates),
                consents=_consents(one.state.consents, other.state.consents),
            ),
            stamps=stamps,
        )

    return merge


def _attributes(
    rules: Mapping[str, MergeRule], one: Held, other: Held
) -> tuple[dict[str, Value], dict[str, Any]]:
    mine, theirs = one.state.attributes, other.state.attributes
    values, stamps = {**theirs, **mine}, {**other.stamps, **one.stamps}
    for name in sorted(mine.keys() & theirs.keys()):
        rule = rules.get(name, "latest")
        values[name], stamps[name] = _merged(
            rule,
            (mine[name], one.stamps.get(name, 0.0)),
            (theirs[name], other.stamps.get(name, 0.0)),
        )
    return dict(sorted(values.items())), {n: s for n, s in sorted(stamps.items()) if n in values}


_Stamped = tuple[Value, Any]


def _merged(rule: MergeRule, one: _Stamped, other: _Stamped) -> _Stamped:
    latest = max(_time(one), _time(other))
    try:
        if rule == "sum":
            return _sum(one, other, latest)
        if rule == "union":
            return _union(one[0], other[0]), latest
        if rule in ("max", "min"):
            pick = max if rule == "max" else min
            return pick(one[0], other[0]), latest
    except TypeError:  # stored while the catalog declared another type: taken as it comes
        pass
    if rule == "first":
        return min(one, other, key=_rank)
    return max(one, other, key=_rank)


def _time(stamped: _Stamped) -> float:
    stamp = stamped[1]
    return float(stamp[0] if isinstance(stamp, list) else stamp)


def _rank(stamped: _Stamped) -> tuple[float, bytes]:
    """By time; at the same time some order is as good as another, as long as it is one."""
    return _time(stamped), _encode(stamped[0])


def _sum(one: _Stamped, other: _Stamped, time: float) -> _Stamped:
    mine, theirs = _cells(one), _cells(other)
    if isinstance(mine, dict) and isinstance(theirs, dict):
        both = {
            key: _added(mine[key], theirs[key])
            if key in mine and key in theirs
            else mine.get(key, theirs.get(key))
            for key in sorted(mine.keys() | theirs.keys())
        }
        value = {key: _rounded(cell) for key, cell in both.items()}
        exact = not any(isinstance(cell, list) for cell in both.values())
        return value, (time if exact else [time, both])
    cell = _added(mine, theirs)
    return _rounded(cell), ([time, cell] if isinstance(cell, list) else time)


def _cells(stamped: _Stamped) -> Any:
    value, stamp = stamped
    return stamp[1] if isinstance(stamp, list) else value


def _added(one: Cell, other: Cell) -> Cell:
    if isinstance(one, int) and isinstance(other, int):
        return max(-_LARGEST_INT, min(_LARGEST_INT, one + other))
    try:
        return _add(one, other)
    except OverflowError:
        return math.copysign(sys.float_info.max, _rounded(one))


def _rounded(cell: Cell) -> Any:
    return cell[0] if isinstance(cell, list) else cell


def _union(one: Value, other: Value) -> Value:
    """All elements, sorted; of a map all keys, with the larger value where both have one."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = {**other, **one}
        return {
            key: max(one[key], other[key]) if key in one and key in other else both[key]
            for key in sorted(both)
        }
    if isinstance(one, list) and isinstance(other, list):
        return sorted({*one, *other})
    raise TypeError("neither lists nor maps")


def _aggregates(
    specs: Mapping[str, AggregateSpec], one: Mapping[str, Any], other: Mapping[str, Any]
) -> dict[str, Any]:
    merged = {**other, **one}
    for name in one.keys() & other.keys():
        try:
            merged[name] = merge_states(specs[name], one[name], other[name])
        except (KeyError, TypeError, ValueError, IndexError):  # not declared, or as another kind
            merged[name] = max(one[name], other[name], key=_encode)
    return dict(sorted(merged.items()))


def _consents(one: Mapping[str, Consent], other: Mapping[str, Consent]) -> dict[str, Consent]:
    return {
        word: max(
            (said for side in (one, other) if (said := _said(side, word)) is not None),
            key=_strictness,
        )
        for word in sorted(one.keys() | other.keys())
    }


def _said(consents: Mapping[str, Consent], word: str) -> Consent | None:
    return consents.get(word) or consents.get(f"{word.partition(':')[0]}:*")


def _strictness(consent: Consent) -> tuple[bool, float, str]:
    return not consent.granted, consent.time, consent.source

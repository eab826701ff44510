"""The algebra of aggregates: states that merge in any order, and the values rules see.

A state is plain data (numbers, lists, maps: msgpack and JSON can hold it). The state after a set
of interactions does not depend on the order in which they came, nor on how they were batched:
every kind is a commutative, associative ``combine`` over *cells*, one cell per interaction
(and per element of ``by``):

========== ============================== =====================================================
kind       cell                           combine
========== ============================== =====================================================
count      1                              addition
sum        the number                     exact addition: a float, or ``[rounded sum, rest, …]``
                                          (Shewchuk 1997), so that no order changes a bit
first/last the time, or with ``property``  the smaller/larger (time, interaction id)
           ``[time, interaction id, value]``
set        the time it was added, or      the later of each; added at or before removed is out
           ``[added or null, removed]``
decayed,   ``[time, amount]``             the earlier one decayed to the later one's time
share
days       see `domain.purchase_days`     union of days, addition of money
affinity   ``[time, contacts, positive]`` both decayed like this
reorder    ``[first, last, number]``      smaller time, larger time, addition
========== ============================== =====================================================

With ``by`` (and for ``set``) the state is a map from element to cell. Elements are strings;
numbers and booleans become strings (``7``, ``true``).

Sets with ``within`` forget times older than ``within`` before their newest time. Sets with
``removed_by`` and without ``within`` keep a tombstone per removed element, so that a late
"added" cannot bring it back: give carts a ``within``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nba_engine.domain.aggregates import AggregateSpec
from nba_engine.domain.cells import (
    Cell,
    add_amounts,
    add_decayed,
    combine_for,
    count_words,
    form_of,
    number_of,
    pruned_cart,
    put_moment,
    words_of,
)
from nba_engine.domain.customer_value import value_measure
from nba_engine.domain.fitted import (
    FITTED,
    AffinityPrior,
    ReorderPrior,
    SharePrior,
    affinities,
    due,
    shares,
)
from nba_engine.domain.interaction import Interaction
from nba_engine.domain.purchase_days import days_cell, read_days
from nba_engine.domain.store import Fold
from nba_engine.domain.values import Value, Values

__all__ = ["FORGOTTEN", "fold_for", "matches", "merge_states", "state_for", "value_of"]

FORGOTTEN = 1e-12  # what has decayed below this reads as 0.0


def fold_for(specs: Mapping[str, AggregateSpec]) -> Fold:
    """Compile aggregates (by name) into one pure function over states and interactions.

    States of aggregates that are not in ``specs`` are kept as they are; a state that does not
    have the form of its aggregate (its kind was changed) starts anew.
    """
    compiled = [_Compiled(name, spec) for name, spec in specs.items()]
    by_type: dict[str, list[_Compiled]] = {}
    for one in compiled:
        for kind in dict.fromkeys((*one.spec.types, *one.spec.removed_by, *one.spec.positive)):
            by_type.setdefault(kind, []).append(one)

    def fold(
        states: Mapping[str, object], interactions: Sequence[Interaction]
    ) -> dict[str, object]:
        after = dict(states)
        if len(interactions) == 1:
            for one in by_type.get(interactions[0].type, ()):
                one.fold_into(after, interactions)
            return after
        grouped: dict[str, list[Interaction]] = {}
        for interaction in interactions:
            for one in by_type.get(interaction.type, ()):
                grouped.setdefault(one.name, []).append(interaction)
        for one in compiled:
            if one.name in grouped:
                one.fold_into(after, grouped[one.name])
        return after

    return fold


def merge_states(spec: AggregateSpec, one: Any, other: Any) -> Any:
    """The state of both sets of interactions together; None is the state of none.

    The two sets must be disjoint (no interaction id in both).
    """
    return _Compiled(spec.name, spec).merge(one, other)


def matches(spec: AggregateSpec, properties: Values) -> bool:
    """Whether an interaction with these properties counts; its type is another matter."""
    for name, wanted in spec.where.items():
        found = properties.get(name)
        options = wanted if isinstance(wanted, list | tuple) else (wanted,)
        if not any(
            found == option and isinstance(found, bool) == isinstance(option, bool)
            for option in options
        ) and not (isinstance(found, list) and found == wanted):
            return False
    return True


def state_for(spec: AggregateSpec, states: Mapping[str, Any]) -> Any:
    """The state that an aggregate is read from: its own, or another's; None: there is none."""
    return states.get(spec.reads or spec.name)


def value_of(spec: AggregateSpec, state: Any, now: float, *, segment: Value = "") -> Value:
    """What rules see of a state (`state_for`) at ``now``; None (no interaction yet) is allowed.

    count → int, sum and decayed → float (a decayed one below 1e-12 reads as 0.0), set → sorted list of strings, first and last → a time
    or the property's value; with ``by`` a map of these. affinity, share and reorder → a map of
    floats by the words of their prior, of the customer's ``segment``; empty without one. days → int,
    value → see `domain.customer_value`. Without any interaction: 0, 0.0, [] or
    an empty map; for first and last without ``by`` None: the attribute is missing. A state that
    does not have the form of its aggregate counts as none.
    """
    try:
        return _value(spec, state, now, segment)
    except (TypeError, ValueError, IndexError):  # its kind was changed under the same name
        return _value(spec, None, now, segment)


def _value(spec: AggregateSpec, state: Any, now: float, segment: Value) -> Value:
    if spec.kind == "set":
        return _set_value(state, spec.within, now)
    if spec.value is not None:
        return value_measure(spec.value, state, now)
    if spec.kind in FITTED:
        return _fitted_value(spec, state if isinstance(state, dict) else {}, now, segment)
    if spec.by:
        if not isinstance(state, dict):
            return {}
        return _map_value(spec, state, now)
    return _cell_value(spec, state, now)


def _fitted_value(
    spec: AggregateSpec, cells: dict[str, Cell], now: float, segment: Value
) -> dict[str, Value]:
    prior = spec.prior
    found: dict[str, float] = {}
    name = segment if isinstance(segment, str) else ""
    if spec.kind == "affinity" and isinstance(prior, AffinityPrior):
        found = affinities(prior, cells, now, 1.0 / spec.half_life, name)
    elif spec.kind == "share" and isinstance(prior, SharePrior):
        found = shares(prior, cells, now, 1.0 / spec.half_life, name)
    elif spec.kind == "reorder" and isinstance(prior, ReorderPrior):
        found = due(prior, cells, now)
    return {**found}


def _cell_value(spec: AggregateSpec, cell: Cell, now: float) -> Value:
    if cell is None:
        return {"count": 0, "sum": 0.0, "decayed": 0.0, "days": 0}.get(spec.kind)
    if spec.kind == "days":
        return read_days(cell, now).repeats + 1
    if spec.kind == "decayed":
        time, amount = cell
        value = amount * math.exp2(min(0.0, time - now) / spec.half_life)
        return value if abs(value) >= FORGOTTEN else 0.0
    if spec.kind == "sum":
        return cell[0] if isinstance(cell, list) else cell
    if spec.kind != "count" and spec.property:
        return cell[2]
    return cell


def _map_value(spec: AggregateSpec, cells: dict[str, Cell], now: float) -> dict[str, Value]:
    if spec.kind == "decayed":
        exp2, rate = math.exp2, 1.0 / spec.half_life
        return {
            word: value
            if (value := amount * exp2((time - now) * rate) if time < now else amount) >= FORGOTTEN
            or value <= -FORGOTTEN
            else 0.0
            for word, (time, amount) in cells.items()
        }
    if spec.kind == "sum":
        return {word: cell[0] if isinstance(cell, list) else cell for word, cell in cells.items()}
    if spec.kind != "count" and spec.property:
        return {word: cell[2] for word, cell in cells.items()}
    return dict(cells)


def _set_value(cells: Any, within: float, now: float) -> list[str]:
    if not isinstance(cells, dict):
        return []
    oldest = now - within if within else -math.inf
    present = []
    for word, cell in cells.items():
        added = cell
        if isinstance(cell, list):
            added, removed = cell
            if added is None or added <= removed:
                continue
        if added >= oldest:
            present.append(word)
    present.sort()
    return present


class _Compiled:
    """One aggregate, ready to fold."""

    __slots__ = ("_add", "_combine", "_form", "_keyed", "name", "spec")

    def __init__(self, name: str, spec: AggregateSpec) -> None:
        if spec.kind in {"decayed", "affinity", "share"} and not spec.half_life > 0:
            raise ValueError(
                f"aggregate {name!r}: of kind {spec.kind} it needs a positive half_life"
            )
        if spec.kind in {"set", *FITTED} and not spec.by:
            raise ValueError(f"aggregate {name!r}: of kind {spec.kind} it needs `by`")
        self.name = name
        self.spec = spec
        self._combine = combine_for(spec)
        self._keyed = bool(spec.by)
        self._form: tuple[type, ...] = form_of(spec)
        if spec.kind == "set":
            self._add = self._add_elements
        elif spec.by:
            self._add = self._add_by
        else:
            self._add = self._add_one

    def fold_into(self, states: dict[str, object], interactions: Sequence[Interaction]) -> None:
        """Replace this aggregate's state in ``states``; the old state itself is not changed."""
        try:
            after = self._fold(states.get(self.name), interactions)
        except (TypeError, ValueError, IndexError):  # cells of another kind under the same name
            after = self._fold(None, interactions)
        if after is not None:
            states[self.name] = after

    def merge(self, one: Any, other: Any) -> Any:
        if one is None or other is None:
            return other if one is None else one
        if not self._keyed:
            return self._combine(one, other)
        merged = dict(one)
        for word, cell in other.items():
            before = merged.get(word)
            merged[word] = cell if before is None else self._combine(before, cell)
        return self._pruned(merged)

    def _fold(self, state: Any, interactions: Sequence[Interaction]) -> Any:
        if not isinstance(state, self._form):
            state = None
        if self._keyed:
            state = {} if state is None else dict(state)
        for interaction in interactions:
            state = self._add(state, interaction)
        return self._pruned(state) if self._keyed else state

    def _pruned(self, cells: dict[str, Cell]) -> dict[str, Cell] | None:
        """Without the times that ``within`` no longer covers; None when nothing is left."""
        within = self.spec.within
        if not within or self.spec.kind != "set" or not cells:
            return cells or None
        if not self.spec.removed_by:
            oldest = max(cells.values()) - within
            if min(cells.values()) >= oldest:
                return cells
            return {word: added for word, added in cells.items() if added >= oldest}
        return pruned_cart(cells, within)

    def _add_one(self, state: Any, interaction: Interaction) -> Any:
        if not matches(self.spec, interaction.properties):
            return state
        spec = self.spec
        cell: Cell
        if spec.kind == "count":
            return 1 if state is None else state + 1
        if spec.kind in {"first", "last"}:
            cell = self._moment(interaction)
            if cell is None:
                return state
            return cell if state is None else self._combine(state, cell)
        if spec.kind == "days":
            cell = days_cell(interaction.time, self._amounts(interaction.properties))
            return cell if state is None else self._combine(state, cell)
        for amount in self._amounts(interaction.properties):
            cell = [interaction.time, amount] if spec.kind == "decayed" else amount
            state = cell if state is None else self._combine(state, cell)
        return state

    def _add_by(self, state: dict[str, Cell], interaction: Interaction) -> dict[str, Cell]:
        properties = interaction.properties
        spec = self.spec
        if spec.where and not matches(spec, properties):
            return state
        words = words_of(properties.get(spec.by))
        if spec.kind == "count":
            count_words(state, words)
        elif spec.kind == "reorder":
            moment = [interaction.time, interaction.time, 1]
            put_moment(state, tuple(dict.fromkeys(words)), moment, self._combine)
        elif spec.kind == "affinity":
            positive = interaction.type in spec.positive
            cell = [interaction.time, 0.0 if positive else 1.0, 1.0 if positive else 0.0]
            put_moment(state, tuple(dict.fromkeys(words)), cell, self._combine)
        elif spec.kind in {"first", "last"}:
            moment = self._moment(interaction)
            if moment is not None:
                put_moment(state, words, moment, self._combine)
        else:
            amounts: Sequence[float | None] = [1.0] * len(words)
            if spec.property:
                held = properties.get(spec.property)
                many = held if isinstance(held, list) else [held] * len(words)
                amounts = [number_of(one) for one in many]
            if spec.kind in {"decayed", "share"}:
                add_decayed(state, words, amounts, interaction.time, 1.0 / spec.half_life)
            else:
                add_amounts(state, words, amounts)
        return state

    def _amounts(self, properties: Values) -> list[float]:
        """What one interaction adds to a sum or a decayed counter without ``by``."""
        if not self.spec.property:
            return [1.0]
        held = properties.get(self.spec.property)
        numbers = [number_of(one) for one in (held if isinstance(held, list) else (held,))]
        return [number for number in numbers if number is not None]

    def _moment(self, interaction: Interaction) -> Cell:
        if not self.spec.property:
            return interaction.time
        value = interaction.properties.get(self.spec.property)
        return None if value is None else [interaction.time, interaction.interaction_id, value]

    def _add_elements(self, state: dict[str, Cell], interaction: Interaction) -> dict[str, Cell]:
        spec, time = self.spec, interaction.time
        adds = interaction.type in spec.types and matches(self.spec, interaction.properties)
        removes = interaction.type in spec.removed_by
        if adds or removes:
            cell = [time if adds else None, time] if removes else time
            put_moment(state, words_of(interaction.properties.get(spec.by)), cell, self._combine)
        return state

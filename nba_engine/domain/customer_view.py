"""What rules, features and templates see of a customer: one mapping over the stored state."""

# ruff: noqa: SLF001 - a view completes the copies it makes of itself

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NoReturn

from nba_engine.domain.aggregates import AggregateSpec
from nba_engine.domain.algebra import state_for, value_of
from nba_engine.domain.profile import CustomerState
from nba_engine.domain.values import Value, Values

__all__ = ["CustomerView"]


class CustomerView(dict[str, Value]):
    """Attributes, aggregates as of ``now``, ``consents``, ``known`` and ``customer_id``.

    ``consents`` lists the granted ``purpose:channel`` words. Aggregates are computed when they
    are first asked for. A missing attribute raises KeyError. A dict, because a lookup of what is
    there then costs nothing extra; reading (``[]``, ``get``, ``in``, iteration) sees the
    aggregates too. The names of attributes win over those of aggregates. Changing it raises
    TypeError: all stages of a decision see the same customer. `changed` gives a changed copy.
    """

    __slots__ = ("_aggregates", "_computed", "_now", "_states")

    def __init__(
        self,
        state: CustomerState,
        aggregates: Mapping[str, AggregateSpec],
        now: float,
        *,
        known: bool = True,
    ) -> None:
        super().__init__(state.attributes)
        for source in state.fetched:
            dict.update(self, source.attributes)
        dict.update(
            self,
            customer_id=state.customer_id,
            known=known,
            consents=[word for word, given in state.consents.items() if given.granted],
        )
        self._aggregates = aggregates
        self._states = state.aggregates
        self._now = now
        self._computed: list[str] = []

    def __missing__(self, name: str) -> Value:
        spec = self._aggregates.get(name)
        if spec is None:
            raise KeyError(name)
        state = state_for(spec, self._states)
        segment = self.get(spec.segment, "") if spec.segment else ""
        try:
            value = value_of(spec, state, self._now, segment=segment)
        except (TypeError, ValueError, IndexError, KeyError):
            # stored while the catalog declared another kind under this name: it starts anew
            value = value_of(spec, None, self._now, segment=segment)
        if value is None:
            raise KeyError(name)
        dict.__setitem__(self, name, value)
        self._computed.append(name)
        return value

    def get(self, name: str, default: Value = None) -> Value:
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        if name not in self._aggregates:
            return False
        return self.get(str(name)) is not None

    def __copy__(self) -> CustomerView:
        copy = self._copied()
        for name, value in self.items():  # lists and maps of its own, too
            if isinstance(value, list | dict):
                dict.__setitem__(copy, name, value.copy())
        return copy

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("what is known of a customer cannot be changed by a stage")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def _copied(self) -> CustomerView:
        copy = CustomerView.__new__(CustomerView)
        dict.update(copy, self)
        copy._aggregates, copy._states, copy._now = self._aggregates, self._states, self._now
        copy._computed = self._computed.copy()
        return copy

    def names(self) -> Iterator[str]:
        """Every name that has a value, computed or not."""
        yield from list(self)
        for name in self._aggregates:
            if not super().__contains__(name) and name in self:
                yield name

    def at(self, now: float) -> CustomerView:
        """The same customer seen at another time: aggregates are computed anew."""
        moved = self._copied()
        for name in moved._computed:
            dict.pop(moved, name, None)
        moved._computed = []
        moved._now = now
        return moved

    def changed(self, values: Values, *, removed: Collection[str] = ()) -> CustomerView:
        """A copy with values set over attributes and aggregates alike, and some missing."""
        copy = self._copied()
        if removed:
            copy._aggregates = {n: s for n, s in self._aggregates.items() if n not in removed}
            for name in removed:
                dict.pop(copy, name, None)
        copy._computed = [name for name in self._computed if name not in values]
        dict.update(copy, values)
        return copy

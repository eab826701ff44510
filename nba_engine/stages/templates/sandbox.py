"""The sandbox that templates run in: no code, no loader, bounded work, bounded output."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from nba_engine.domain import Values

__all__ = ["MAX_OUTPUT", "Root", "Sandbox", "forbidden_in"]

MAX_OUTPUT = 65_536  # characters of one field
_MAX_RANGE = 1_000
_MAX_FACTOR = 65_536

# what would let a template define code, reach other templates, or loop without end
_FORBIDDEN: tuple[tuple[type[nodes.Node], str], ...] = (
    (nodes.Macro, "macro"),
    (nodes.CallBlock, "call"),
    (nodes.Import, "import"),
    (nodes.FromImport, "import"),
    (nodes.Include, "include"),
    (nodes.Extends, "extends"),
    (nodes.Block, "block"),
)
_MAX_NESTED_LOOPS = 2


class Root:
    """``customer``, ``context`` … in a template: names are looked up as items, never as methods."""

    __slots__ = ("name", "values")

    def __init__(self, name: str, values: Values) -> None:
        self.name = name
        self.values = values

    def __str__(self) -> str:
        raise TypeError(f"{self.name} is no text; name one of its attributes")


class Sandbox(SandboxedEnvironment):
    """Jinja2's sandbox, with what is left of its loopholes for work without end closed.

    ``date`` formats a time in the catalog's zone: ``{{ customer.birthday | date("%d %B") }}``.
    """

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, time_zone: str) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, autoescape=False, auto_reload=False)
        self._zone = zoneinfo.ZoneInfo(time_zone)
        self.globals = {"range": _short_range}
        self.filters["date"] = self._date
        for name in (
            "attr",
            "random",
            "pprint",
            "tojson",
            "xmlattr",
            "urlize",
            "format",
            "center",
            "indent",
        ):
            self.filters.pop(name, None)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Root):
            return self._look_up(obj, attribute)
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Root):
            return self._look_up(obj, str(argument))
        return super().getitem(obj, argument)

    def _look_up(self, root: Root, name: str) -> Any:
        try:
            return root.values[name]
        except KeyError:
            return self.undefined(name=f"{root.name}.{name}")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """``*`` and ``**`` only of numbers, and of small ones; ``%`` does not format strings."""
        if operator == "%" and isinstance(left, str):
            raise SecurityError("formatting with % is not available in templates")
        if operator != "%":
            if not isinstance(left, int | float) or not isinstance(right, int | float):
                raise SecurityError(f"{operator} takes numbers in templates")
            if operator == "**" and (abs(left) > _MAX_FACTOR or abs(right) > 64):
                raise SecurityError("this power is too large for a template")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Methods that can make long strings out of short ones are not available."""
        if attr in {"ljust", "rjust", "center", "zfill", "format", "format_map", "expandtabs"}:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """No ``str.format`` in templates, not even Jinja2's own: its widths are not bounded."""

    def _date(self, time: float, form: str = "%Y-%m-%d") -> str:
        return dt.datetime.fromtimestamp(float(time), self._zone).strftime(form)


def forbidden_in(tree: nodes.Template) -> tuple[int, str] | None:
    """(line, message) of the first thing that templates must not contain; None: all is well."""
    for kind, word in _FORBIDDEN:
        found = tree.find(kind)
        if found is not None:
            return found.lineno, f"{{% {word} %}} is not available in templates"
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            return loop.lineno, "recursive loops are not available in templates"
        if _depth(loop) > _MAX_NESTED_LOOPS:
            return loop.lineno, f"loops may be nested {_MAX_NESTED_LOOPS} deep"
    return None


def _depth(loop: nodes.For) -> int:
    return 1 + max((_depth(inner) for inner in loop.find_all(nodes.For)), default=0)


def _short_range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > _MAX_RANGE:
        raise OverflowError(f"range() gives at most {_MAX_RANGE} numbers in templates")
    return numbers

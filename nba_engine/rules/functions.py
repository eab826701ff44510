"""The operators and functions that rules may use, and how each is computed."""

# all closures have the same signature

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from nba_engine.domain import RuleFunction, Values
from nba_engine.rules import values
from nba_engine.rules.literals import matcher, parse_zone, wall_clock
from nba_engine.rules.nodes import Call, Const
from nba_engine.rules.values import INT_MAX, INT_MIN, Duration, Failed, Timestamp

__all__ = ["BUILT_IN", "OPERATORS", "call_of", "fits"]

_ValueOf = Callable[[Values, Values, Timestamp, Any], Any]

# as CEL names them in the checked tree → as they are written
OPERATORS = {
    "_&&_": "&&",
    "_||_": "||",
    "!_": "!",
    "_?_:_": "?:",
    "_==_": "==",
    "_!=_": "!=",
    "_<_": "<",
    "_<=_": "<=",
    "_>_": ">",
    "_>=_": ">=",
    "@in": "in",
    "_+_": "+",
    "_-_": "-",
    "_*_": "*",
    "_/_": "/",
    "_%_": "%",
    "-_": "negate",
    "_[_]": "[]",
}


def _size(value: Any) -> int:
    if type(value) in {str, list, dict}:
        return len(value)
    raise Failed


def _to_int(value: Any) -> int:
    kind = type(value)
    if kind is int or kind is bool:
        return int(value)
    if kind is float:
        if INT_MIN < value < INT_MAX:  # false for NaN
            return int(value)
    elif kind is Timestamp:
        return int(value // 10**9)
    elif kind is str:
        digits = value.strip(" \t\n\v\f\r")
        if digits.isascii() and digits.lstrip("+-").isdigit() and len(digits) < 25:
            try:
                number = int(digits)
            except ValueError:
                raise Failed from None
            if INT_MIN <= number <= INT_MAX:
                return number
    raise Failed


def _to_double(value: Any) -> float:
    if type(value) is float or type(value) is int:
        number: float = values.coerce(value, "double")
        return number
    if type(value) is str:
        try:
            return float(value)
        except ValueError:
            raise Failed from None
    raise Failed


def _text_test(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def checked(text: Any, part: Any) -> bool:
        if type(text) is str and type(part) is str:
            return test(text, part)
        raise Failed

    return checked


_SIMPLE: dict[str, Callable[..., Any]] = {
    "==": values.equals,
    "!=": lambda a, b: not values.equals(a, b),
    "<": lambda a, b: values.compare("<", a, b),
    "<=": lambda a, b: values.compare("<=", a, b),
    ">": lambda a, b: values.compare(">", a, b),
    ">=": lambda a, b: values.compare(">=", a, b),
    "in": values.contains,
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.remainder,
    "negate": values.negate,
    "size": _size,
    "int": _to_int,
    "double": _to_double,
    "startsWith": _text_test(str.startswith),
    "endsWith": _text_test(str.endswith),
    "contains": _text_test(lambda text, part: part in text),
}

_CLOCK: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda t: t.year,
    "getMonth": lambda t: t.month - 1,
    "getDate": lambda t: t.day,
    "getDayOfMonth": lambda t: t.day - 1,
    "getDayOfWeek": lambda t: t.isoweekday() % 7,
    "getDayOfYear": lambda t: t.timetuple().tm_yday - 1,
    "getHours": lambda t: t.hour,
    "getMinutes": lambda t: t.minute,
    "getSeconds": lambda t: t.second,
    "getMilliseconds": lambda t: t.microsecond // 1000,
}
_EXACT = {
    "string": str,
    "int": int,
    "double": float,
    "bool": bool,
    "timestamp": Timestamp,
    "duration": Duration,
}
_SPAN = {"getHours": 3600 * 10**9, "getMinutes": 60 * 10**9, "getSeconds": 10**9}

BUILT_IN = frozenset({*_SIMPLE, *_CLOCK, "matches", "timestamp", "duration", "has"})


def call_of(node: Call, arguments: Sequence[_ValueOf]) -> _ValueOf:
    """The closure of an operator or function over the closures of its arguments."""
    if node.registered is not None:
        return _registered(node.registered, arguments)
    if node.function == "matches":
        return _matches(node, arguments[0])
    if node.function in _CLOCK:
        return _clock(node, arguments[0])
    function = _SIMPLE[node.function]
    if len(arguments) == 1:
        only = arguments[0]
        return lambda c, x, n, e: function(only(c, x, n, e))
    left, right = arguments
    return lambda c, x, n, e: function(left(c, x, n, e), right(c, x, n, e))


def _matches(node: Call, text: _ValueOf) -> _ValueOf:
    pattern = node.arguments[1]
    assert isinstance(pattern, Const)
    test = matcher(pattern.value)
    assert callable(test)

    def value(c: Values, x: Values, n: Timestamp, e: Any) -> bool:
        found = text(c, x, n, e)
        if type(found) is not str:
            raise Failed
        return test(found)

    return value


def _clock(node: Call, moment: _ValueOf) -> _ValueOf:
    read, span, zone = _CLOCK[node.function], _SPAN.get(node.function), UTC
    if len(node.arguments) == 2:
        name = node.arguments[1]
        assert isinstance(name, Const)
        zone = parse_zone(name.value)  # type: ignore[assignment]  # checked when parsed
    zoned = len(node.arguments) == 2

    def value(c: Values, x: Values, n: Timestamp, e: Any) -> int:
        found = moment(c, x, n, e)
        if type(found) is Timestamp:
            return read(wall_clock(found, zone))
        if type(found) is Duration and span is not None and not zoned:
            whole = abs(int(found)) // span
            return whole if found >= 0 else -whole
        raise Failed

    return value


def fits(value: Any, type_: str) -> bool:
    """Whether a value is of a declared type (elements of containers are not looked at)."""
    if type_.startswith("list<"):
        return type(value) is list
    if type_.startswith("map<"):
        return type(value) is dict
    return type(value) is _EXACT.get(type_)


def _seconds(value: Any) -> Any:
    """Timestamps leave the engine as seconds since the epoch, inside containers too."""
    if type(value) is Timestamp:
        return int(value) / 1e9
    if type(value) is list:
        return [_seconds(element) for element in value]
    if type(value) is dict:
        return {name: _seconds(element) for name, element in value.items()}
    return value


def _registered(function: RuleFunction, arguments: Sequence[_ValueOf]) -> _ValueOf:
    call, parameters, result_type = function.call, function.parameters, function.result
    needs_now = function.needs_now

    def value(c: Values, x: Values, n: Timestamp, e: Any) -> Any:
        found = [argument(c, x, n, e) for argument in arguments]
        for argument, type_ in zip(found, parameters, strict=True):
            if not fits(argument, type_):
                raise Failed
        given = [_seconds(argument) for argument in found]
        try:
            result = call(int(n) / 1e9, *given) if needs_now else call(*given)
        # a plugin's function: whatever it raises is an error in CEL
        except (Exception, SystemExit) as error:
            raise Failed from error
        result = values.coerce(result, result_type)
        if not fits(result, result_type):
            raise Failed
        return result

    return value

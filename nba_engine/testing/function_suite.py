"""What every function that rules may call must do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import pytest

from nba_engine.domain import RuleFunction
from nba_engine.rules import Schema, parse_rule
from nba_engine.testing.threads import in_threads
from nba_engine.testing.world import NOW

__all__ = ["RuleFunctionSuite", "check_value"]

Example = tuple[tuple[Any, ...], Any]

_DAY = 86_400.0
# values of each type that profiles hold sooner or later
_USUAL: Mapping[str, Sequence[Any]] = {
    "string": ("", "milk", "ä", "x" * 1000),
    "int": (0, 1, -7, 2**62),
    "double": (0.0, -1.5, 1e300, 1e-300),
    "bool": (True, False),
    "timestamp": (NOW, NOW - 400 * _DAY, NOW + 400 * _DAY, 0.0),
    "list<string>": ([], ["milk"], ["a", "b", "a"]),
    "list<double>": ([], [0.5], [1.0, -2.0, 1e300]),
    "map<string,double>": ({}, {"milk": 0.5}),
    "map<string,int>": ({}, {"milk": 3}),
    "map<string,timestamp>": ({}, {"milk": NOW - _DAY}),
}


class RuleFunctionSuite:
    """Inherit, and give the fixtures ``function`` and ``examples``."""

    @pytest.fixture
    def function(self) -> RuleFunction:
        """The function that your plugin offers."""
        raise NotImplementedError("give a fixture `function`: the RuleFunction you offer")

    @pytest.fixture
    def examples(self) -> list[Example]:
        """Pairs (arguments, result); with ``needs_now`` the arguments begin with the time."""
        return []

    def test_it_declares_types_that_rules_know(self, function: RuleFunction) -> None:
        known = {*_USUAL}
        wrong = [kind for kind in (*function.parameters, function.result) if kind not in known]
        assert not wrong, f"rules know no type {wrong[0]!r}; they know {', '.join(sorted(known))}"

    def test_it_says_what_it_computes(self, function: RuleFunction) -> None:
        assert function.description.strip(), "description is empty; `nba` shows it to authors"

    def test_a_rule_may_call_it(self, function: RuleFunction) -> None:
        names = {f"a{place}": kind for place, kind in enumerate(function.parameters)}
        schema = Schema(customer=names, functions={"it": function})
        call = f"it({', '.join(f'customer.{name}' for name in names)})"
        text = call if function.result == "bool" else f"{call} == {call}"
        assert parse_rule(text, schema) is not None

    def test_its_examples_come_out(self, function: RuleFunction, examples: list[Example]) -> None:
        for arguments, result in examples:
            found = function.call(*arguments)
            assert found == pytest.approx(result), f"{arguments} gave {found!r}, not {result!r}"
            check_value(found, function.result)

    def test_it_gives_its_type_or_an_error_in_the_value(
        self, function: RuleFunction, examples: list[Example]
    ) -> None:
        answered = len(examples)
        for arguments in usual_arguments(function):
            found = _called(function, arguments)
            if not isinstance(found, _Raised):
                check_value(found, function.result)
                answered += 1
        assert answered, "it raised for every usual value of its types, and there is no example"

    def test_it_is_pure(self, function: RuleFunction, examples: list[Example]) -> None:
        for arguments in [*usual_arguments(function), *(example[0] for example in examples)]:
            before = deepcopy(arguments)
            first = _called(function, arguments)
            assert arguments == before, "it changed its arguments"
            assert _called(function, deepcopy(arguments)) == first, f"differs for {arguments}"

    def test_four_threads_compute_what_one_does(self, function: RuleFunction) -> None:
        cases = usual_arguments(function) * 4
        alone = [_called(function, case) for case in cases]
        assert in_threads(lambda case: _called(function, case), cases) == alone

    def test_a_call_takes_less_than_a_tenth_of_a_millisecond(self, function: RuleFunction) -> None:
        cases = usual_arguments(function)
        best = min(_seconds(function, cases) for _ in range(5)) / max(1, len(cases))
        assert best < 1e-4, f"a call takes {best * 1e6:.0f} µs, and runs for every candidate's rule"


class _Raised:
    """An error that stands for a value: which type it was."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Raised) and other.kind is self.kind

    def __hash__(self) -> int:
        return hash(self.kind)


def _called(function: RuleFunction, arguments: tuple[Any, ...]) -> Any:
    """The result; ValueError, ArithmeticError and LookupError are answers too."""
    try:
        return function.call(*arguments)
    except (ValueError, ArithmeticError, LookupError) as error:
        return _Raised(type(error))


def usual_arguments(function: RuleFunction) -> list[tuple[Any, ...]]:
    """A few lists of arguments of the declared types, with the time first where it is needed."""
    now = (NOW,) if function.needs_now else ()
    kinds = [_USUAL[kind] for kind in function.parameters]
    count = max((len(values) for values in kinds), default=1)
    return [
        (
            *now,
            *(deepcopy(values[(row + place) % len(values)]) for place, values in enumerate(kinds)),
        )
        for row in range(count)
    ]


def check_value(value: object, kind: str) -> None:
    """Whether a value is of a type as rules name it. Raises `AssertionError`."""
    if kind.startswith("list<"):
        assert isinstance(value, list | tuple), f"{value!r:.80} is no {kind}"
        for item in value:
            check_value(item, kind[5:-1])
    elif kind.startswith("map<"):
        assert isinstance(value, Mapping), f"{value!r:.80} is no {kind}"
        for item in value.values():
            check_value(item, kind.removeprefix("map<string,")[:-1])
    else:
        plain = {"string": str, "bool": bool, "int": int}.get(kind, (int, float))
        fits = isinstance(value, plain) and (kind == "bool") == isinstance(value, bool)
        assert fits, f"{value!r:.80} is no {kind}"


def _seconds(function: RuleFunction, cases: Sequence[tuple[Any, ...]]) -> float:
    start = time.perf_counter()
    for case in cases:
        _called(function, case)
    return time.perf_counter() - start

"""Many rules in one table: folding per action, sharing, halves, odd mappings and odd values."""

from __future__ import annotations

import random
import threading
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from nba_engine.domain import RuleFunction
from nba_engine.rules import (
    CompiledTable,
    Schema,
    Unit,
    compile_table,
    lint_table,
    parse_rule,
)
from nba_engine.rules.table import _Folder
from tests.rules.oracle import SCHEMA

NOW = 1_510_000_000.0


def table_of(*texts: str, schema: Schema = SCHEMA) -> CompiledTable:
    """One unit per text."""
    return compile_table(
        Unit(action={}, treatment={}, rules=(("r", parse_rule(text, schema)),)) for text in texts
    )


def holds(text: str, customer: Any, context: Any = None, schema: Schema = SCHEMA) -> bool:
    return table_of(text, schema=schema).failing(customer, context or {}, NOW) == 0


def test_bit_i_is_the_ith_unit() -> None:
    table = table_of("customer.age > 10", "customer.age > 20", "customer.age > 30")
    assert table.failing({"age": 25}, {}, NOW) == 0b100
    assert table.failing({}, {}, NOW) == 0b111


def test_a_table_without_units_or_rules_fails_nobody() -> None:
    assert compile_table([]).failing({}, {}, NOW) == 0
    assert compile_table([Unit(action={}, treatment={}, rules=())]).failing({}, {}, NOW) == 0


def test_each_unit_gets_its_own_action_folded_in() -> None:
    rule = parse_rule("!(action.category in customer.spend) && treatment.cost < 1.0", SCHEMA)
    units = [
        Unit(action={"category": category}, treatment={"cost": cost}, rules=(("r", rule),))
        for category, cost in (("milk", 0.5), ("beer", 0.5), ("beer", 2.0))
    ]
    assert compile_table(units).failing({"spend": {"milk": 1.0}}, {}, NOW) == 0b101


def test_an_action_without_the_attribute_fails_unless_the_rule_asks_has() -> None:
    asked = parse_rule('!has(action.category) || action.category == "milk"', SCHEMA)
    plain = parse_rule('action.category == "milk"', SCHEMA)
    units = [Unit(action={}, treatment={}, rules=(("r", rule),)) for rule in (asked, plain)]
    assert compile_table(units).failing({}, {}, NOW) == 0b10


def test_a_catalog_value_of_the_wrong_type_fails_and_breaks_nothing() -> None:
    rule = parse_rule(
        "customer.basket > action.price && action.category in customer.consents", SCHEMA
    )
    unit = Unit(action={"price": "2", "category": ["x"]}, treatment={}, rules=(("r", rule),))
    table = compile_table([unit])
    assert table.failing({"basket": 9.0, "consents": ["x"]}, {}, NOW) == 1
    assert [f.status for f in table.explain(0, {"basket": 9.0, "consents": []}, {}, NOW)] == [
        "error",
        "false",
    ]


def test_units_fail_by_any_of_several_conjuncts_on_one_attribute() -> None:
    table = table_of(
        "customer.age >= 18 && customer.age <= 65 && customer.age != 40",
        '"a" in customer.consents && "b" in customer.consents && !("c" in customer.consents)',
    )
    ages = {17: 1, 18: 0, 40: 1, 65: 0, 66: 1}
    for age, expected in ages.items():
        assert table.failing({"age": age, "consents": ["a", "b"]}, {}, NOW) == expected
    for consents in (["a"], ["b"], [], ["a", "b", "c"]):
        assert table.failing({"age": 30, "consents": consents}, {}, NOW) == 0b10


def test_many_keys_of_one_map_are_looked_up_together() -> None:
    rule = parse_rule(
        "customer.spend[action.category] > action.price && customer.spend.k1 < 50.0"
        " && (!has(customer.spend) || customer.spend[action.category] != 7.0)",
        SCHEMA,
    )
    random_ = random.Random(11)
    units = [
        Unit(
            action={"category": f"k{random_.randrange(20)}", "price": float(random_.randrange(9))},
            treatment={},
            rules=(("r", rule),),
        )
        for _ in range(60)
    ]
    table = compile_table(units)
    assert table.unindexed == 0
    for _ in range(40):
        keys = random_.sample(range(20), random_.randrange(20))
        values = (7.0, 7, 3.5, float("nan"), "x", None, True, 60.0)
        customer = {"spend": {f"k{key}": random_.choice(values) for key in keys}}
        failing = table.failing(customer, {}, NOW)
        for number in range(len(units)):
            assert (failing >> number & 1 == 1) is bool(table.explain(number, customer, {}, NOW))


def test_equal_conjuncts_are_evaluated_once() -> None:
    calls: list[str] = []

    def shout(word: str) -> str:
        calls.append(word)
        return word.upper()

    function = RuleFunction(parameters=("string",), result="string", call=shout)
    schema = Schema(customer={"city": "string", "vip": "bool"}, functions={"shout": function})
    table = table_of(
        *(f'customer.vip && shout(customer.city).startsWith("A") || {n} > 1' for n in (0, 1)),
        schema=schema,
    )
    assert table.failing({"vip": True, "city": "aa"}, {}, NOW) == 0
    assert calls == ["aa"]
    assert table.unindexed == 1


def test_a_function_that_raises_is_an_error_not_a_crash() -> None:
    def broken(now: float, word: str) -> float:
        raise RuntimeError(word, now)

    functions = {
        "broken": RuleFunction(
            parameters=("string",), result="double", call=broken, needs_now=True
        ),
        "lies": RuleFunction(parameters=("string",), result="double", call=lambda word: word),
    }
    schema = Schema(customer={"city": "string"}, functions=functions)
    assert not holds("broken(customer.city) > 1.0", {"city": "x"}, schema=schema)
    assert not holds("!(broken(customer.city) > 1.0)", {"city": "x"}, schema=schema)
    assert not holds("lies(customer.city) != 1.0", {"city": "x"}, schema=schema)


def test_functions_see_plain_values_and_seconds() -> None:
    seen: list[Any] = []

    def look(*given: Any) -> bool:
        seen.extend(given)
        return True

    function = RuleFunction(
        parameters=("timestamp", "list<double>", "map<string,timestamp>"),
        result="bool",
        call=look,
        needs_now=True,
    )
    schema = Schema(
        customer={"last": "timestamp", "amounts": "list<double>", "seen": "map<string,timestamp>"},
        functions={"look": function},
    )
    customer = {"last": 5, "amounts": [1, 2.5], "seen": {"a": 7}}
    assert holds("look(customer.last, customer.amounts, customer.seen)", customer, schema=schema)
    assert seen == [NOW, 5.0, [1.0, 2.5], {"a": 7.0}]


def test_the_customer_half_never_reads_context_or_time() -> None:
    table = table_of(
        "customer.age > 18",
        "context.total > 1.0 || customer.vip",
        "days_since(customer.last) > 1.0",
        "customer.age > context.hour",
    )
    customer = {"age": 10, "vip": False, "last": NOW}
    assert table.failing_customer(customer) == 0b0001
    assert table.failing_context(customer, {"total": 0.5, "hour": 11}, NOW) == 0b1110


def test_attributes_computed_on_demand_are_asked_by_subscription() -> None:
    class Lazy(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            if name == "age":
                self[name] = 20
                return 20
            raise KeyError(name)

    assert holds("customer.age > 18 && !has(customer.city)", Lazy())
    assert holds("has(customer.age)", Lazy())


@pytest.mark.parametrize(
    ("text", "customer"),
    [
        ("customer.basket > 1.0", {"basket": np.float64(2.0)}),
        ("customer.basket + 1.0 > 2.0", {"basket": np.float64(2.0)}),
        ("days_since(customer.last) > 1.0", {"last": np.float64(NOW - 1e6)}),
        ("customer.last < now", {"last": np.float64(5.0)}),
        ('"a" in customer.consents', {"consents": ("a", "b")}),
        ("size(customer.consents) == 2", {"consents": ("a", "b")}),
        ("customer.spend.a > 1.0", {"spend": MappingProxyType({"a": np.float64(2.0)})}),
        ('"a" in customer.spend', {"spend": MappingProxyType({"a": 2.0})}),
        ("has(customer.spend.a) && size(customer.spend) == 1", {"spend": OrderedDict(a=2.0)}),
        ("customer.basket > 1.0", {"basket": 10**400}),
        ("customer.basket + 1.0 > 1.0", {"basket": 10**400}),
        ("double(customer.age) > 1e300", {"age": 10**400}),
        ("customer.age > 1 && customer.age + 1 != 1", {"age": 2**40}),
    ],
)
def test_values_of_kindred_python_types_are_taken_for_what_they_are(
    text: str, customer: dict[str, Any]
) -> None:
    assert holds(text, customer)


@pytest.mark.parametrize(
    "value", ["\ud800", object(), {1, 2}, b"x", 1j, [[]], {"a": object()}, float("nan")]
)
def test_no_value_makes_a_table_raise(value: object) -> None:
    texts = [
        "customer.age > 1",
        "customer.basket * 2.0 > 1.0",
        'customer.country == "x"',
        "customer.vip",
        "customer.last < now",
        "days_since(customer.last) > 1.0",
        '"x" in customer.consents',
        "2.0 in customer.amounts",
        'customer.spend["a"] > 1.0',
        'customer.consents.exists(c, c.startsWith("x"))',
        'customer.city.matches("x")',
    ]
    table = table_of(*texts)
    customer = dict.fromkeys(SCHEMA.customer, value)
    assert table.failing(customer, {}, NOW) == (1 << len(texts)) - 1
    assert all(table.explain(unit, customer, {}, NOW) for unit in range(len(texts)))


def test_a_number_beyond_64_bits_is_explained_like_any_other() -> None:
    table = table_of("customer.basket < 1.0 && customer.age + 1 > 0")
    failed = table.explain(0, {"basket": 10**400, "age": 10**400}, {}, NOW)
    assert [part.status for part in failed] == ["false", "error"]


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -1e300, 1e18])
def test_a_time_beyond_the_calendar_does_not_raise(now: float) -> None:
    table_of("days_since(customer.last) > 1.0").failing({"last": 5.0}, {}, now)


def test_macros_look_at_1000_elements_and_no_more() -> None:
    text = 'customer.consents.exists(c, c.startsWith("x"))'
    assert holds(text, {"consents": ["x1"] * 1000})
    assert not holds(text, {"consents": ["x1"] * 1001})


def test_many_conjuncts_beyond_the_tables_are_a_warning() -> None:
    texts = [f"customer.age + {n} > customer.visits" for n in range(501)]
    (warning,) = lint_table(table_of(*texts))
    assert warning.message.startswith("501 conditions cannot be looked up")
    assert lint_table(table_of(*texts[:500])) == ()


def test_threads_share_a_table() -> None:
    table = table_of(*(f"customer.age > {n} && customer.basket < {n}.0" for n in range(200)))
    customers = [{"age": n, "basket": float(n) / 2} for n in range(200)]
    expected = [table.failing(customer, {}, NOW) for customer in customers]
    results: list[list[int]] = []
    threads = [
        threading.Thread(
            target=lambda: results.append([table.failing(c, {}, NOW) for c in customers])
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_units_that_share_rules_answer_as_if_each_were_compiled_alone() -> None:
    named = [
        (f"r{number}", parse_rule(text, SCHEMA))
        for number, text in enumerate(
            (
                "customer.age > 18",
                'action.category == "milk"',
                "customer.age < 60 && customer.age > 18",
                "customer.age > 10 * 6 - 30 || treatment.cost < 1.0",
                "treatment.cost > 1.0 && customer.age < 50",
                "treatment.cost > 100.0",
            )
        )
    ]
    random.seed(3)
    units = [
        Unit(
            action={"category": random.choice(["milk", "beer"])} if number % 3 else {},
            treatment={"cost": random.choice([0.5, 2.0])},
            rules=tuple(random.choice([named, named[:4], named[:1], named[1:3]])),
        )
        for number in range(60)
    ]
    table = compile_table(units)
    for age in (5, 20, 40, 70):
        customer = {"age": age}
        failing = table.failing(customer, {}, NOW)
        for number, unit in enumerate(units):
            alone = compile_table([unit])
            assert failing >> number & 1 == alone.failing(customer, {}, NOW)
            explained = table.explain(number, customer, {}, NOW)
            assert explained == alone.explain(0, customer, {}, NOW)


def test_a_rule_for_everybody_is_folded_once_and_not_once_per_unit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    original = _Folder.clauses

    def counting(self: _Folder, rule: Any, unit: Unit) -> Any:
        asked.append(rule.text)
        return original(self, rule, unit)

    monkeypatch.setattr(_Folder, "clauses", counting)
    everybody = ("all", parse_rule("customer.age > 18", SCHEMA))
    reading = ("some", parse_rule("treatment.cost < 1.0", SCHEMA))
    compile_table(
        Unit(action={}, treatment={"cost": 0.5}, rules=(everybody, reading)) for _ in range(50)
    )
    assert asked.count("customer.age > 18") == 1
    assert asked.count("treatment.cost < 1.0") == 50

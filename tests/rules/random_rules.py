"""Hypothesis strategies: rules over `oracle.SCHEMA`, and profiles with everything wrong in them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NOW = 1_510_000_000.0  # 2017-11-06 20:26:40 UTC

INTS = ("-1", "0", "1", "2", "18", "65")
DOUBLES = ("-1.5", "0.0", "1.0", "2.0", "18.0", "1e300")
WORDS = ("", "DE", "AT", "milk", "é", "1", "z")
MOMENTS = (
    'timestamp("2017-11-06T20:26:40Z")',
    'timestamp("2017-01-01T00:00:00+01:00")',
    'timestamp("1970-01-01T00:00:00.5Z")',
)
SPANS = ('duration("0s")', 'duration("36h")', 'duration("-90m")', 'duration("24000000s")')
ORDER = ("<", "<=", ">", ">=", "==", "!=")


def quoted(word: str) -> str:
    return f'"{word}"'


order = st.sampled_from(ORDER)
ints = st.sampled_from(INTS)
doubles = st.sampled_from(DOUBLES)
words = st.sampled_from(WORDS).map(quoted)
moments = st.sampled_from(MOMENTS)

int_values = st.one_of(
    st.sampled_from(
        (
            "customer.age",
            "customer.visits",
            "context.hour",
            "action.level",
            'customer.counts["milk"]',
            "customer.counts[action.category]",
            "size(customer.consents)",
            "customer.spend.size()",
            "size(customer.country)",
            "customer.age + customer.visits",
            "customer.age - 1",
            "customer.age * customer.visits",
            "customer.age / customer.visits",
            "customer.visits % 3",
            "-customer.age",
            "int(customer.basket)",
            "int(customer.last)",
            "customer.last.getFullYear()",
            "customer.last.getMonth()",
            'customer.last.getDayOfWeek("America/New_York")',
            'now.getHours("-05:00")',
            "(now - customer.last).getHours()",
        )
    ),
    ints,
)
double_values = st.one_of(
    st.sampled_from(
        (
            "customer.basket",
            "context.total",
            "action.price",
            "treatment.cost",
            "customer.spend.milk",
            "customer.spend[action.category]",
            "customer.amounts[0]",
            "customer.basket * 2.0",
            "customer.basket / context.total",
            "(customer.basket + action.price)",
            "-customer.basket",
            "double(customer.age)",
            "days_since(customer.last)",
            "days_since(customer.seen.milk)",
            "discounted(customer.basket, customer.age)",
            "(customer.vip ? customer.basket : 1.0)",
        )
    ),
    doubles,
)
text_values = st.one_of(
    st.sampled_from(
        (
            "customer.country",
            "customer.city",
            "context.device",
            "action.category",
            "treatment.channel",
            "customer.consents[1]",
            "(customer.country + customer.city)",
        )
    ),
    words,
)
moment_values = st.one_of(
    st.sampled_from(
        (
            "customer.last",
            "now",
            "customer.seen.milk",
            "customer.last + duration('36h')",
            "now - duration('36h')",
        )
    ),
    moments,
)
containers = st.sampled_from(
    (
        "customer.consents",
        "context.cart",
        "action.tags",
        "customer.spend",
        "customer.counts",
        "customer.seen",
    )
)


def _list(elements: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(elements, min_size=1, max_size=3).map(lambda found: f"[{', '.join(found)}]")


def _compared(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda a, operator, b: f"{a} {operator} {b}", values, order, values)


def _within(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda a, b: f"{a} in {b}", values, _list(values))


elementary = st.one_of(
    words.map(lambda word: f"c == {word}"),
    words.map(lambda word: f"c != {word}"),
    st.just('c.startsWith("m")'),
    st.just("c in customer.spend"),
    st.just("c == customer.country"),
    st.just("customer.vip"),
)
macros = st.one_of(
    st.builds(
        lambda kind, over, test: f"{over}.{kind}(c, {test})",
        st.sampled_from(("exists", "all", "exists_one")),
        containers,
        elementary,
    ),
    st.builds(
        lambda over, test, count: f"size({over}.filter(c, {test})) > {count}",
        containers,
        elementary,
        ints,
    ),
    st.builds(lambda limit: f"customer.amounts.exists(a, a * 2.0 > {limit})", doubles),
    st.just('customer.consents.map(c, c + "x") == ["DEx"]'),
    st.just('customer.consents.map(c, c != "DE", c) == ["milk"]'),
)
atoms = st.one_of(
    _compared(int_values),
    _compared(double_values),
    _compared(text_values),
    _compared(moment_values),
    _within(int_values),
    _within(double_values),
    _within(text_values),
    st.builds(
        lambda a, operator, b: f"now - {a} {operator} {b}",
        moment_values,
        order,
        st.sampled_from(SPANS),
    ),
    st.builds(lambda a, b: f"{a} in {b}", text_values, containers),
    st.builds(lambda a: f"{a} in customer.amounts", double_values),
    st.sampled_from(("customer.vip", "customer.vip == true", "false != customer.vip")),
    st.sampled_from(
        (
            "has(customer.age)",
            "has(customer.country)",
            "has(customer.consents)",
            "has(customer.spend)",
            "has(customer.spend.milk)",
            "has(action.price)",
            "has(context.total)",
            "has(customer.last)",
            "has(customer.vip)",
        )
    ),
    st.builds(
        lambda a, test, b: f"{a}.{test}({b})",
        text_values,
        st.sampled_from(("startsWith", "endsWith", "contains")),
        text_values,
    ),
    st.sampled_from(
        (
            'customer.city.matches("^m.*k$")',
            'customer.country.matches("[A-Z]{2}")',
            'customer.consents == ["DE", "milk"]',
            "customer.amounts != [1.0]",
            "customer.vip ? customer.age > 18 : customer.visits > 1",
        )
    ),
    macros,
)
# the shapes that tables answer: several tests on one attribute
joined = st.one_of(
    st.builds(lambda a, b: f"(customer.age >= {a} && customer.age < {b})", ints, ints),
    st.builds(lambda a, b: f"(customer.basket < {a} || customer.basket > {b})", doubles, doubles),
    st.builds(lambda a: f"(!has(customer.country) || customer.country != {a})", words),
    st.builds(lambda a, b: f"(customer.country == {a} || customer.country > {b})", words, words),
    st.builds(lambda a, b: f"({a} in customer.consents || {b} in customer.consents)", words, words),
    st.builds(lambda a, b: f"!({a} in customer.consents || {b} in customer.spend)", words, words),
    st.builds(
        lambda a, b: f"!({a} in customer.consents) || {b} in customer.consents", words, words
    ),
    st.builds(lambda a: f"(!has(customer.consents) || !({a} in customer.consents))", words),
    st.builds(lambda a: f"(!has(customer.last) || days_since(customer.last) > {a})", doubles),
    st.builds(lambda a, b: f"!(customer.last < {a} && customer.last != {b})", moments, moments),
)
rules = st.recursive(
    st.one_of(atoms, joined),
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a}) && ({b})", inner, inner),
        st.builds(lambda a, b: f"({a}) || ({b})", inner, inner),
        inner.map(lambda a: f"!({a})"),
        st.builds(lambda a, b, c: f"({a}) ? ({b}) : ({c})", inner, inner, inner),
    ),
    max_leaves=6,
)

_some_words = st.sampled_from(WORDS)
_numbers = st.one_of(
    st.sampled_from((-1, 0, 1, 2, 17, 18, 65, 66)),
    st.sampled_from((-1.5, 0.0, -0.0, 1.0, 1.5, 2.0, 17.5, 18.0, 1e300)),
    st.sampled_from((float("nan"), float("inf"), float("-inf"))),
    st.sampled_from((2**62, -(2**63), 2**63 - 1)),
)
_times = st.one_of(
    st.sampled_from((NOW, NOW - 86_400.0 * 3, NOW + 60.0, 0.5, 0, 1_483_225_200)),
    st.integers(min_value=0, max_value=2_000_000_000),
)
_wrong: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    _numbers,
    _some_words,
    st.lists(st.one_of(_some_words, st.booleans(), _numbers), max_size=3),
    st.dictionaries(_some_words, st.one_of(_numbers, st.booleans()), max_size=2),
)


def _mostly(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(right, right, right, _wrong)


_BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "int": _mostly(st.sampled_from((-1, 0, 1, 2, 17, 18, 64, 65, 66))),
    "double": _mostly(_numbers),
    "string": _mostly(_some_words),
    "bool": _mostly(st.booleans()),
    "timestamp": _mostly(_times),
    "list<string>": _mostly(st.lists(_mostly(_some_words), max_size=4)),
    "list<double>": _mostly(st.lists(_mostly(_numbers), max_size=4)),
    "map<string,double>": _mostly(st.dictionaries(_some_words, _mostly(_numbers), max_size=4)),
    "map<string,int>": _mostly(st.dictionaries(_some_words, _mostly(_numbers), max_size=4)),
    "map<string,timestamp>": _mostly(st.dictionaries(_some_words, _mostly(_times), max_size=4)),
}


def values(types: dict[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    """Values by name: any may be missing or of the wrong type."""
    return st.fixed_dictionaries({}, optional={name: _BY_TYPE[t] for name, t in types.items()})

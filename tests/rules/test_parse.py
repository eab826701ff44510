"""What is accepted, and what a wrong rule is told."""

from __future__ import annotations

import pytest

from nba_engine.domain import RuleFunction
from nba_engine.rules import RuleError, Schema, parse_number, parse_rule
from tests.rules.oracle import SCHEMA


def error_of(text: str, schema: Schema = SCHEMA) -> RuleError:
    with pytest.raises(RuleError) as caught:
        parse_rule(text, schema)
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        ("customer.agge > 18", 1, 10, "undefined field 'agge' in customer", "did you mean 'age'?"),
        ("has(customer.agge)", 1, 4, "undefined field 'agge' in customer", "did you mean 'age'?"),
        (
            "customer.vip &&\n  customer.cty == 'x'",
            2,
            12,
            "undefined field 'cty' in customer",
            "did you mean 'city'?",
        ),
        ("'é' == customer.cty", 1, 17, "undefined field 'cty' in customer", "did you mean 'city'?"),
        ("cusomer.age > 18", 1, 1, "unknown name 'cusomer'", "did you mean 'customer'?"),
        (
            "day_since(customer.last) > 1.0",
            1,
            1,
            "unknown function 'day_since'",
            "did you mean 'days_since'?",
        ),
        ("customer.basket > 10", 1, 17, "'>' does not take double and int", "write 10.0"),
        ("10 < customer.basket", 1, 4, "'<' does not take int and double", "write 10.0"),
        ("days_since(customer.last) > 90", 1, 27, "'>' does not take double and int", "write 90.0"),
        ("customer.age >= 18.0", 1, 14, "'>=' does not take int and double", "write 18"),
        (
            "customer.age > 18.5",
            1,
            14,
            "'>' does not take int and double",
            "convert one side with double(…)",
        ),
        (
            "customer.age == null",
            1,
            14,
            "'==' does not take int and null_type",
            "a missing attribute is tested with has(…)",
        ),
        ("customer.age in ['a']", 1, 14, "'in' does not take int and list(string)", ""),
        ("!customer.age", 1, 1, "'!' does not take int", ""),
        ("customer.vip and customer.age > 1", 1, 14, "syntax error: unexpected 'and'", "write &&"),
        ("customer.age >", 1, 15, "syntax error: unexpected the end of the text", ""),
        (
            "customer.age",
            1,
            1,
            "a rule must be true or false, this is an int",
            "compare it with something",
        ),
        (
            "customer.city.matches('a(')",
            1,
            22,
            "wrong regular expression: missing ): a(",
            "RE2 syntax",
        ),
        (
            "customer.city.matches(customer.country)",
            1,
            22,
            "'matches' takes a literal text here",
            'matches("…")',
        ),
        (
            "customer.last > timestamp('2017-02-30T00:00:00Z')",
            1,
            26,
            "'2017-02-30T00:00:00Z' is no timestamp",
            "write it like 2017-11-06T00:00:00Z",
        ),
        (
            "now - customer.last > duration('90d')",
            1,
            31,
            "'90d' is no duration",
            "write it like 2160h, 90m, 1.5s",
        ),
        (
            "now.getHours('Mars') > 3",
            1,
            13,
            "unknown time zone",
            'write "America/New_York" or "-05:00"',
        ),
        ("customer == customer", 1, 1, "'customer' is not a value", "write customer.<name>"),
        ("customer.age in [1, 2.0]", 1, 17, "the elements of a list must have one type", ""),
        ("string(customer.age) == '1'", 1, 7, "rules do not support the function 'string'", ""),
        ("b'a' == b'b'", 1, 1, "rules do not support bytes", ""),
        ("size(customer.consents) > int(1u)", 1, 31, "rules do not support unsigned integers", ""),
        ("type(customer.age) == int", 1, 5, "rules do not support the function 'type'", ""),
        ("{'a': 1}['a'] == customer.age", 1, 1, "maps and messages cannot be written in rules", ""),
        (
            "customer.consents.exists(c, customer.amounts.exists(a, a > 1.0))",
            1,
            52,
            "a macro inside a macro",
            "macros may not nest; use `in`",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_place_and_remedy(
    text: str, line: int, column: int, message: str, hint: str
) -> None:
    error = error_of(text)
    assert (error.message, error.hint, error.line, error.column) == (message, hint, line, column)


def test_a_duration_is_10_000_years_at_most() -> None:
    parse_rule("now - customer.last < duration('87660000h')", SCHEMA)
    error = error_of("now - customer.last < duration('87660001h')")
    assert error.message == "'87660001h' is no duration"


def test_further_mistakes_of_the_same_text_come_along() -> None:
    error = error_of("customer.agge > 18 && customer.ctry == 'x'")
    assert [other.message for other in error.more] == ["undefined field 'ctry' in customer"]


def test_the_text_of_an_error_names_place_sentence_and_remedy() -> None:
    assert str(error_of("customer.basket > 10")) == (
        "1:17: '>' does not take double and int (write 10.0)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("true", "the rule is constant"),
        ("1 < 2", "the rule is constant"),
        ("customer.age > 18 || true", "the rule is always true"),
        ("customer.age > 18 && 1 > 2", "the rule is always false"),
        ("has(customer.age) || !has(customer.age)", "the rule is always true"),
        (
            "customer.age > 65 && customer.age < 18",
            "the rule contradicts itself: it can never be true",
        ),
        (
            "customer.age > 17 && customer.age < 18",
            "the rule contradicts itself: it can never be true",
        ),
        (
            'customer.country == "DE" && customer.country == "AT"',
            "the rule contradicts itself: it can never be true",
        ),
        (
            'customer.country == "DE" && customer.country != "DE"',
            "the rule contradicts itself: it can never be true",
        ),
        ("customer.vip && !customer.vip", "the rule contradicts itself: it can never be true"),
        (
            '"a" in customer.consents && !("a" in customer.consents)',
            "the rule contradicts itself: it can never be true",
        ),
        (
            "days_since(customer.last) > 9.0 && days_since(customer.last) < 8.0",
            "the rule contradicts itself: it can never be true",
        ),
        (
            "customer.vip && (customer.age > 5 && customer.age < 5)",
            "the rule contradicts itself: it can never be true",
        ),
        ("customer.age in [] && customer.vip", "'customer.age in []' can never be true"),
        ("customer.vip && 1 / 0 > 2", "'1 / 0 > 2' can never be true"),
    ],
)
def test_a_rule_that_is_the_same_for_everybody_is_refused(text: str, message: str) -> None:
    assert error_of(text).message == message


@pytest.mark.parametrize(
    "text",
    [
        "customer.basket > 17.0 && customer.basket < 18.0",
        "customer.age > 17 && customer.age < 19",
        "action.price < 2.0 && customer.vip",
        'action.category == "milk"',
        "has(customer.age)",
        "!has(customer.age)",
        "now > timestamp('2017-01-01T00:00:00Z')",
        'customer.country >= "a" && customer.country < "b"',
        r'customer.city.matches(r"^\d+$")',
        "customer.consents.filter(c, c != 'x').exists(c, c == 'y')",
        "customer.last > timestamp('2017-01-01T00:00:00.25-05:00') // with a comment",
    ],
)
def test_a_rule_that_somebody_can_fulfil_is_accepted(text: str) -> None:
    assert parse_rule(text, SCHEMA).text == text


def test_text_over_4_kilobytes_is_refused() -> None:
    assert (
        error_of(f'customer.city == "{"x" * 4096}"').message == "4115 bytes of text, 4,096 at most"
    )


def test_more_than_256_parts_are_refused() -> None:
    text = " || ".join(f"customer.age=={i}" for i in range(120))
    assert error_of(text).message == "361 parts, 256 at most"


@pytest.mark.parametrize(
    "text",
    [
        "customer.age" + " + 1" * 40 + " > 0",
        "customer.age" + " + (1" * 40 + ")" * 40 + " > 0",
        "customer.consents.exists(c, " * 12 + "c == 'x'" + ")" * 12,
        "customer.consents.exists(c, " * 30 + "c == 'x'" + ")" * 30,
        "(" * 200 + "customer.vip" + ")" * 200,
    ],
)
def test_nesting_over_32_is_refused(text: str) -> None:
    assert error_of(text).message in {"nested too deeply, 32 at most", "a macro inside a macro"}


def test_nesting_up_to_32_is_accepted() -> None:
    parse_rule("customer.age" + " + 1" * 25 + " > 0", SCHEMA)


def test_a_long_chain_of_alternatives_is_not_nesting() -> None:
    text = " || ".join(f"customer.age == {i}" for i in range(60))
    assert parse_rule(text, SCHEMA).paths == ("customer.age",)


def test_lists_hold_up_to_1000_elements_and_count_as_one_part() -> None:
    parse_rule(f"customer.age in [{','.join(map(str, range(900)))}]", SCHEMA)
    error = error_of(f"customer.age in [{','.join(['1'] * 1001)}]")
    assert error.message == "a list of 1001 elements"


def test_an_empty_text_is_refused() -> None:
    assert error_of(" \n").message == "the text is empty"


def test_a_number_must_be_a_number() -> None:
    with pytest.raises(RuleError, match="must be a number"):
        parse_number("customer.vip", SCHEMA)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"first-name": "string"},
            "customer.first-name: 'first-name' is no name that rules can use",
        ),
        ({"in": "string"}, "customer.in: 'in' is a reserved word of CEL"),
        ({"age": "integer"}, "customer.age: unknown type 'integer'"),
        ({"age": "list<list<int>>"}, "customer.age: unknown type 'list<list<int>>'"),
        (
            {"a_b": "map<string,int>", "aB": "map<string,int>"},
            "customer.aB and customer.a_b differ only in underscores and capitals",
        ),
    ],
)
def test_a_schema_that_cel_cannot_express_is_refused(
    attributes: dict[str, str], message: str
) -> None:
    with pytest.raises(RuleError) as caught:
        Schema(customer=attributes)
    assert caught.value.message == message


def test_a_function_must_not_take_a_name_of_cel() -> None:
    function = RuleFunction(parameters=("string",), result="int", call=len)
    with pytest.raises(RuleError, match="the name is CEL's own"):
        Schema(functions={"size": function})


def test_attribute_names_that_differ_in_underscores_are_told_apart() -> None:
    schema = Schema(customer={"a_b": "int", "aB": "int", "_x": "map<string,int>"})
    assert parse_rule("customer.a_b > 1 && customer.aB > 1 && customer._x.y > 1", schema).paths == (
        "customer.a_b",
        "customer.aB",
        "customer._x",
    )

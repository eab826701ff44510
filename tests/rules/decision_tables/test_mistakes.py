"""What may be wrong in a decision table, and where and how each mistake is told."""

from __future__ import annotations

import pytest

from nba_engine.rules import TableError, parse_table
from tests.rules.oracle import SCHEMA

# what the case is about, heading, cell → message, hint
CELLS = [
    ("customer.age", "", "the cell is empty", "write - if any value will do"),
    ("customer.age", "abc", "'abc' is not a whole number", "write 18..65, > 90 or 1, 2"),
    ("customer.age", "18-65", "'18-65' is not a whole number", "write 18..65"),
    ("customer.age", "18 – 65", "'18 – 65' is not a whole number", "write 18..65"),
    ("customer.age", "= 18", "'= 18' is not a whole number", "write 18"),
    ("customer.age", "!= 18", "'= 18' is not a whole number", "write 18"),
    ("customer.age", "18.5", "'18.5' is not a whole number", "write it without a point"),
    ("customer.age", "1e400", "'1e400' is not a whole number", "write it without a point"),
    ("customer.age", "9" * 20, f"'{'9' * 20}' is beyond 64 bits", "write a smaller number"),
    ("customer.age", "> ", "'' is not a whole number", "write 18..65, > 90 or 1, 2"),
    ("customer.age", "..", "'..' is anything", "write -"),
    ("customer.age", "65..18", "'65..18' ends before it starts", "exchange the two"),
    ("customer.age", "(5..6)", "there is nothing in '(5..6)'", "use square brackets, or none"),
    ("customer.age", "'18'", "'18' is text, not a whole number", "leave the quotes out"),
    ("customer.age", "1,,2", "an item is empty", "write something between the commas"),
    ("customer.age", "1, 2,", "an item is empty", "write something between the commas"),
    ("customer.age", "!", "an item is empty", "write something between the commas"),
    ("customer.age", "1, !2", "! comes first: none of what follows", "write !a, b for neither"),
    ("customer.age", "1, missing", "missing comes first", "write missing, …"),
    ("customer.age", "1, -", "- stands alone: anything", "put it in quotes if it is a value"),
    ("customer.age", "missing, !missing", "missing or not missing is anything", "write -"),
    ("customer.age", "1" * 2001, "2,001 characters, 2,000 at most", "use several rows"),
    ("customer.age", "1," * 999 + "1", None, ""),
    ("customer.basket", "1e999", "'1e999' is beyond what a number can be", "a smaller number"),
    ("customer.basket", "[5..5)", "there is nothing in '[5..5)'", "use square brackets, or none"),
    ("customer.basket", "10%", "'10%' is not a number", "write 0.5..9.5, > 90 or [0..50)"),
    ("customer.country", "DE, 'AT", "the quote ' is not closed", "close it"),
    ("customer.country", '"DE"AT', "there is something behind the quotes", "put commas between"),
    ("customer.country", "> DE", "'> DE': text is not compared by its order", "put it in quotes"),
    ("customer.country", "A..Z", "'A..Z': text is not compared by its order", "put it in quotes"),
    ("customer.vip", "yes", "'yes' is not true or false", "write true or false"),
    ("customer.vip", "true, false", "true or false is anything", "write -"),
    ("customer.last", "yesterday", "'yesterday' is not a date or a time", "write 2017-11-01"),
    ("customer.last", "2017-02-30", "'2017-02-30' is not a date or a time", "write 2017-11-01"),
    ("customer.last", "9999-12-31", "'9999-12-31' is not a date or a time", "write 2017-11-01"),
    ("customer.spend.milk", "missing", "this column cannot tell whether something is missing", ""),
    ("customer.age + customer.visits", "!missing", "this column cannot tell", "the attribute"),
    ("customer.amounts", "> 5", "'> 5' is not a number", "write 0.5..9.5"),
]

HEADINGS = [
    ("customer.agge", "undefined field 'agge' in customer", "did you mean 'age'?"),
    ("age", "unknown name 'age'", "columns for people: name, description"),
    ("customer.age >", "syntax error", ""),
    ("customer", "'customer' is not a value", "write customer.<name>"),
    ("1 + 1", "the heading is the same for everybody", "name an attribute"),
    ("action.price > 'a'", "'>' does not take double and string", ""),
    ("now - customer.last", "cells cannot be compared with duration", "columns hold text"),
    ("customer.consents.map(c, now)", "cells cannot be compared with list<timestamp>", ""),
]

# text → line, column, message
FILES = [
    ("", 1, "", "the table is empty"),
    (" \n,,\n", 1, "", "the table is empty"),
    ("customer.age", 1, "", "there are no rows"),
    ("name,description\na,b", 1, "", "there is no column with conditions"),
    ("customer.age,\n1,2", 1, "column 2", "the heading is empty"),
    ("customer.age,customer.age\n1,2", 1, "customer.age", "there are two columns of this"),
    ("customer.age,customer.vip\n1", 2, "", "1 cell, but 2 headings"),
    ("customer.country\nDE, AT", 2, "", "2 cells, but 1 heading"),
    ('customer.age\n"1\n', 2, "", "not CSV: "),
    ("customer.age\n18\n\n\n-\n", 5, "", "the row asks for nothing, so the table is always true"),
    ('customer.age,"customer.country"\n1,"DE,\nAT"\n\nx,-', 5, "customer.age", "'x' is not"),
    ("customer.age\n" + "1\n" * 1001, 1002, "", "1,001 rows, 1,000 at most"),
    (",".join(["customer.age"] * 33) + "\n1", 1, "", "33 columns, 32 at most"),
    ("customer.age\n" + " " * 1_000_000, 1, "", "1,000,013 characters, 1,000,000 at most"),
]


def mistakes(text: str) -> list[tuple[int, str, str, str]]:
    try:
        parse_table(text, SCHEMA, file="t.csv")
    except TableError as error:
        return [(each.line, each.column, each.message, each.hint) for each in error.wrong]
    return []


@pytest.mark.parametrize(("heading", "cell", "message", "hint"), CELLS)
def test_a_wrong_cell_is_told_with_row_column_and_remedy(
    heading: str, cell: str, message: str | None, hint: str
) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    found = mistakes(f"name,{heading}\n\na,{quoted}\n")
    if message is None:
        assert found == []
        return
    ((line, column, told, remedy),) = found
    assert (line, column) == (3, heading)
    assert told.startswith(message)
    assert hint in remedy


@pytest.mark.parametrize(("heading", "message", "hint"), HEADINGS)
def test_a_wrong_heading_is_told(heading: str, message: str, hint: str) -> None:
    ((line, column, told, remedy),) = mistakes(f'"{heading}"\n5\n')
    assert (line, column) == (1, heading)
    assert told.startswith(message)
    assert hint in remedy


@pytest.mark.parametrize(("text", "line", "column", "message"), FILES, ids=range(len(FILES)))
def test_a_wrong_file_is_told(text: str, line: int, column: str, message: str) -> None:
    ((found_line, found_column, told, remedy),) = mistakes(text)
    assert (found_line, found_column) == (line, column)
    assert told.startswith(message)
    assert remedy


def test_headings_may_come_after_empty_lines_and_are_told_with_their_own() -> None:
    assert [where[:2] for where in mistakes("\n,\ncustomer.agge\n5\n")] == [(3, "customer.agge")]


def test_all_mistakes_are_told_in_one_run_in_the_order_of_rows() -> None:
    text = "customer.agge,customer.age,customer.vip\n1,18-65,-\n2,1\n3,x,maybe\n"
    assert [(line, column) for line, column, *_ in mistakes(text)] == [
        (1, "customer.agge"),
        (2, "customer.age"),
        (3, ""),
        (4, "customer.age"),
        (4, "customer.vip"),
    ]


def test_the_error_reads_as_a_list() -> None:
    with pytest.raises(TableError) as caught:
        parse_table("customer.age\nx\n", SCHEMA, file="t.csv")
    assert str(caught.value) == (
        "2: customer.age: 'x' is not a whole number (write 18..65, > 90 or 1, 2)"
    )
    assert caught.value.reason == "INVALID_CATALOG"

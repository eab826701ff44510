"""Hypothesis strategies: decision tables over `oracle.SCHEMA`, each with its text in CEL.

The CEL of a cell is written here, next to the cell, and not made from what the engine reads.
"""

from __future__ import annotations

import csv
import io

from hypothesis import strategies as st

Pair = tuple[str, str]  # a cell, and what it means in CEL with $ for the heading

_NUMBERS = {"int": ("-1", "0", "1", "2", "18", "65"), "double": ("-1.5", "0", "1.0", "2", "17.5")}
_WORDS = ("", "DE", "AT", "milk", "é", "a, b", "> 1", "missing", "-", "!DE", "1..2", "Men's")
_DAYS = ("1969-12-31", "2017-01-01", "2017-11-05", "2017-11-06", "2017-11-07")
_TIMES = ("2017-11-06T20:26:40", "2017-11-06 20:26:40Z", "2017-11-03T21:26:40+01:00")

# heading → type of the column, and the attribute whose absence `missing` means ("": none)
COLUMNS: dict[str, tuple[str, str]] = {
    "customer.age": ("int", "customer.age"),
    "context.hour": ("int", "context.hour"),
    "action.level": ("int", "action.level"),
    "customer.age + customer.visits": ("int", ""),
    "size(customer.consents)": ("int", "customer.consents"),
    "customer.basket": ("double", "customer.basket"),
    "action.price": ("double", "action.price"),
    "treatment.cost": ("double", "treatment.cost"),
    "days_since(customer.last)": ("double", "customer.last"),
    "discounted(customer.basket, 10)": ("double", "customer.basket"),
    "customer.spend.milk": ("double", ""),
    "customer.spend[action.category]": ("double", ""),
    "customer.country": ("string", "customer.country"),
    "context.device": ("string", "context.device"),
    "action.category": ("string", "action.category"),
    "treatment.channel": ("string", "treatment.channel"),
    "customer.vip": ("bool", "customer.vip"),
    "customer.age > context.hour": ("bool", ""),
    "action.category in customer.consents": ("bool", ""),
    "customer.last": ("timestamp", "customer.last"),
    "now": ("timestamp", ""),
    "customer.consents": ("words in", "customer.consents"),
    "action.tags": ("words in", "action.tags"),
    "customer.spend": ("words in", "customer.spend"),
    "customer.amounts": ("doubles in", "customer.amounts"),
}


def cel_number(text: str, kind: str) -> str:
    return text if kind == "int" or "." in text else f"{text}.0"


def cel_text(word: str) -> str:
    return '"' + word + '"'


def quoted(word: str) -> str:
    return f'"{word}"'


def _range(ends: tuple[str, str], kind: str, brackets: str) -> Pair:
    low, high = ends
    left, right = (">" if brackets[0] == "(" else ">="), ("<" if brackets[1] == ")" else "<=")
    shown = f"{brackets[0].strip()}{low}..{high}{brackets[1].strip()}"
    return shown, f"($ {left} {cel_number(low, kind)} && $ {right} {cel_number(high, kind)})"


def _numbers(kind: str) -> st.SearchStrategy[Pair]:
    numbers = st.sampled_from(_NUMBERS[kind])
    ascending = st.tuples(numbers, numbers).filter(lambda two: float(two[0]) + 1 < float(two[1]))
    return st.one_of(
        numbers.map(lambda n: (n, f"$ == {cel_number(n, kind)}")),
        st.builds(
            lambda operator, n: (f"{operator} {n}", f"$ {operator} {cel_number(n, kind)}"),
            st.sampled_from(("<", "<=", ">", ">=")),
            numbers,
        ),
        numbers.map(lambda n: (f"{n}..", f"$ >= {cel_number(n, kind)}")),
        numbers.map(lambda n: (f".. {n}", f"$ <= {cel_number(n, kind)}")),
        st.builds(
            lambda two, brackets: _range(two, kind, brackets),
            ascending,
            st.sampled_from(("  ", "[)", "(]", "()", "[]")),
        ),
    )


def _stamp(day: str) -> str:
    return f'timestamp("{day}T00:00:00Z")'


def _next(day: str) -> str:
    return f'{_stamp(day)} + duration("24h")'


def _exact(time: str) -> str:
    text = time.replace(" ", "T")
    return f'timestamp("{text if text[-1] == "Z" or "+" in text else text + "Z"}")'


_times: st.SearchStrategy[Pair] = st.one_of(
    st.sampled_from(_DAYS).map(lambda d: (d, f"($ >= {_stamp(d)} && $ < {_next(d)})")),
    st.sampled_from(_DAYS).map(lambda d: (f"> {d}", f"$ >= {_next(d)}")),
    st.sampled_from(_DAYS).map(lambda d: (f">= {d}", f"$ >= {_stamp(d)}")),
    st.sampled_from(_DAYS).map(lambda d: (f"< {d}", f"$ < {_stamp(d)}")),
    st.sampled_from(_DAYS).map(lambda d: (f"..{d}", f"$ < {_next(d)}")),
    st.sampled_from(_TIMES).map(lambda t: (f"<= {t}", f"$ <= {_exact(t)}")),
    st.sampled_from(_TIMES).map(lambda t: (t, f"$ == {_exact(t)}")),
    st.sampled_from([(a, b) for a in _DAYS for b in _DAYS if a[:7] < b[:7]]).map(
        lambda two: (f"({two[0]}..{two[1]})", f"($ >= {_next(two[0])} && $ < {_stamp(two[1])})")
    ),
    st.sampled_from([(a, b) for a in _DAYS for b in _DAYS if a < b]).map(
        lambda two: (f"{two[0]}..{two[1]}", f"($ >= {_stamp(two[0])} && $ < {_next(two[1])})")
    ),
)
_words = st.sampled_from(_WORDS)
_ITEMS: dict[str, st.SearchStrategy[Pair]] = {
    "int": _numbers("int"),
    "double": _numbers("double"),
    "timestamp": _times,
    "string": st.one_of(
        st.sampled_from(("DE", "AT", "milk", "Men's")).map(lambda w: (w, f"$ == {cel_text(w)}")),
        _words.map(lambda w: (quoted(w), f"$ == {cel_text(w)}")),
    ),
    "words in": st.one_of(
        st.sampled_from(("DE", "milk")).map(lambda w: (w, f"{cel_text(w)} in $")),
        st.sampled_from(("DE", "milk")).map(lambda w: (f"has {w}", f"{cel_text(w)} in $")),
        _words.map(lambda w: (f"'{w}'" if "'" not in w else quoted(w), f"{cel_text(w)} in $")),
    ),
    "doubles in": st.sampled_from(("1", "-1.5", "18.0")).map(
        lambda n: (n, f"{cel_number(n, 'double')} in $")
    ),
}


def _listed(items: list[Pair]) -> Pair:
    return ", ".join(text for text, _ in items), " || ".join(cel for _, cel in items)


def _maybe_missing(pair: Pair, attribute: str) -> Pair:
    return f"missing, {pair[0]}", f"!has({attribute}) || ({pair[1]})"


def cells(kind: str, attribute: str) -> st.SearchStrategy[Pair]:
    """Cells of a column of that type; "" in CEL: anything."""
    if kind == "bool":
        positive: st.SearchStrategy[Pair] = st.sampled_from(
            [("true", "$"), ("FALSE", "!($)"), ("!true", "!($)"), ("!false", "$")]
        )
    else:
        listed = st.lists(_ITEMS[kind], min_size=1, max_size=3).map(_listed)
        positive = st.one_of(listed, listed.map(lambda pair: (f"! {pair[0]}", f"!({pair[1]})")))
    found = [positive, st.just(("-", ""))]
    if attribute:
        found += [
            positive.map(lambda pair: _maybe_missing(pair, attribute)),
            st.just(("missing", f"!has({attribute})")),
            st.just(("!missing", f"has({attribute})")),
        ]
    return st.one_of(found)


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str]:
    """A table's CSV, and the same rule in CEL."""
    headings = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4, unique=True))
    rows = draw(
        st.lists(
            st.tuples(*(cells(*COLUMNS[heading]) for heading in headings)).filter(
                lambda row: any(cel for _, cel in row)
            ),
            min_size=1,
            max_size=4,
        )
    )
    text = io.StringIO()
    writer = csv.writer(text, delimiter=draw(st.sampled_from(",,;")), lineterminator="\n")
    if len(headings) == 1:  # a lone cell would leave the delimiter to be guessed
        writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([[cell for cell, _ in row] for row in rows])
    alternatives = [
        " && ".join(
            f"({cel.replace('$', heading if heading.isidentifier() else f'({heading})')})"
            for heading, (_, cel) in zip(headings, row, strict=True)
            if cel
        )
        for row in rows
    ]
    return text.getvalue(), " || ".join(f"({each})" for each in alternatives)

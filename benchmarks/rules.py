"""All rules at once against a loop over Google's evaluator, in the same run, on equal results.

``python benchmarks/rules.py`` prints a table and one JSON line, and exits with 1 when a gate
fails: 1,000 rules × 5 predicates at least 60 times, 10,000 at least 200 times faster. CPU time of
one thread; the reference gets one reused activation per profile, our customer half is not cached.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from cel_expr_python import cel

from nba_engine.rules import (
    CompiledTable,
    ParsedRule,
    RuleError,
    Schema,
    Unit,
    compile_table,
    parse_rule,
)
from nba_engine.rules.checker import compile_text

PROFILES = 100
REPEATS = 15
GATES = {1_000: 60.0, 10_000: 200.0}
PREDICATES = 5
SEED = 7

NUMBERS = [f"number_{i}" for i in range(6)]
AMOUNTS = [f"amount_{i}" for i in range(4)]
WORDS = [f"word_{i}" for i in range(6)]
FLAGS = [f"flag_{i}" for i in range(3)]
VALUES = [f"v{i}" for i in range(60)]
SCHEMA = Schema(
    customer={
        **dict.fromkeys(NUMBERS, "int"),
        **dict.fromkeys(AMOUNTS, "double"),
        **dict.fromkeys(WORDS, "string"),
        **dict.fromkeys(FLAGS, "bool"),
        "bought": "list<string>",
        "consents": "list<string>",
    },
    context={"hour": "int", "cart": "list<string>"},
)
# an OR across attributes and a macro: no table answers these, they are shared by many rules
CROSS = [
    "(customer.flag_0 || customer.number_0 > 50)",
    '(customer.word_0 == "v1" || customer.amount_0 > 100.0)',
    '(context.hour >= 8 && customer.flag_1 || customer.word_1 == "v2")',
    'customer.bought.exists(b, b.startsWith("v1"))',
    "customer.amount_1 > customer.amount_2",
    "customer.number_1 + customer.number_2 > 60",
]


def predicate(random_: random.Random) -> str:
    kind = random_.random()
    if kind < 0.35:
        name, limit = random_.choice(NUMBERS), random_.randrange(100)
        return f"customer.{name} {random_.choice(('<', '<=', '>', '>='))} {limit}"
    if kind < 0.55:
        name, amount = random_.choice(AMOUNTS), random_.randrange(0, 20_000) / 100
        return f"customer.{name} {random_.choice(('<', '<=', '>', '>='))} {amount:.2f}"
    if kind < 0.65:
        return f'customer.{random_.choice(WORDS)} == "{random_.choice(VALUES)}"'
    if kind < 0.72:
        return f'customer.{random_.choice(WORDS)} != "{random_.choice(VALUES)}"'
    if kind < 0.80:
        chosen = ", ".join(f'"{value}"' for value in random_.sample(VALUES, 8))
        return f"customer.{random_.choice(WORDS)} in [{chosen}]"
    if kind < 0.86:
        return f'!("{random_.choice(VALUES)}" in customer.bought)'
    if kind < 0.90:
        return f'"{random_.choice(VALUES)}" in customer.consents'
    if kind < 0.93:
        return f"{random_.choice(('', '!'))}customer.{random_.choice(FLAGS)}"
    if kind < 0.97:
        return f"context.hour {random_.choice(('<', '>='))} {random_.randrange(1, 24)}"
    return random_.choice(CROSS)


def rules(count: int) -> list[ParsedRule]:
    """Seeded rules of five predicates each; one that contradicts itself is drawn again."""
    random_ = random.Random(SEED)
    made: list[ParsedRule] = []
    while len(made) < count:
        text = " && ".join(predicate(random_) for _ in range(PREDICATES))
        try:
            made.append(parse_rule(text, SCHEMA))
        except RuleError:
            continue
    return made


def profile(random_: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """A customer who lacks some attributes, and a context."""
    customer: dict[str, Any] = {
        **{name: random_.randrange(100) for name in NUMBERS},
        **{name: random_.randrange(0, 20_000) / 100 for name in AMOUNTS},
        **{name: random_.choice(VALUES) for name in WORDS},
        **{name: random_.random() < 0.5 for name in FLAGS},
        "bought": random_.sample(VALUES, 12),
        "consents": random_.sample(VALUES, 8),
    }
    for name in random_.sample(sorted(customer), 2):
        del customer[name]
    return customer, {"hour": random_.randrange(24), "cart": []}


def reference(made: list[ParsedRule]) -> tuple[Any, list[Any]]:
    """Google's evaluator over maps of dynamic values, where missing is an error."""
    dynamic = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    environment = cel.NewEnv(variables={"customer": dynamic, "context": dynamic})
    compiled = [
        environment.deserialize(compile_text(rule.text, SCHEMA).serialize()) for rule in made
    ]
    return environment, compiled


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU microseconds of this thread, and the result."""
    start = time.thread_time_ns()
    result = work()
    return (time.thread_time_ns() - start) / 1e3, result


def measure(count: int) -> dict[str, Any]:
    made = rules(count)
    random_ = random.Random(SEED + 1)
    profiles = [profile(random_) for _ in range(PROFILES)]
    units = [Unit(action={}, treatment={}, rules=(("rule", rule),)) for rule in made]
    compiling, table = cpu(lambda: compile_table(units))
    environment, compiled = reference(made)

    theirs: list[float] = []
    expected: list[int] = []
    for customer, context in profiles:
        activation = environment.Activation({"customer": customer, "context": context})
        spent, answers = cpu(partial(one_by_one, compiled, activation))
        theirs.append(spent)
        expected.append(sum(1 << i for i, answer in enumerate(answers) if not answer))
    answered = [table.failing(customer, context, 0.0) for customer, context in profiles]
    if answered != expected:
        wrong = next(i for i, (a, b) in enumerate(zip(answered, expected, strict=True)) if a != b)
        raise SystemExit(f"profile {wrong}: the table and Google's evaluator disagree")

    ours = [cpu(lambda: all_profiles(table, profiles))[0] / PROFILES for _ in range(REPEATS)]
    cached = [table.failing_customer(customer) for customer, _ in profiles]
    halves = [
        cpu(lambda: context_halves(table, profiles, cached))[0] / PROFILES for _ in range(REPEATS)
    ]
    google, table_us = statistics.median(theirs), statistics.median(ours)
    return {
        "rules": count,
        "predicates": PREDICATES,
        "profiles": PROFILES,
        "google_us": round(google, 1),
        "google_us_per_rule": round(google / count, 2),
        "table_us": round(table_us, 1),
        "table_us_customer_half_cached": round(statistics.median(halves), 1),
        "times_faster": round(google / table_us, 1),
        "gate": GATES[count],
        "compile_ms": round(compiling / 1e3),
        "unindexed": table.unindexed,
        "eligible_share": round(1 - statistics.mean(map(int.bit_count, expected)) / count, 4),
    }


def one_by_one(compiled: list[Any], activation: Any) -> list[bool]:
    return [expression.eval(activation).value() is True for expression in compiled]


def all_profiles(table: CompiledTable, profiles: list[tuple[Any, Any]]) -> None:
    failing = table.failing
    for customer, context in profiles:
        failing(customer, context, 0.0)


def context_halves(
    table: CompiledTable, profiles: list[tuple[Any, Any]], cached: list[int]
) -> None:
    failing = table.failing_context
    for (customer, context), half in zip(profiles, cached, strict=True):
        half | failing(customer, context, 0.0)


def main() -> int:
    measured = [measure(count) for count in GATES]
    print(
        f"{'rules':>7} {'Google µs':>11} {'table µs':>9} {'cached µs':>10} {'times':>7} {'gate':>6}"
    )
    for row in measured:
        print(
            f"{row['rules']:>7,} {row['google_us']:>11,.1f} {row['table_us']:>9.1f}"
            f" {row['table_us_customer_half_cached']:>10.1f} {row['times_faster']:>7.1f}"
            f" {row['gate']:>6.0f}"
        )
    passed = all(row["times_faster"] >= row["gate"] for row in measured)
    print("equal results on every rule and profile; CPU time of one thread per profile, medians")
    print("gates passed" if passed else "A GATE FAILED")
    print(json.dumps({"benchmark": "rules", "passed": passed, "results": measured}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

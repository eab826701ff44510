"""Google's evaluator as the oracle: the checked expression, over maps of dynamic values.

Evaluated over the schema's messages an unset number would read as 0; in ``map(string, dyn)`` a
missing key is an error, which is what rules mean by missing.
"""

from __future__ import annotations

from typing import Any

from cel_expr_python import cel
from google.protobuf import timestamp_pb2

from nba_engine.domain import RuleFunction, Values
from nba_engine.rules import Schema
from nba_engine.rules.checker import compile_text

DAY = 86_400.0

FUNCTIONS = {
    "days_since": RuleFunction(
        parameters=("timestamp",),
        result="double",
        needs_now=True,
        call=lambda now, moment: (now - moment) / DAY,
    ),
    "discounted": RuleFunction(
        parameters=("double", "int"),
        result="double",
        call=lambda price, percent: price * (1.0 - percent / 100),
    ),
}

SCHEMA = Schema(
    customer={
        "age": "int",
        "visits": "int",
        "basket": "double",
        "country": "string",
        "city": "string",
        "vip": "bool",
        "last": "timestamp",
        "consents": "list<string>",
        "amounts": "list<double>",
        "spend": "map<string,double>",
        "counts": "map<string,int>",
        "seen": "map<string,timestamp>",
    },
    context={"hour": "int", "total": "double", "cart": "list<string>", "device": "string"},
    action={"category": "string", "price": "double", "tags": "list<string>", "level": "int"},
    treatment={"channel": "string", "cost": "double"},
    functions=FUNCTIONS,
)
TYPES = {
    f"{root}.{name}": type_
    for root in ("customer", "context", "action", "treatment")
    for name, type_ in SCHEMA.attributes(root).items()
}


CLOCK = {"now": 0.0}  # the library binds functions once, so the time comes from here


def _environment() -> Any:
    dynamic = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    variables = dict.fromkeys(("customer", "context", "action", "treatment"), dynamic)

    def days_since(moment: Any) -> float:
        return (CLOCK["now"] - _seconds(moment)) / DAY

    stamp, double = cel.Type.TIMESTAMP, cel.Type.DOUBLE
    declarations = [
        cel.FunctionDecl(
            "days_since",
            [
                cel.Overload(
                    "days_since_1",
                    return_type=double,
                    parameters=[stamp],
                    is_member=False,
                    impl=days_since,
                )
            ],
        ),
        cel.FunctionDecl(
            "discounted",
            [
                cel.Overload(
                    "discounted_2",
                    return_type=double,
                    parameters=[double, cel.Type.INT],
                    is_member=False,
                    impl=FUNCTIONS["discounted"].call,
                )
            ],
        ),
    ]
    return cel.NewEnv(variables={**variables, "now": stamp}, functions=declarations)


def _seconds(moment: Any) -> float:
    if isinstance(moment, timestamp_pb2.Timestamp):
        return moment.seconds + moment.nanos / 1e9
    return float(moment.timestamp())


ENVIRONMENT = _environment()


def stamp(seconds: float) -> timestamp_pb2.Timestamp:
    microseconds = round(seconds * 1e6)
    whole, rest = divmod(microseconds, 1_000_000)
    return timestamp_pb2.Timestamp(seconds=whole, nanos=rest * 1000)


def normalized(value: Any, type_: str) -> Any:
    """A stored value as the schema means it, in the library's own types."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type_ == "double" and number:
        return float(value)
    if type_ == "int" and isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if type_ == "timestamp" and number and -62_135_596_800 <= value < 253_402_300_800:
        return stamp(value)
    if type_.startswith("list<") and isinstance(value, list):
        return [normalized(element, type_[5:-1]) for element in value]
    if type_.startswith("map<") and isinstance(value, dict):
        return {name: normalized(element, type_[11:-1]) for name, element in value.items()}
    return value


def values_of(root: str, values: Values) -> dict[str, Any]:
    """null never gets into a profile, so it is left out here."""
    return {
        name: normalized(value, TYPES[f"{root}.{name}"])
        for name, value in values.items()
        if value is not None
    }


class Oracle:
    """One compiled rule."""

    def __init__(self, text: str) -> None:
        self.expression = ENVIRONMENT.deserialize(compile_text(text, SCHEMA).serialize())

    def holds(
        self, customer: Values, context: Values, action: Values, treatment: Values, now: float
    ) -> bool | None:
        """True, False, or None for an error."""
        CLOCK["now"] = now
        value = self.expression.eval(
            data={
                "customer": values_of("customer", customer),
                "context": values_of("context", context),
                "action": values_of("action", action),
                "treatment": values_of("treatment", treatment),
                "now": stamp(now),
            },
        )
        return value.value() if value.type() == cel.Type.BOOL else None

"""What rules may speak about: names and types of customer, context, action and treatment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from nba_engine.domain import RuleFunction
from nba_engine.rules.checked import entry_name
from nba_engine.rules.error import RuleError

__all__ = ["ROOTS", "SCALARS", "Schema", "element_type"]

ROOTS = ("customer", "context", "action", "treatment")
SCALARS = ("string", "int", "double", "bool", "timestamp")

_TYPE = re.compile(r"(?:(list)<(\w+)>|(map)<string,\s*(\w+)>|(\w+))\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)
_TAKEN = frozenset(
    [
        "bool",
        "bytes",
        "contains",
        "double",
        "duration",
        "dyn",
        "endsWith",
        "exists",
        "exists_one",
        "all",
        "filter",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getFullYear",
        "getHours",
        "getMilliseconds",
        "getMinutes",
        "getMonth",
        "getSeconds",
        "has",
        "int",
        "list",
        "map",
        "matches",
        "size",
        "startsWith",
        "string",
        "timestamp",
        "type",
        "uint",
        "customer",
        "context",
        "action",
        "treatment",
        "now",
    ]
)


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """Attribute types by name, and the functions rules may call.

    Types: ``string int double bool timestamp``, ``list<T>`` and ``map<string,T>`` of these.
    ``sensitive`` and ``always`` (never missing, so no lint asks for ``has``) hold paths such as
    ``customer.income``. Raises `RuleError` for a name or type that CEL cannot express.
    """

    customer: Mapping[str, str] = {}
    context: Mapping[str, str] = {}
    action: Mapping[str, str] = {}
    treatment: Mapping[str, str] = {}
    functions: Mapping[str, RuleFunction] = {}
    sensitive: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    time_zone: str = "UTC"  # in which explanations name times

    def __post_init__(self) -> None:
        for root in ROOTS:
            for name, type_ in self.attributes(root).items():
                check_name(f"{root}.{name}", name)
                check_types(f"{root}.{name}", (type_,))
            check_maps(root, self.attributes(root))
        for name, function in self.functions.items():
            check_name(f"function {name}", name)
            if name in _TAKEN:
                raise RuleError(f"function {name}: the name is CEL's own", hint="rename it")
            check_types(f"function {name}", (*function.parameters, function.result))

    def attributes(self, root: str) -> Mapping[str, str]:
        """Name → type of one root (``customer``, ``context``, ``action``, ``treatment``)."""
        attributes: Mapping[str, str] = getattr(self, root)
        return attributes

    def is_sensitive(self, path: str) -> bool:
        """Whether the value at ``customer.income`` must not be shown."""
        return path in self.sensitive


def check_name(place: str, name: str) -> None:
    """Raise `RuleError` unless CEL can name it."""
    if not _NAME.match(name):
        raise RuleError(
            f"{place}: '{name}' is no name that rules can use",
            hint="use letters, digits and underscores, starting with a letter",
        )
    if name in _RESERVED:
        raise RuleError(f"{place}: '{name}' is a reserved word of CEL", hint="rename it")


def check_types(place: str, types: Iterable[str]) -> None:
    """Raise `RuleError` for an unknown type."""
    for type_ in types:
        found = _TYPE.match(type_)
        scalar = (found[2] or found[4] or found[5]) if found else ""
        if scalar not in SCALARS:
            raise RuleError(
                f"{place}: unknown type '{type_}'",
                hint=f"use one of {', '.join(SCALARS)}, list<…> or map<string,…> of these",
            )


def check_maps(root: str, attributes: Mapping[str, str]) -> None:
    """Raise `RuleError` for two maps whose names protobuf cannot tell apart (``a_b``, ``aB``)."""
    known: dict[str, str] = {}
    for name, type_ in attributes.items():
        if type_.startswith("map<"):
            other = known.setdefault(entry_name(name), name)
            if other != name:
                raise RuleError(
                    f"{root}.{name} and {root}.{other} differ only in underscores and capitals",
                    hint="rename one of them",
                )


def element_type(type_: str) -> str:
    """``list<double>`` → ``double``, ``map<string,int>`` → ``int``, scalars → ""."""
    found = _TYPE.match(type_)
    return (found[2] or found[4] or "") if found else ""

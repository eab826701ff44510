"""The one door to Google's CEL library: parse and type-check a text against a schema."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, timestamp_pb2
from google.protobuf.message import DecodeError

from nba_engine.rules.checked import add_field, read_checked
from nba_engine.rules.error import RuleError
from nba_engine.rules.functions import BUILT_IN, OPERATORS
from nba_engine.rules.schema import ROOTS, Schema, element_type

__all__ = ["check", "compile_text"]

_PACKAGE = "nba"
_FIELD_TYPES = {
    "string": "string",
    "int": "int64",
    "double": "double",
    "bool": "bool",
    "timestamp": "google.protobuf.Timestamp",
}
_CEL_TYPES = {
    "string": cel.Type.STRING,
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
    "timestamp": cel.Type.TIMESTAMP,
}
_MISTAKE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_MACROS = ("exists", "all", "exists_one", "filter", "map")


def check(text: str, schema: Schema) -> Any:
    """The checked tree (``CheckedExpr``) of ``text``. Raises `RuleError`."""
    try:
        return read_checked(compile_text(text, schema).serialize())
    except DecodeError:
        raise _too_deep() from None


def compile_text(text: str, schema: Schema) -> Any:
    """The library's own compiled expression. Raises `RuleError`."""
    try:
        return _environment(*_signature(schema)).compile(text)
    except RuntimeError as error:
        if "recursion" in str(error):  # the library's own bound is 32 as well
            raise _too_deep() from None
        raise _mistakes(str(error), text, schema) from None


def _too_deep() -> RuleError:
    return RuleError("nested too deeply, 32 at most", hint="split it into several rules")


_Signature = tuple[
    tuple[tuple[str, tuple[tuple[str, str], ...]], ...],
    tuple[tuple[str, tuple[str, ...], str], ...],
]


def _signature(schema: Schema) -> _Signature:
    roots = tuple((root, tuple(sorted(schema.attributes(root).items()))) for root in ROOTS)
    functions = tuple(
        (name, function.parameters, function.result)
        for name, function in sorted(schema.functions.items())
    )
    return roots, functions


@lru_cache(maxsize=16)
def _environment(
    roots: tuple[tuple[str, tuple[tuple[str, str], ...]], ...],
    functions: tuple[tuple[str, tuple[str, ...], str], ...],
) -> Any:
    pool = descriptor_pool.DescriptorPool()
    stamp = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(stamp)
    pool.Add(stamp)
    file = descriptor_pb2.FileDescriptorProto(
        name="schema.proto", package=_PACKAGE, syntax="proto3", dependency=[stamp.name]
    )
    for root, attributes in roots:
        message = file.message_type.add(name=root)
        message.options.deprecated_legacy_json_field_conflicts = True  # nobody writes JSON here
        for number, (name, type_) in enumerate(attributes, start=1):
            # field numbers 19,000 to 19,999 are protobuf's own
            free = number if number < 19_000 else number + 1_000
            add_field(message, free, name, _field_type(type_), within=f"{_PACKAGE}.{root}")
    pool.Add(file)
    variables = {root: cel.Type(f"{_PACKAGE}.{root}") for root, _ in roots}
    declarations = [
        cel.FunctionDecl(
            name,
            [
                cel.Overload(
                    f"{name}_{len(parameters)}",
                    return_type=_cel_type(result),
                    parameters=[_cel_type(parameter) for parameter in parameters],
                    is_member=False,
                )
            ],
        )
        for name, parameters, result in functions
    ]
    return cel.NewEnv(
        pool, variables={**variables, "now": _CEL_TYPES["timestamp"]}, functions=declarations
    )


def _field_type(type_: str) -> str:
    element = element_type(type_)
    if not element:
        return _FIELD_TYPES[type_]
    return ("*" if type_.startswith("list<") else "string>") + _FIELD_TYPES[element]


def _cel_type(type_: str) -> Any:
    element = element_type(type_)
    if not element:
        return _CEL_TYPES[type_]
    if type_.startswith("list<"):
        return cel.Type.List(_CEL_TYPES[element])
    return cel.Type.Map(cel.Type.STRING, _CEL_TYPES[element])


def _mistakes(report: str, text: str, schema: Schema) -> RuleError:
    """The library's report → one error with the others in `RuleError.more`."""
    errors: list[RuleError] = []
    for line, column, message in _MISTAKE.findall(report):
        if int(line) > 0:
            error = _explain(int(line), int(column), message.strip(), text, schema)
            if str(error) not in {str(other) for other in errors}:
                errors.append(error)
    if not errors:
        return RuleError(report.partition("\n")[0].removeprefix("INVALID_ARGUMENT: "))
    first = errors[0]
    if not first.message.startswith("syntax error"):
        first.more = tuple(errors[1:])
    return first


def _explain(line: int, column: int, message: str, text: str, schema: Schema) -> RuleError:
    def error(sentence: str, hint: str = "", shift: int = 0) -> RuleError:
        return RuleError(sentence, line=line, column=column + shift, hint=hint)

    if found := re.match(r"undefined field '(\w+)' not found in struct '\w+\.(\w+)'", message):
        name, root = found[1], found[2]
        known = sorted(schema.attributes(root))
        shift = 1 if _character(text, line, column) == "." else 0
        return error(f"undefined field '{name}' in {root}", _did_you_mean(name, known), shift)
    if found := re.match(r"undeclared reference to '([\w.@]+)'", message):
        return _undeclared(found[1], line, column, text, schema)
    if found := re.match(r"found no matching overload for '(\S+)' applied to '\((.*)\)'", message):
        return _overload(found[1], found[2], line, column, text)
    if found := re.match(r"Syntax error: (.*)", message):
        return error(f"syntax error: {_syntax(found[1])}", _syntax_hint(found[1]))
    return error(message[:1].lower() + message[1:])


def _undeclared(name: str, line: int, column: int, text: str, schema: Schema) -> RuleError:
    source = text.splitlines()[line - 1] if text else ""
    called = _character(text, line, column) == "("
    if called:
        known = sorted({*BUILT_IN - {*OPERATORS.values()}, *schema.functions, *_MACROS})
        start = source.rfind(name, 0, column)
        return RuleError(
            f"unknown function '{name}'",
            line=line,
            column=start + 1 if start >= 0 else column,
            hint=_did_you_mean(name, known),
        )
    root = name.split(".", maxsplit=1)[0]
    start = source.rfind(root, 0, column + len(root))
    return RuleError(
        f"unknown name '{root}'",
        line=line,
        column=start + 1 if start >= 0 else column,
        hint=_did_you_mean(root, [*ROOTS, "now"]),
    )


def _overload(operator: str, types: str, line: int, column: int, text: str) -> RuleError:
    written = OPERATORS.get(operator, operator)
    written = {"negate": "-", "[]": "[…]"}.get(written, written)
    types = re.sub(r"\bnba\.(\w+)", r"\1", types)
    kinds = [kind.strip() for kind in re.split(r",\s*(?![^()]*\))", types)]
    if len(kinds) == 1:
        return RuleError(f"'{written}' does not take {kinds[0]}", line=line, column=column)
    hint = ""
    if sorted(kinds) == ["double", "int"]:
        hint = _number_hint(line, column, len(written), kinds, text)
    elif "null_type" in kinds:
        hint = "a missing attribute is tested with has(…)"
    return RuleError(
        f"'{written}' does not take {' and '.join(kinds)}", line=line, column=column, hint=hint
    )


def _number_hint(line: int, column: int, width: int, kinds: list[str], text: str) -> str:
    """How to make both sides of an operator the same kind of number."""
    source = text.splitlines()[line - 1]
    before, after = source[: column - 1], source[column - 1 + width :]
    left = re.search(r"(?<![\w.])(-?\d+(?:\.\d+)?)\s*$", before)
    right = re.match(r"\s*(-?\d+(?:\.\d+)?)(?![\w.])", after)
    for found, kind in ((left, kinds[0]), (right, kinds[1])):
        if found and kind == "int" and "." not in found[1]:
            return f"write {found[1]}.0"
    for found, kind in ((left, kinds[0]), (right, kinds[1])):
        if found and kind == "double" and float(found[1]).is_integer():
            return f"write {int(float(found[1]))}"
    return "convert one side with double(…)"


def _character(text: str, line: int, column: int) -> str:
    lines = text.split("\n")
    return lines[line - 1][column - 1 : column] if line <= len(lines) else ""


def _did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}" if known else ""


def _syntax(report: str) -> str:
    report = re.sub(r" expecting (\{.*\}|\S+)", "", report)
    return report.replace("'<EOF>'", "the end of the text").replace(
        "mismatched input", "unexpected"
    )


def _syntax_hint(report: str) -> str:
    words = {"'and'": "write &&", "'or'": "write ||", "'not'": "write !", "'='": "write =="}
    return next((hint for word, hint in words.items() if word in report), "")

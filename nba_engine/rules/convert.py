"""From CEL's checked tree to the engine's own: macros recognized, literals read, spans found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nba_engine.rules.error import RuleError
from nba_engine.rules.functions import BUILT_IN, OPERATORS
from nba_engine.rules.literals import matcher, parse_duration, parse_timestamp, parse_zone
from nba_engine.rules.nodes import (
    Attribute,
    Call,
    Const,
    Has,
    Index,
    ListOf,
    LoopVariable,
    Macro,
    MacroKind,
    Node,
    Now,
)
from nba_engine.rules.schema import ROOTS, Schema
from nba_engine.rules.spans import Tokens

__all__ = ["convert"]

_PRIMITIVES = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_WELL_KNOWN = {2: "timestamp", 3: "duration"}
_CONSTANTS = {
    "bool_value": "bool",
    "int64_value": "int",
    "double_value": "double",
    "string_value": "string",
}
_UNSUPPORTED = {
    "null_value": "null",
    "uint64_value": "unsigned integers",
    "bytes_value": "bytes",
}
_FLAT = frozenset({"&&", "||"})


def convert(checked: Any, text: str, schema: Schema) -> Node:
    """The tree of a checked expression. Raises `RuleError` for what rules do not support."""
    return _Converter(checked, text, schema).node(checked.expr)


class _Converter:
    def __init__(self, checked: Any, text: str, schema: Schema) -> None:
        self.types = checked.type_map
        self.positions = checked.source_info.positions
        self.text = text
        self.tokens = Tokens(text)
        self.schema = schema
        self.loop = ""

    def node(self, expr: Any) -> Node:
        kind = expr.WhichOneof("kind")
        convert: Callable[[Any, Any], Node] = getattr(self, f"_{kind}")
        return convert(expr, getattr(expr, kind))

    def _struct_expr(self, expr: Any, _: Any) -> Node:
        raise self.refused(expr, "maps and messages cannot be written in rules")

    def refused(self, expr: Any, message: str, hint: str = "") -> RuleError:
        return RuleError.at(self.text, self.positions[expr.id], message, hint)

    def type_of(self, expr: Any) -> str:
        return _type_name(self.types[expr.id]) if expr.id in self.types else "dyn"

    def span(self, start: int, end: int) -> tuple[int, int]:
        return self.tokens.balanced(start, end)

    def _const_expr(self, expr: Any, constant: Any) -> Node:
        kind = constant.WhichOneof("kind")
        if kind in _UNSUPPORTED:
            hint = "a missing attribute is tested with has(…)" if kind == "null_value" else ""
            raise self.refused(expr, f"rules do not support {_UNSUPPORTED[kind]}", hint)
        start = self.positions[expr.id]
        negative = self.text[start : start + 1] == "-"
        return Const(
            type=_CONSTANTS[kind],
            span=(start, self.tokens.end_after(start, int(negative))),
            value=getattr(constant, kind),
        )

    def _ident_expr(self, expr: Any, ident: Any) -> Node:
        start = self.positions[expr.id]
        span = (start, self.tokens.end_after(start, 0))
        if self.loop and ident.name == self.loop:
            return LoopVariable(type=self.type_of(expr), span=span, name=ident.name)
        if ident.name == "now":
            return Now(type="timestamp", span=span)
        if ident.name in ROOTS:
            raise self.refused(expr, f"'{ident.name}' is not a value", f"write {ident.name}.<name>")
        raise self.refused(expr, f"rules do not support '{ident.name}' as a value")

    def _select_expr(self, expr: Any, select: Any) -> Node:
        position, below = self.positions[expr.id], select.operand
        is_root = below.WhichOneof("kind") == "ident_expr" and below.ident_expr.name in ROOTS
        operand = None if is_root else self.node(below)
        if select.test_only:  # the position is that of the bracket of has(…)
            start = self.tokens.starts[max(self.tokens.at(position) - 1, 0)]
            span = (start, self.tokens.closing(position))
        else:
            start = self.positions[below.id] if operand is None else operand.span[0]
            span = (start, self.tokens.end_after(position, 1))
        if operand is None:
            attribute = self.attribute(below.ident_expr.name, select.field, span)
            return Has(type="bool", span=span, operand=attribute) if select.test_only else attribute
        if select.test_only:
            return Has(type="bool", span=span, operand=operand, field=select.field)
        field = Const(type="string", value=select.field, span=(position, span[1]))
        return Index(type=self.type_of(expr), span=span, operand=operand, index=field)

    def attribute(self, root: str, name: str, span: tuple[int, int]) -> Attribute:
        type_ = self.schema.attributes(root)[name].replace(" ", "")
        return Attribute(type=type_, span=span, root=root, name=name)

    def _list_expr(self, expr: Any, created: Any) -> Node:
        if len(created.elements) > 1_000:
            raise self.refused(expr, f"a list of {len(created.elements)} elements", "1,000 at most")
        elements = [self.node(element) for element in created.elements]
        if len({element.type for element in elements}) > 1:
            raise self.refused(expr, "the elements of a list must have one type")
        start = self.positions[expr.id]
        span = (start, self.tokens.closing(start))
        type_ = f"list<{elements[0].type}>" if elements else "list<dyn>"
        constants = [element.value for element in elements if isinstance(element, Const)]
        if len(constants) == len(elements):
            return Const(type=type_, span=span, value=constants)
        return ListOf(type=type_, span=span, elements=tuple(elements))

    def _call_expr(self, expr: Any, call: Any) -> Node:
        position = self.positions[expr.id]
        operands = [call.target] if call.HasField("target") else []
        arguments = [self.node(argument) for argument in (*operands, *call.args)]
        type_ = self.type_of(expr)
        if call.function not in OPERATORS:
            return self._function(expr, call, arguments, type_)
        function = OPERATORS[call.function]
        start = min(position, *(argument.span[0] for argument in arguments))
        end = max(argument.span[1] for argument in arguments)
        if function == "[]":
            span = (start, self.tokens.closing(position))
            return Index(type=type_, span=span, operand=arguments[0], index=arguments[1])
        if function in _FLAT:
            arguments = [part for argument in arguments for part in _flat(argument, function)]
        span = self.span(start, end)
        return Call(type=type_, span=span, function=function, arguments=tuple(arguments))

    def _function(self, expr: Any, call: Any, arguments: list[Node], type_: str) -> Node:
        position, name = self.positions[expr.id], call.function
        start = self.tokens.starts[max(self.tokens.at(position) - 1, 0)]
        if call.HasField("target"):
            start = arguments[0].span[0]
        span = self.span(start, self.tokens.closing(position))
        registered = self.schema.functions.get(name)
        if registered is None and name not in BUILT_IN:
            raise self.refused(expr, f"rules do not support the function '{name}'")
        if registered is None and name in {"timestamp", "duration", "matches"}:
            literal = arguments[-1]
            if not isinstance(literal, Const) or literal.type != "string":
                raise self.refused(expr, f"'{name}' takes a literal text here", f'{name}("…")')
            if name != "matches":
                return self._literal(expr, name, literal, span)
            wrong = matcher(literal.value)
            if isinstance(wrong, str):
                raise self.refused(expr, f"wrong regular expression: {wrong}", "RE2 syntax")
        if registered is None and name.startswith("get") and len(arguments) == 2:
            zone = arguments[1]
            if not isinstance(zone, Const) or parse_zone(zone.value) is None:
                raise self.refused(
                    expr, "unknown time zone", 'write "America/New_York" or "-05:00"'
                )
        return Call(
            type=type_,
            span=span,
            function=name,
            arguments=tuple(arguments),
            registered=registered,
        )

    def _literal(self, expr: Any, name: str, literal: Const, span: tuple[int, int]) -> Node:
        value = (parse_timestamp if name == "timestamp" else parse_duration)(literal.value)
        if value is None:
            example = "2017-11-06T00:00:00Z" if name == "timestamp" else "2160h, 90m, 1.5s"
            raise self.refused(expr, f"'{literal.value}' is no {name}", f"write it like {example}")
        return Const(type=name, span=span, value=value)

    def _comprehension_expr(self, expr: Any, loop: Any) -> Node:
        position = self.positions[expr.id]
        kind, predicate, transform = _macro(
            self.tokens.word(max(self.tokens.at(position) - 1, 0)), loop.loop_step
        )
        if self.loop:
            raise self.refused(expr, "a macro inside a macro", "macros may not nest; use `in`")
        source = self.node(loop.iter_range)
        self.loop = loop.iter_var
        try:
            condition = None if predicate is None else self.node(predicate)
            result = None if transform is None else self.node(transform)
        finally:
            self.loop = ""
        return Macro(
            type=self.type_of(expr),
            span=self.span(source.span[0], self.tokens.closing(position)),
            kind=kind,
            range=source,
            predicate=condition,
            transform=result,
        )


def _flat(node: Node, function: str) -> tuple[Node, ...]:
    if isinstance(node, Call) and node.function == function:
        return node.arguments
    return (node,)


def _macro(name: str, step: Any) -> tuple[MacroKind, Any, Any]:
    """The macro behind a comprehension: its kind, predicate, transform."""
    if name in {"exists", "all"}:
        return ("exists" if name == "exists" else "all"), step.call_expr.args[1], None
    condition = None
    if step.call_expr.function == "_?_:_":
        condition, step = step.call_expr.args[0], step.call_expr.args[1]
    if name == "map":
        return "map", condition, step.call_expr.args[1].list_expr.elements[0]
    return ("filter" if name == "filter" else "exists_one"), condition, None


def _type_name(type_: Any) -> str:
    match type_.WhichOneof("kind"):
        case "primitive":
            return _PRIMITIVES.get(type_.primitive, "dyn")
        case "well_known":
            return _WELL_KNOWN.get(type_.well_known, "dyn")
        case "list_type":
            return f"list<{_type_name(type_.list_type.elem_type)}>"
        case "map_type":
            return f"map<string,{_type_name(type_.map_type.value_type)}>"
        case _:
            return "dyn"

"""CEL's checked syntax tree (``cel/expr/checked.proto``, ``syntax.proto``), as far as it is read.

Built here under a package path of its own, because several distributions own the top-level name
``cel`` and registering their messages twice in the default pool is an error. Field numbers are
those of https://github.com/google/cel-spec (Apache-2.0).
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

__all__ = ["add_field", "entry_name", "read_checked"]

_PACKAGE = "nba_engine.rules.checked"
# message → fields "number name type"; "*" repeated, "a>b" a map, capitalized types are messages
_MESSAGES = {
    "CheckedExpr": "2 reference_map int64>Reference, 3 type_map int64>Type,"
    " 5 source_info SourceInfo, 4 expr Expr",
    "SourceInfo": "4 positions int64>int32",
    "Reference": "1 name string, 3 overload_id *string",
    "Empty": "",
    "Type": "1 dyn Empty, 3 primitive int32, 5 well_known int32, 6 list_type ListType,"
    " 7 map_type MapType, 9 message_type string, 11 type Type",
    "ListType": "1 elem_type Type",
    "MapType": "1 key_type Type, 2 value_type Type",
    "Constant": "1 null_value int32, 2 bool_value bool, 3 int64_value int64,"
    " 4 uint64_value uint64, 5 double_value double, 6 string_value string, 7 bytes_value bytes",
    "Expr": "2 id int64, 3 const_expr Constant, 4 ident_expr Ident, 5 select_expr Select,"
    " 6 call_expr Call, 7 list_expr CreateList, 8 struct_expr CreateStruct,"
    " 9 comprehension_expr Comprehension",
    "Ident": "1 name string",
    "Select": "1 operand Expr, 2 field string, 3 test_only bool",
    "Call": "1 target Expr, 2 function string, 3 args *Expr",
    "CreateList": "1 elements *Expr",
    "CreateStruct": "1 message_name string",
    "Comprehension": "1 iter_var string, 2 iter_range Expr, 3 accu_var string, 4 accu_init Expr,"
    " 5 loop_condition Expr, 6 loop_step Expr, 7 result Expr",
}
_ONEOFS = frozenset({"Type", "Constant", "Expr"})

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "double": _Field.TYPE_DOUBLE,
}


def add_field(
    message: descriptor_pb2.DescriptorProto, number: int, name: str, type_: str, *, within: str
) -> descriptor_pb2.FieldDescriptorProto:
    """Add a field; ``type_`` as in the table above, ``within`` the message's full name.

    Dotted types are messages of another file. Maps get their entry message.
    """
    key, is_map, value = type_.partition(">")
    field = message.field.add(name=name, number=number, json_name=name)
    if is_map:
        entry = message.nested_type.add(name=entry_name(name))
        entry.options.map_entry = True
        add_field(entry, 1, "key", key, within=within)
        add_field(entry, 2, "value", value, within=within)
        field.label, field.type = _Field.LABEL_REPEATED, _Field.TYPE_MESSAGE
        field.type_name = f".{within}.{entry.name}"
        return field
    repeated = type_.startswith("*")
    plain = type_.removeprefix("*")
    field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    if plain in _SCALARS:
        field.type = _SCALARS[plain]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{plain}" if "." in plain else f".{_PACKAGE}.{plain}"
    return field


def entry_name(field: str) -> str:
    """The name that protobuf demands of a map field's entry message."""
    return "".join(part[:1].upper() + part[1:] for part in field.split("_")) + "Entry"


def _build() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="nba_engine/rules/checked.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name in _ONEOFS:
            message.oneof_decl.add(name="kind")
        for declared in filter(None, fields.split(",")):
            number, field_name, type_ = declared.split()
            field = add_field(message, int(number), field_name, type_, within=f"{_PACKAGE}.{name}")
            if name in _ONEOFS and field_name != "id":
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.CheckedExpr"))


_CheckedExpr = _build()


def read_checked(serialized: bytes) -> Any:
    """What ``Expression.serialize()`` gives (an ``Any``) → ``CheckedExpr``.

    Raises `google.protobuf.message.DecodeError` for trees nested beyond protobuf's own bound.
    """
    return _CheckedExpr.FromString(any_pb2.Any.FromString(serialized).value)

"""What a catalog declares about customers and context: attributes and aggregates, and their types."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nba_engine.catalog.contact_plan_schema import ContactPlanEntry
from nba_engine.catalog.customer_value import value_aggregates
from nba_engine.catalog.findings import Entry, Findings
from nba_engine.catalog.read import Tables
from nba_engine.catalog.schema import AggregateEntry, AttributeEntry
from nba_engine.domain import PLAN_ATTRIBUTE, AggregateSpec, Attribute
from nba_engine.domain.fitted import FITTED, Fitted, FittedTable
from nba_engine.settings import suggest

__all__ = ["CUSTOMER_NAMES", "Declared", "aggregate_type", "declare"]

# what rules see of every customer beside attributes and aggregates
CUSTOMER_NAMES: Mapping[str, str] = {
    "consents": "list<string>",
    "customer_id": "string",
    "known": "bool",
}


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes and aggregates, and the types rules see.

    ``always`` names what no customer is without (``customer.known``, counts, sums …).
    ``broken`` names what was declared with mistakes, as rules would write it (``customer.age``);
    complaints about expressions that use these would only hide the cause.
    """

    attributes: dict[str, Attribute]
    context: dict[str, Attribute]
    aggregates: dict[str, AggregateSpec]
    customer_types: dict[str, str]
    context_types: dict[str, str]
    sensitive: frozenset[str]
    always: frozenset[str]
    broken: frozenset[str]


def declare(
    tables: Tables,
    findings: Findings,
    fitted: FittedTable = FittedTable(),  # noqa: B008 (frozen)
) -> Declared:
    """Check attributes, context and aggregates; what is wrong is noted and left out."""
    broken: set[str] = set()
    attributes = _attributes(tables.attributes, "customer", findings, broken)
    attributes |= _plan_attribute(tables.contact_plan, tables.attributes, findings)
    context = _attributes(tables.context, "context", findings, broken)
    aggregates: dict[str, AggregateSpec] = {}
    for name, entry in tables.aggregates.items():
        _check_customer_name(entry, findings)
        if name in tables.attributes:
            where = tables.attributes[name].file
            message = f"{name!r} is also an attribute ({where})"
            findings.mistake(entry.file, entry.place, message, "rename one of the two")
        _check_aggregate(entry, findings)
        if findings.is_wrong(entry.file, entry.place):
            broken.add(f"customer.{name}")
        else:
            aggregates[name] = _with_prior(
                _spec(entry), fitted.aggregates.get(name), entry, findings
            )
        _check_segment(entry, attributes, findings)
    aggregates |= value_aggregates(tables, {*tables.attributes, *tables.aggregates}, findings)
    types = {name: attribute.type for name, attribute in attributes.items()}
    types |= {name: aggregate_type(spec) for name, spec in aggregates.items()}
    always = {*CUSTOMER_NAMES, *(spec.name for spec in aggregates.values() if _starts(spec))}
    sensitive = {f"customer.{a.name}" for a in attributes.values() if a.sensitive}
    sensitive |= {f"customer.{a.name}" for a in aggregates.values() if a.sensitive}
    sensitive |= {f"context.{a.name}" for a in context.values() if a.sensitive}
    return Declared(
        attributes=attributes,
        context=context,
        aggregates=aggregates,
        customer_types=types | dict(CUSTOMER_NAMES),
        context_types={name: attribute.type for name, attribute in context.items()},
        sensitive=frozenset(sensitive),
        always=frozenset(f"customer.{name}" for name in always),
        broken=frozenset(broken),
    )


def aggregate_type(spec: AggregateSpec) -> str:
    """The type rules see for an aggregate, such as ``int`` or ``map<string,double>``."""
    if spec.kind == "set":
        return "list<string>"
    if spec.value is not None:
        return "bool" if spec.value.name == "win_back" else "double"
    if spec.kind in ("count", "days"):
        single = "int"
    elif spec.kind in ("sum", "decayed", *FITTED):
        single = "double"
    elif spec.property:
        single = spec.type or "double"
    else:
        single = "timestamp"
    return f"map<string,{single}>" if spec.by else single


def _starts(spec: AggregateSpec) -> bool:
    """Whether it has a value before the first interaction: 0, or an empty list or map."""
    if spec.value is not None:
        return spec.value.name in ("ad_budget", "win_back")
    return bool(spec.by) or spec.kind not in ("first", "last")


def _attributes(
    entries: Mapping[str, Entry[AttributeEntry]], root: str, findings: Findings, broken: set[str]
) -> dict[str, Attribute]:
    result = {}
    for name, entry in entries.items():
        if root == "customer":
            _check_customer_name(entry, findings)
        if entry.table.type is None or findings.is_wrong(entry.file, entry.place):
            broken.add(f"{root}.{name}")
            continue
        table = entry.table
        _check_merge(entry, root, findings)
        result[name] = Attribute(
            name=name,
            type=entry.table.type,
            sensitive=table.sensitive,
            description=table.description,
            merge=table.merge,
        )
    return result


def _plan_attribute(
    entry: Entry[ContactPlanEntry],
    declared: Mapping[str, Entry[AttributeEntry]],
    findings: Findings,
) -> dict[str, Attribute]:
    """The profile attribute that holds a customer's plan; none without ``[contact_plan]``."""
    if not entry.file:
        return {}
    if PLAN_ATTRIBUTE in declared:
        other = declared[PLAN_ATTRIBUTE]
        message = f"customer.{PLAN_ATTRIBUTE} is where [contact_plan] keeps what is planned"
        findings.mistake(other.file, other.place, message, "choose another name")
    description = "what is planned for the customer; nba plan writes it"
    return {PLAN_ATTRIBUTE: Attribute(name=PLAN_ATTRIBUTE, type="string", description=description)}


# The types that a merge rule can work on; latest and first work on all
_MERGED_TYPES = {
    "max": ("int", "double", "bool", "timestamp"),
    "min": ("int", "double", "bool", "timestamp"),
    "sum": ("int", "double", "map<string,double>", "map<string,int>"),
    "union": (
        "list<string>",
        "list<double>",
        "map<string,double>",
        "map<string,int>",
        "map<string,timestamp>",
    ),
}


def _check_merge(entry: Entry[AttributeEntry], root: str, findings: Findings) -> None:
    rule = entry.table.merge
    if rule == "latest":
        return
    place = f"{entry.place}.merge"
    types = _MERGED_TYPES.get(rule)
    if root != "customer":
        message, remedy = "context is not kept, so it is never merged", "remove it"
        findings.mistake(entry.file, place, message, remedy)
    elif types and entry.table.type not in types:
        message = f"{rule!r} does not work on {entry.table.type}"
        remedy = f"it is for {', '.join(types)}; latest and first work on all"
        findings.mistake(entry.file, place, message, remedy)


def _check_customer_name(
    entry: Entry[AttributeEntry] | Entry[AggregateEntry], findings: Findings
) -> None:
    if entry.id in CUSTOMER_NAMES:
        message = f"customer.{entry.id} is there for every customer"
        findings.mistake(entry.file, entry.place, message, "choose another name")


def _check_segment(
    entry: Entry[AggregateEntry], attributes: Mapping[str, Attribute], findings: Findings
) -> None:
    name = entry.table.segment
    if not name or entry.table.kind not in _KEYS_OF["segment"]:
        return
    place = f"{entry.place}.segment"
    attribute = attributes.get(name)
    if attribute is None:
        remedy = suggest(name, attributes, "attributes")
        findings.missing(entry.file, place, f"there is no attribute {name!r}", remedy)
    elif attribute.type != "string":
        message = f"customer.{name} is {attribute.type}, not text"
        findings.mistake(entry.file, place, message, "name a string attribute")


# The keys that mean something for some kinds only: key → kinds
_KEYS_OF = {
    "half_life": ("decayed", "affinity", "share"),
    "positive": ("affinity",),
    "segment": ("affinity", "share"),
    "within": ("set",),
    "removed_by": ("set",),
    "property": ("sum", "first", "last", "decayed", "share"),
    "type": ("first", "last"),
}
_HALVED = ("half_life", 'say when a count is halved: half_life = "60d"')
# The keys that a kind cannot do without: kind → (key, remedy)
_NEEDS = {
    "sum": (("property", 'name the property to add up: property = "amount"'),),
    "set": (("by", 'name the property whose values are collected: by = "category"'),),
    "decayed": (_HALVED,),
    "affinity": (
        ("by", 'name the property whose values are compared: by = "channel"'),
        ("positive", 'name the responses: positive = ["accept"]'),
        _HALVED,
    ),
    "share": (("by", 'name the property whose values are compared: by = "category"'), _HALVED),
    "reorder": (("by", 'name what is bought again: by = "category"'),),
}


def _check_aggregate(entry: Entry[AggregateEntry], findings: Findings) -> None:
    table = entry.table
    kind = table.kind
    if kind is None:
        return
    for key, kinds in _KEYS_OF.items():
        if getattr(table, key) and kind not in kinds:
            findings.mistake(
                entry.file,
                f"{entry.place}.{key}",
                f"means nothing for kind {kind!r}",
                f"remove it; it is for {', '.join(kinds)}",
            )
    for key, remedy in _NEEDS.get(kind, ()):
        if not getattr(table, key):
            findings.mistake(
                entry.file,
                f"{entry.place}.{key}",
                f"kind {kind!r} needs {key!r}",
                remedy,
                once=True,
            )
    if table.type and not table.property and kind in ("first", "last"):
        message, remedy = "is the type of a property, but there is none", "add property = …"
        findings.mistake(entry.file, f"{entry.place}.type", message, remedy)
    for removed in set(table.removed_by) & set(table.types):
        message = f"{removed!r} both adds and removes"
        findings.mistake(
            entry.file, f"{entry.place}.removed_by", message, "name it in one of the two"
        )
    for response in set(table.positive) & set(table.types):
        message, remedy = (
            f"{response!r} is both a contact and a response",
            "name it in one of the two",
        )
        findings.mistake(entry.file, f"{entry.place}.positive", message, remedy)
    for key, value in table.where.items():
        if not isinstance(value, str | int | float | bool):
            message, remedy = (
                "expected text, a number, true or false",
                "a property equals one value",
            )
            findings.mistake(entry.file, f"{entry.place}.where.{key}", message, remedy)


def _with_prior(
    spec: AggregateSpec, fitted: Fitted | None, entry: Entry[AggregateEntry], findings: Findings
) -> AggregateSpec:
    """The aggregate with what was fitted of it, as long as it still counts the same."""
    if fitted is None:
        return spec
    same = ("by", "half_life", "types", "positive", "segment")
    differing = [key for key in same if getattr(spec, key) != getattr(fitted, key)]
    if differing:
        message = f"{', '.join(differing)} changed since it was fitted, so it says nothing"
        kind = "reorder" if spec.kind == "reorder" else "affinity"
        findings.warning(entry.file, entry.place, message, f"fit it again: nba {kind} fit")
        return spec
    return msgspec.structs.replace(spec, prior=fitted.prior)


def _spec(entry: Entry[AggregateEntry]) -> AggregateSpec:
    table = entry.table
    assert table.kind is not None
    return AggregateSpec(
        name=entry.id,
        kind=table.kind,
        types=table.types,
        where=table.where,
        by=table.by,
        property=table.property,
        type=table.type,
        half_life=table.half_life,
        within=table.within,
        removed_by=table.removed_by,
        positive=table.positive,
        segment=table.segment,
        sensitive=table.sensitive,
    )

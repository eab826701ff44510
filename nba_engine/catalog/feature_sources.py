"""Features against a catalog: every source must exist there with a usable type."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nba_engine.catalog.declare import CUSTOMER_NAMES, aggregate_type
from nba_engine.domain import Action, CatalogView, Feature, Treatment, Value

__all__ = ["flaws_of_source", "values_of"]

_NUMBERS = ("int", "double", "bool")
_FITTING = {
    "none": _NUMBERS,
    "log1p": _NUMBERS,
    "days_since": ("timestamp",),
    "equals": ("string", "int", "double", "bool"),
    "category": ("string", "int", "bool"),
    "element": ("map<string,double>", "map<string,int>"),
}


def values_of(catalog: CatalogView, path: str) -> list[Value]:
    """``action.<name>`` or ``treatment.<name>`` of every treatment; None where it is missing."""
    of, _, name = path.partition(".")
    if of == "action":
        actions = [_of_action(action, name) for action in catalog.actions]
        return [actions[index] for index in catalog.action_of.tolist()]
    return [_of_treatment(treatment, name) for treatment in catalog.treatments]


def flaws_of_source(
    feature: Feature, catalog: CatalogView, tables: Collection[str] | None = None
) -> Iterator[tuple[str, str, str]]:
    """What keeps a feature from being computed for this catalog: (key, message, remedy).

    ``tables`` names the complement tables there are; None: not known here.
    """
    of, _, name = feature.source.partition(".")
    if of in ("customer", "context"):
        found = _type_of(of, name, catalog)
        if found is None:
            declared = "an attribute or aggregate" if of == "customer" else "a context attribute"
            yield "source", f"{feature.source} is not declared", f"declare it as {declared}"
        elif not _fits(feature, found):
            needs = _needs(feature)
            yield "source", f"{feature.source} is {found}, needs {needs}", "change the transform"
    elif of == "now":
        yield from _zone_mistakes(catalog.time_zone)
    else:
        kinds = (str, int, float) if feature.transform in ("equals", "category") else (int, float)
        yield from _missing(feature.source, "source", catalog, kinds)
    if feature.key:
        yield from _missing(feature.key, "key", catalog, (str,))
    if feature.table and tables is not None and feature.table not in tables:
        known = ", ".join(sorted(tables)) or "none"
        yield "table", f"there is no table {feature.table!r}", f"tables in [tables]: {known}"


def _type_of(of: str, name: str, catalog: CatalogView) -> str | None:
    """The declared type, None when undeclared."""
    if of == "context":
        return catalog.context[name].type if name in catalog.context else None
    if name in catalog.attributes:
        return catalog.attributes[name].type
    if name in catalog.aggregates:
        return aggregate_type(catalog.aggregates[name])
    return CUSTOMER_NAMES.get(name)


def _fits(feature: Feature, found: str) -> bool:
    if feature.transform == "table":
        return found.startswith(("list<string", "map<"))
    if feature.key:
        return found.startswith("map<") and _element(found) in _FITTING[feature.transform]
    return found in _FITTING[feature.transform]


def _element(found: str) -> str:
    return found.removeprefix("map<string,").removesuffix(">")


def _needs(feature: Feature) -> str:
    if feature.transform == "table":
        return "a list<string> or a map"
    elements = " or ".join(_FITTING[feature.transform])
    return f"a map of {elements}" if feature.key else elements


def _zone_mistakes(zone: str) -> Iterator[tuple[str, str, str]]:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield "source", f"the catalog's time zone {zone!r} is unknown", "use an IANA name"


def _missing(
    path: str, place: str, catalog: CatalogView, kinds: tuple[type, ...]
) -> Iterator[tuple[str, str, str]]:
    values: Sequence[Value] = values_of(catalog, path)
    of, _, name = path.partition(".")
    if all(value is None for value in values):
        yield place, f"no {of} has {name!r}", f"give at least one {of} the attribute {name}"
    elif not any(isinstance(value, kinds) for value in values):
        needed = "text" if kinds == (str,) else "a number" if str not in kinds else "a single value"
        yield place, f"{path} is never {needed}", f"use an attribute of the {of} that is"


def _of_action(action: Action, name: str) -> Value:
    if name in ("id", "name", "kind", "group", "campaign", "prior", "lever"):
        return getattr(action, name)
    return action.attributes.get(name)


def _of_treatment(treatment: Treatment, name: str) -> Value:
    if name in ("id", "action", "channel", "cost"):
        return getattr(treatment, name)
    return treatment.attributes.get(name)

"""The tables of ``catalog/*.toml`` as they are written. docs/catalog.md is their reference.

Every field has a default, so that a table with mistakes can still be checked against the others;
what must be written is marked `REQUIRED`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from nba_engine.catalog.times import parse_moment, parse_quiet_hours
from nba_engine.domain import ActionKind, AggregateKind, Measure, QuietHours, Scope, Tier
from nba_engine.settings import REQUIRED, Unreadable, Written, parse_duration

__all__ = [
    "TYPES",
    "ActionEntry",
    "AggregateEntry",
    "AttributeEntry",
    "ChannelEntry",
    "ControlGroupEntry",
    "GeneralEntry",
    "LeverEntry",
    "LimitEntry",
    "PlacementEntry",
    "RuleEntry",
    "Selector",
    "TreatmentEntry",
    "ValueType",
    "WindowUnit",
]

ValueType = Literal[
    "string",
    "int",
    "double",
    "bool",
    "timestamp",
    "list<string>",
    "list<double>",
    "map<string,double>",
    "map<string,int>",
    "map<string,timestamp>",
]
TYPES: tuple[ValueType, ...] = ValueType.__args__  # type: ignore[attr-defined]
WindowUnit = Literal["hour", "day", "week", "month", "lifetime"]


def _currency(value: object) -> str:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isupper():
        return value
    raise Unreadable("expected a currency", 'write its ISO 4217 code: "USD"')


def _purpose(value: object) -> str:
    if isinstance(value, str) and ":" not in value:
        return value
    raise Unreadable("expected a purpose without a colon", 'write for example "marketing"')


Duration = Annotated[float, Written(parse_duration)]
Moment = Annotated[dt.date, Written(parse_moment)]
Word = Annotated[str, Meta(min_length=1)]
Words = tuple[Word, ...]
NotNegative = Annotated[float, Meta(ge=0)]
Number = float | str  # a number, or an expression


class GeneralEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[catalog]``."""

    currency: Annotated[str, Written(_currency)] = "USD"
    time_zone: str = "UTC"
    assumptions: str = ""


class AttributeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[attributes.<name>]`` and ``[context.<name>]``."""

    type: Annotated[ValueType | None, REQUIRED] = None
    sensitive: bool = False
    description: str = ""


class AggregateEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[aggregates.<name>]``."""

    kind: Annotated[AggregateKind | None, REQUIRED] = None
    types: Annotated[Words, Meta(min_length=1), REQUIRED] = ()
    where: dict[str, Any] = {}
    by: str = ""
    property: str = ""
    type: Literal["", "string", "int", "double", "bool", "timestamp"] = ""
    half_life: Duration = 0.0
    within: Duration = 0.0
    removed_by: Words = ()
    sensitive: bool = False


class ChannelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[channels.<id>]``."""

    name: str = ""
    kind: Word = "template"
    direction: Literal["inbound", "outbound"] = "inbound"
    consent: Annotated[str, Written(_purpose)] = ""
    quiet_hours: Annotated[QuietHours | None, Written(parse_quiet_hours)] = None
    reservation_ttl: Duration = 86_400.0
    settings: dict[str, Any] = {}
    assumption: str = ""


class PlacementEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[placements.<id>]``."""

    channel: Annotated[str, REQUIRED] = ""
    slots: Annotated[int, Meta(ge=1, le=1000)] = 1


class TreatmentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[actions.<id>.treatments.<key>]`` and ``[treatment_sets.<name>.<key>]``."""

    channel: Annotated[str, REQUIRED] = ""
    cost: NotNegative = 0.0
    placements: Words | None = None  # None: every placement of the channel
    tags: Words = ()
    content: dict[str, str] = {}
    attributes: dict[str, Any] = {}


class ActionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[actions.<id>]``."""

    name: str = ""
    kind: ActionKind = "offer"
    group: str = ""
    campaign: str = ""
    tags: Words = ()
    attributes: dict[str, Any] = {}
    prior: Annotated[float, Meta(ge=0, le=1)] = 0.01
    lever: NotNegative = 1.0
    value: Number = 0.0
    starts: Moment | None = None
    ends: Moment | None = None
    owned_for: Duration = 0.0
    pause_after_reject: Duration = 0.0
    complements: Words = ()
    substitutes: Words = ()
    upgrades_to: Words = ()
    treatments: dict[str, TreatmentEntry] = {}
    treatments_from: str = ""


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """``applies_to``: treatments that match every key given; of a key, any of its words."""

    actions: Words = ()
    groups: Words = ()
    campaigns: Words = ()
    kinds: Words = ()
    tags: Words = ()
    channels: Words = ()


class RuleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[rules.<id>]``."""

    tier: Annotated[Tier | None, REQUIRED] = None
    when: str = ""
    table: str = ""
    applies_to: Selector = Selector()


class LimitEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[limits.<id>]``."""

    name: str = ""
    scope: tuple[Scope, ...] = ()
    measure: Annotated[Measure | None, REQUIRED] = None
    amount: Annotated[Number, REQUIRED] = 0.0
    window: Annotated[WindowUnit | None, REQUIRED] = None
    time_zone: str = ""  # "": the catalog's
    applies_to: Selector = Selector()
    assumption: str = ""


class LeverEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[levers.<id>]``."""

    factor: Annotated[NotNegative, REQUIRED] = 1.0
    applies_to: Selector = Selector()


class ControlGroupEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[control_group]``."""

    share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    salt: Word = "control"

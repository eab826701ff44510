"""The tables of ``catalog/*.toml`` as they are written. docs/catalog.md is their reference.

Every field has a default, so that a table with mistakes can still be checked against the others;
what must be written is marked `REQUIRED`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from nba_engine.catalog.exploration import ExplorationEntry
from nba_engine.catalog.times import CALENDAR, parse_moment, parse_quiet_hours, parse_window
from nba_engine.domain import (
    ActionKind,
    DeclaredKind,
    Measure,
    MergeRule,
    Objective,
    Pace,
    QuietHours,
    Scope,
    Tier,
    Window,
)
from nba_engine.settings import DURATION, REQUIRED, Unreadable, Written

__all__ = [
    "TYPES",
    "ActionEntry",
    "AggregateEntry",
    "AttributeEntry",
    "ChannelEntry",
    "ControlGroupEntry",
    "ControlOfEntry",
    "GeneralEntry",
    "LeverEntry",
    "LimitEntry",
    "PlacementEntry",
    "RuleEntry",
    "Selector",
    "TreatmentEntry",
    "ValueType",
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


def _currency(value: object) -> str:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isupper():
        return value
    raise Unreadable("expected a currency", 'write its ISO 4217 code: "USD"')


def _purpose(value: object) -> str:
    if isinstance(value, str) and ":" not in value:
        return value
    raise Unreadable("expected a purpose without a colon", 'write for example "marketing"')


# TOML's dates and times reach a JSON Schema as text
_MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d.*)?$"}
_CLOCK = {"type": "string", "pattern": r"^([01]?\d|2[0-3]):[0-5]\d(:\d\d.*)?$"}
_CLOCKS = {"type": "array", "items": _CLOCK, "minItems": 2, "maxItems": 2}

_WINDOW = {
    "anyOf": [
        {"enum": list(CALENDAR)},
        {"type": "string", "pattern": r"^rolling +(?:\d+(?:\.\d+)?[smhdw])+$"},
    ]
}

_PROPERTIES = {"additionalProperties": {"type": ["string", "number", "boolean"]}}

Duration = Annotated[float, DURATION]
Moment = Annotated[dt.date, Written(parse_moment, _MOMENT)]
Word = Annotated[str, Meta(min_length=1)]
Words = tuple[Word, ...]
NotNegative = Annotated[float, Meta(ge=0)]
Number = Annotated[float | str, Meta(extra_json_schema={"minimum": 0})]  # str: an expression


class GeneralEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[catalog]``."""

    currency: Annotated[str, Written(_currency, {"type": "string", "pattern": "^[A-Z]{3}$"})] = (
        "USD"
    )
    """ISO 4217 code of all money"""
    time_zone: str = "UTC"
    """IANA name; for dates, quiet hours and the windows of limits"""
    assumptions: str = ""
    """what nobody measured; shown in outputs"""


class AttributeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[attributes.<name>]`` and ``[context.<name>]``."""

    type: Annotated[ValueType | None, REQUIRED] = None
    """`string`, `int`, `double`, `bool`, `timestamp`, `list<string>`, `list<double>`,
    `map<string,double>`, `map<string,int>` or `map<string,timestamp>`
    """
    sensitive: bool = False
    """never in logs, explanations and error texts"""
    description: str = ""
    """for people"""
    merge: MergeRule = "latest"
    """attributes only: what becomes of it when customers are linked: `latest` or `first` by the time it
    was set, `max`, `min`, `sum`, or `union` (lists and maps)
    """


class AggregateEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[aggregates.<name>]``."""

    kind: Annotated[DeclaredKind | None, REQUIRED] = None
    """what is computed of the interactions, see below"""
    types: Annotated[Words, Meta(min_length=1), REQUIRED] = ()
    """the interaction types that count"""
    where: Annotated[dict[str, Any], Meta(extra_json_schema=_PROPERTIES)] = {}
    """properties that an interaction must have, with these values"""
    by: str = ""
    """a value per value of this property: rules see a map. For `set`: the property that is collected
    """
    property: str = ""
    """the property that is summed, or whose first or last value is kept"""
    type: Literal["", "string", "int", "double", "bool", "timestamp"] = ""
    """for `first` and `last` with `property`: `string`, `int`, `double`, `bool` or `timestamp`"""
    positive: Words = ()
    """`affinity`: the interaction types that are responses; `types` are the contacts"""
    segment: str = ""
    """`affinity`, `share`: the text attribute whose customers a customer is compared with; everybody
    without it
    """
    half_life: Duration = 0.0
    """time in which a count is halved"""
    within: Duration = 0.0
    """`set`: only what was seen that recently"""
    removed_by: Words = ()
    """`set`: interaction types that take an element out"""
    sensitive: bool = False
    """never in logs, explanations and error texts"""


class ChannelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[channels.<id>]``."""

    name: str = ""
    """for people"""
    kind: Word = "template"
    """the implementation that renders treatments; plugins offer more"""
    direction: Literal["inbound", "outbound"] = "inbound"
    """does the customer come to us, or we to the customer"""
    consent: Annotated[str, Written(_purpose, {"type": "string", "pattern": "^[^:]*$"})] = ""
    """the purpose that the customer must have consented to for this channel; none without it"""
    quiet_hours: Annotated[QuietHours | None, Written(parse_quiet_hours, _CLOCKS)] = None
    """no contact from the first to the second, local time; may span midnight"""
    reservation_ttl: Duration = 86_400.0
    """until an unconfirmed reservation of limits expires"""
    settings: dict[str, Any] = {}
    """the implementation's own settings"""
    assumption: str = ""
    """marks what is assumed; shown in outputs"""


class PlacementEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[placements.<id>]``."""

    channel: Annotated[str, REQUIRED] = ""
    """id of its channel"""
    slots: Annotated[int, Meta(ge=1, le=1000)] = 1
    """recommendations it shows unless the request says otherwise"""
    exploration: ExplorationEntry | None = None
    """what is picked now and then in order to learn, see below; without it the best is shown"""


class TreatmentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[actions.<id>.treatments.<key>]`` and ``[treatment_sets.<name>.<key>]``."""

    channel: Annotated[str, REQUIRED] = ""
    """id of its channel"""
    cost: NotNegative = 0.0
    """money per contact"""
    placements: Words | None = None
    """where it fits; must belong to the channel, at least one"""
    tags: Words = ()
    """for selectors and rules"""
    content: dict[str, str] = {}
    """field → Jinja2 template over `customer`, `context`, `action`, `treatment`, `now`"""
    attributes: dict[str, Any] = {}
    """`treatment.<name>` in rules and models; as for actions"""


class ActionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[actions.<id>]``."""

    name: str = ""
    """for people and templates"""
    kind: ActionKind = "offer"
    """`offer`, `service`, `win_back`, `loyalty` or `nothing`"""
    group: str = ""
    """for selectors and the scope of limits"""
    campaign: str = ""
    """for selectors and the scope of limits"""
    tags: Words = ()
    """for selectors and rules"""
    attributes: dict[str, Any] = {}
    """free: `action.<name>` in rules and models. Text, numbers, true/false, dates, lists of text or of
    numbers; one type per name in the whole catalog. `category` names the thing that ownership and
    cross-sell are about
    """
    prior: Annotated[float, Meta(ge=0, le=1)] = 0.01
    """propensity when no model can tell"""
    lever: NotNegative = 1.0
    """factor on the value of the action in arbitration"""
    value: Number = 0.0
    """money gained on a positive outcome. An expression sees `customer`, `context`, `action` and `now`
    """
    starts: Moment | None = None
    """its season: `starts` ≤ now < `ends`. A bare date in `ends` is the day's end: that day still
    counts
    """
    ends: Moment | None = None
    """its season: `starts` ≤ now < `ends`. A bare date in `ends` is the day's end: that day still
    counts
    """
    owned_for: Duration = 0.0
    """after buying it is not offered for so long"""
    reorder: bool = False
    """for goods that are used up: not offered again before this customer is likely to need it, where
    `nba reorder fit` could tell that; `owned_for` elsewhere
    """
    pause_after_reject: Duration = 0.0
    """after a rejection it is not offered for so long"""
    complements: Words = ()
    """what goes with it"""
    substitutes: Words = ()
    """what serves the same purpose: buying one keeps the other back"""
    upgrades_to: Words = ()
    """better versions of it; no cycles"""
    objective: Objective = "propensity"
    """what its value is multiplied with: `propensity`, the chance of a positive outcome, or `uplift`, what
    showing it adds to that chance (stage `uplift`)
    """
    treatments: dict[str, TreatmentEntry] = {}
    """`[actions.<id>.treatments.<key>]`, see below"""
    treatments_from: str = ""
    """a treatment set. The action's own treatment of the same key replaces the shared one"""


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """``applies_to``: treatments that match every key given; of a key, any of its words."""

    actions: Words = ()
    """the action's id"""
    groups: Words = ()
    """the action's group, campaign, kind"""
    campaigns: Words = ()
    """the action's group, campaign, kind"""
    kinds: Words = ()
    """the action's group, campaign, kind"""
    tags: Words = ()
    """a tag of the action or of the treatment"""
    channels: Words = ()
    """the treatment's channel"""


class RuleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[rules.<id>]``."""

    tier: Annotated[Tier | None, REQUIRED] = None
    """`eligibility` (may have it), `applicability` (makes sense now) or `suitability` (is good for the
    customer)
    """
    when: str = ""
    """a condition over `customer`, `context`, `action`, `treatment` and `now`"""
    table: str = ""
    """a decision table instead of `when`: the name of a `.csv` file, from the catalog's folder on:
    `"tables/wine.csv"`
    """
    applies_to: Selector = Selector()
    """which treatments it is about"""


class LimitEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[limits.<id>]``."""

    name: str = ""
    """for people"""
    scope: tuple[Scope, ...] = ()
    """`customer`, `action`, `group`, `campaign`, `channel`; `[]` is one account shared by all"""
    measure: Annotated[Measure | None, REQUIRED] = None
    """what is counted; money counts the cost of treatments, and those that cost nothing are free of it
    """
    amount: Number | None = None
    """the most there may be; contacts are whole. An expression sees `customer` only, and needs `customer`
    in the scope. May be left out where there is `at_least`
    """
    at_least: Annotated[int, Meta(ge=1)] | None = None
    """how many contacts there are to be per account and window: what is behind that gets a bonus. Of
    limits that count contacts and that customers share
    """
    window: Annotated[Window | None, Written(parse_window, _WINDOW), REQUIRED] = None
    """`hour`, `day`, `week` (from Monday), `month`, `lifetime`, or `rolling` and a duration:
    `"rolling 7d"`
    """
    time_zone: str = ""
    """where the window's calendar is; one that rolls has none"""
    pace: Pace = "free"
    """how a price keeps it for those contacts that are worth most: `even` (as much in every hour), `profile`
    (along the hourly profile learned from traffic) or `free`, without a price. `at_least` is then spread
    evenly
    """
    applies_to: Selector = Selector()
    """which treatments draw on it"""
    assumption: str = ""
    """marks what is assumed; shown in outputs"""


class LeverEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[levers.<id>]``."""

    factor: Annotated[NotNegative, REQUIRED] = 1.0
    """multiplies the lever of the treatments it applies to"""
    applies_to: Selector = Selector()
    """which treatments"""


class ControlGroupEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[control_group]``."""

    share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """part of the customers that is kept out, by a stable hash"""
    salt: Word = "control"
    """another salt is another group"""


class ControlOfEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``[control_groups.<id>]``."""

    name: str = ""
    """for people"""
    share: Annotated[float, REQUIRED, Meta(gt=0, le=1)] = 0.0
    """part of the customers that never gets what it is about, by a stable hash"""
    salt: str = ""
    """another salt is another group; without it the id is the salt"""
    applies_to: Annotated[Selector, REQUIRED] = Selector()
    """which treatments these customers never get"""

"""GetCatalog, ListActions, ValidateCatalog: catalog values → messages."""

from __future__ import annotations

import math
from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration

from nba_engine import domain
from nba_engine._gen.nba.v1 import catalog_pb2, catalog_service_pb2
from nba_engine.domain import CatalogView
from nba_engine.errors import Mistake
from nba_engine.server.convert.decisions import micros
from nba_engine.server.convert.pages import Page, bound_to, read_page
from nba_engine.server.convert.values import write_time, write_values
from nba_engine.server.convert.violations import Violations
from nba_engine.settings import write_duration

__all__ = [
    "check_files",
    "held_back_by",
    "read_files",
    "write_action",
    "write_catalog",
    "write_limit",
    "write_measure",
    "write_mistake",
]

MAX_FILES = 256
MAX_FILE_NAME = 256

_DIRECTIONS = {
    "inbound": catalog_pb2.DIRECTION_INBOUND,
    "outbound": catalog_pb2.DIRECTION_OUTBOUND,
}
_MEASURES = {"contacts": catalog_pb2.MEASURE_CONTACTS, "money": catalog_pb2.MEASURE_MONEY}
_OBJECTIVES: dict[domain.Objective, catalog_pb2.Objective.ValueType] = {
    "propensity": catalog_pb2.OBJECTIVE_PROPENSITY,
    "uplift": catalog_pb2.OBJECTIVE_UPLIFT,
}
_KINDS: dict[domain.ActionKind, catalog_pb2.ActionKind.ValueType] = {
    "offer": catalog_pb2.ACTION_KIND_OFFER,
    "service": catalog_pb2.ACTION_KIND_SERVICE,
    "win_back": catalog_pb2.ACTION_KIND_WIN_BACK,
    "loyalty": catalog_pb2.ACTION_KIND_LOYALTY,
    "nothing": catalog_pb2.ACTION_KIND_NOTHING,
}


def read_files(
    message: catalog_service_pb2.ValidateCatalogRequest,
) -> tuple[dict[str, str], Page]:
    """Text by file name, and the page of mistakes. Raises `InvalidRequest`."""
    violations = Violations()
    check_files(message.files, violations)
    page = read_page(
        message.page_size,
        message.page_token,
        bound_to(*(part for file in sorted(message.files.items()) for part in file)),
        violations,
        default=1000,
        maximum=5000,
    )
    violations.raise_any()
    return dict(message.files), page


def check_files(files: Mapping[str, str], violations: Violations) -> None:
    """Note what is wrong with the number and the names of files."""
    if violations.count(len(files), "files", minimum=1, maximum=MAX_FILES):
        for position, name in enumerate(sorted(files)):
            violations.id(name, f"files[{position}]", maximum=MAX_FILE_NAME)


def write_mistake(mistake: Mistake) -> catalog_pb2.Mistake:
    """One mistake as its message."""
    return catalog_pb2.Mistake(
        file=mistake.file, place=mistake.place, message=mistake.message, remedy=mistake.remedy
    )


def write_catalog(catalog: CatalogView) -> catalog_pb2.Catalog:
    """A catalog without its actions."""
    return catalog_pb2.Catalog(
        catalog_version=catalog.version,
        currency_code=catalog.currency,
        time_zone=catalog.time_zone,
        channels=[_write_channel(catalog.channels[name]) for name in sorted(catalog.channels)],
        placements=[
            catalog_pb2.Placement(id=placement.id, channel=placement.channel, slots=placement.slots)
            for _, placement in sorted(catalog.placements.items())
        ],
        attributes=[_write_attribute(a) for _, a in sorted(catalog.attributes.items())],
        context_attributes=[_write_attribute(a) for _, a in sorted(catalog.context.items())],
        limits=[write_limit(limit) for limit in sorted(catalog.limits, key=lambda one: one.id)],
        action_count=len(catalog.actions),
        treatment_count=len(catalog.treatments),
        control_group_share=catalog.control_group.share,
        control_groups=[
            catalog_pb2.ControlGroup(id=group.id, name=group.name, share=group.share)
            for group in sorted(catalog.control_groups, key=lambda one: one.id)
        ],
    )


def _write_channel(channel: domain.ChannelSpec) -> catalog_pb2.Channel:
    return catalog_pb2.Channel(
        id=channel.id,
        name=channel.name,
        kind=channel.kind,
        direction=_DIRECTIONS[channel.direction],
        consent_purpose=channel.consent,
        reservation_ttl=_duration(channel.reservation_ttl),
        assumption=channel.assumption,
    )


def _write_attribute(attribute: domain.Attribute) -> catalog_pb2.Attribute:
    return catalog_pb2.Attribute(
        name=attribute.name,
        type=attribute.type,
        sensitive=attribute.sensitive,
        description=attribute.description,
    )


def write_limit(limit: domain.Limit) -> catalog_pb2.Limit:
    """A limit as the catalog defines it."""
    message = catalog_pb2.Limit(
        id=limit.id,
        name=limit.name,
        scope=limit.scope,
        measure=write_measure(limit),
        window=_window(limit.window),
        time_zone=limit.window.time_zone,
        assumption=limit.assumption,
        pace="" if limit.pace == "free" else limit.pace,
        at_least=limit.at_least,
    )
    if not isinstance(limit.amount, int | float):
        message.expression = limit.amount.text
    elif math.isinf(limit.amount):
        pass
    elif limit.measure == "money":
        message.money_micros = micros(limit.amount)
    else:
        message.contacts = limit.amount
    return message


def write_measure(limit: domain.Limit) -> catalog_pb2.Measure.ValueType:
    """What a limit counts."""
    return _MEASURES[limit.measure]


def _window(window: domain.Window) -> str:
    if window.unit == "rolling":
        return f"rolling {write_duration(window.seconds)}"
    return window.unit


def write_action(
    action: domain.Action, treatments: list[domain.Treatment], held_back: Mapping[str, list[str]]
) -> catalog_pb2.Action:
    """An action with its treatments; ``held_back`` as `held_back_by` gives it."""
    message = catalog_pb2.Action(
        id=action.id,
        name=action.name,
        kind=_KINDS[action.kind],
        group=action.group,
        campaign=action.campaign,
        tags=action.tags,
        attributes=write_values(action.attributes),
        prior=action.prior,
        lever=action.lever,
        start_time=None if action.starts is None else write_time(action.starts),
        end_time=None if action.ends is None else write_time(action.ends),
        owned_for=_duration(action.owned_for) if action.owned_for else None,
        pause_after_reject=(
            _duration(action.pause_after_reject) if action.pause_after_reject else None
        ),
        complements=action.complements,
        substitutes=action.substitutes,
        upgrades_to=action.upgrades_to,
        treatments=[_write_treatment(one, held_back.get(one.id, [])) for one in treatments],
        reorder=action.reorder,
        objective=_OBJECTIVES[action.objective],
    )
    if isinstance(action.value, int | float):
        message.value_micros = micros(action.value)
    else:
        message.value_expression = action.value.text
    return message


def held_back_by(catalog: CatalogView) -> dict[str, list[str]]:
    """Treatment → the control groups whose customers never get it; those of none are left out."""
    found: dict[str, list[str]] = {}
    for group in sorted(catalog.control_groups, key=lambda one: one.id):
        for index in group.treatments:
            found.setdefault(catalog.treatments[index].id, []).append(group.id)
    return found


def _write_treatment(treatment: domain.Treatment, groups: list[str]) -> catalog_pb2.Treatment:
    return catalog_pb2.Treatment(
        id=treatment.id,
        channel=treatment.channel,
        placements=treatment.placements,
        cost_micros=micros(treatment.cost),
        tags=treatment.tags,
        content=treatment.content,
        attributes=write_values(treatment.attributes),
        control_groups=groups,
    )


def _duration(seconds: float) -> Duration:
    whole, rest = divmod(round(seconds * 1_000_000), 1_000_000)
    return Duration(seconds=whole, nanos=rest * 1000)

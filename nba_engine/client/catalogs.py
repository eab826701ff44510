"""GetCatalog, ListActions, ValidateCatalog: the catalog in force, and mistakes in others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from nba_engine._gen.nba.v1 import catalog_pb2, catalog_service_pb2
from nba_engine.client.values import Value, money, read_duration, read_time, read_values
from nba_engine.client.words import word_of

__all__ = [
    "Action",
    "Attribute",
    "Catalog",
    "Channel",
    "ControlGroup",
    "Limit",
    "Mistake",
    "Placement",
    "Treatment",
    "read_action",
    "read_catalog",
    "read_limit",
    "read_mistake",
]


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A way to the customer; ``direction`` is ``inbound`` or ``outbound``."""

    id: str
    name: str
    kind: str
    direction: str
    consent_purpose: str
    reservation_ttl: timedelta
    assumption: str


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """A slot in a channel."""

    id: str
    channel: str
    slots: int


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """A declared attribute; the values of a ``sensitive`` one stay out of logs and errors."""

    name: str
    type: str
    sensitive: bool
    description: str


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """Anything countable that must not be exceeded: ``measure`` ``contacts`` or ``money``.

    One of ``contacts``, ``money_micros`` and ``expression`` is given; none where there is only a
    minimum: ``at_least`` so many contacts, 0 for none. ``pace``: ``even`` or ``profile`` of one that has
    prices, otherwise empty.
    """

    id: str
    name: str
    scope: tuple[str, ...]
    measure: str
    contacts: float | None
    money_micros: int | None
    expression: str | None
    window: str
    time_zone: str
    assumption: str
    pace: str
    at_least: int = 0


class ControlGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A share of the customers that never gets some treatments (``Treatment.control_groups``)."""

    id: str
    name: str
    share: float


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """A catalog without its actions, and the models at work."""

    catalog_version: str
    currency_code: str
    time_zone: str
    channels: tuple[Channel, ...]
    placements: tuple[Placement, ...]
    attributes: tuple[Attribute, ...]
    context_attributes: tuple[Attribute, ...]
    limits: tuple[Limit, ...]
    action_count: int
    treatment_count: int
    control_group_share: float
    model_versions: Mapping[str, str]
    control_groups: tuple[ControlGroup, ...] = ()


class Treatment(msgspec.Struct, frozen=True, kw_only=True):
    """The form of an action on one channel."""

    id: str
    channel: str
    placements: tuple[str, ...]
    cost_micros: int
    tags: tuple[str, ...]
    content: Mapping[str, str]
    attributes: Mapping[str, Value]
    control_groups: tuple[str, ...] = ()

    @property
    def cost(self) -> Decimal:
        """The money spent on one contact."""
        return money(self.cost_micros)


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A thing we may do for a customer.

    ``kind`` is ``offer``, ``service``, ``win_back``, ``loyalty`` or ``nothing``. One of
    ``value_micros`` and ``value_expression`` is given. ``objective`` is ``propensity`` or ``uplift``: what
    the value is multiplied with; with ``reorder``, ``owned_for`` gives way to when the customer is likely
    to need it again.
    """

    id: str
    name: str
    kind: str
    group: str
    campaign: str
    tags: tuple[str, ...]
    attributes: Mapping[str, Value]
    prior: float
    lever: float
    value_micros: int | None
    value_expression: str | None
    start_time: datetime | None
    end_time: datetime | None
    owned_for: timedelta | None
    pause_after_reject: timedelta | None
    complements: tuple[str, ...]
    substitutes: tuple[str, ...]
    upgrades_to: tuple[str, ...]
    treatments: tuple[Treatment, ...]
    reorder: bool = False
    objective: str = "propensity"

    @property
    def value(self) -> Decimal | None:
        """The money gained on a positive outcome; None when an expression tells."""
        return None if self.value_micros is None else money(self.value_micros)


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake in a catalog: where it is, what is wrong, what to do about it."""

    file: str
    place: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.place}" if self.place else self.file
        return f"{where}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


def read_catalog(response: catalog_service_pb2.GetCatalogResponse) -> Catalog:
    """A catalog from the answer of GetCatalog."""
    message = response.catalog
    return Catalog(
        catalog_version=message.catalog_version,
        currency_code=message.currency_code,
        time_zone=message.time_zone,
        channels=tuple(_channel(entry) for entry in message.channels),
        placements=tuple(
            Placement(id=entry.id, channel=entry.channel, slots=entry.slots)
            for entry in message.placements
        ),
        attributes=tuple(_attribute(entry) for entry in message.attributes),
        context_attributes=tuple(_attribute(entry) for entry in message.context_attributes),
        limits=tuple(read_limit(entry) for entry in message.limits),
        action_count=message.action_count,
        treatment_count=message.treatment_count,
        control_group_share=message.control_group_share,
        model_versions=dict(response.model_versions),
        control_groups=tuple(
            ControlGroup(id=entry.id, name=entry.name, share=entry.share)
            for entry in message.control_groups
        ),
    )


def _channel(message: catalog_pb2.Channel) -> Channel:
    return Channel(
        id=message.id,
        name=message.name,
        kind=message.kind,
        direction=word_of(catalog_pb2.Direction.Name, message.direction, "DIRECTION_"),
        consent_purpose=message.consent_purpose,
        reservation_ttl=read_duration(message.reservation_ttl),
        assumption=message.assumption,
    )


def _attribute(message: catalog_pb2.Attribute) -> Attribute:
    return Attribute(
        name=message.name,
        type=message.type,
        sensitive=message.sensitive,
        description=message.description,
    )


def read_limit(message: catalog_pb2.Limit) -> Limit:
    """A limit from its message."""
    amount = message.WhichOneof("amount")
    return Limit(
        id=message.id,
        name=message.name,
        scope=tuple(message.scope),
        measure=word_of(catalog_pb2.Measure.Name, message.measure, "MEASURE_"),
        contacts=message.contacts if amount == "contacts" else None,
        money_micros=message.money_micros if amount == "money_micros" else None,
        expression=message.expression if amount == "expression" else None,
        window=message.window,
        time_zone=message.time_zone,
        assumption=message.assumption,
        pace=message.pace,
        at_least=message.at_least,
    )


def read_action(message: catalog_pb2.Action) -> Action:
    """An action from its message."""
    has = message.HasField
    return Action(
        id=message.id,
        name=message.name,
        kind=word_of(catalog_pb2.ActionKind.Name, message.kind, "ACTION_KIND_"),
        group=message.group,
        campaign=message.campaign,
        tags=tuple(message.tags),
        attributes=read_values(message.attributes),
        prior=message.prior,
        lever=message.lever,
        value_micros=message.value_micros if has("value_micros") else None,
        value_expression=message.value_expression if has("value_expression") else None,
        start_time=read_time(message.start_time) if has("start_time") else None,
        end_time=read_time(message.end_time) if has("end_time") else None,
        owned_for=read_duration(message.owned_for) if has("owned_for") else None,
        pause_after_reject=(
            read_duration(message.pause_after_reject) if has("pause_after_reject") else None
        ),
        complements=tuple(message.complements),
        substitutes=tuple(message.substitutes),
        upgrades_to=tuple(message.upgrades_to),
        treatments=tuple(_treatment(entry) for entry in message.treatments),
        reorder=message.reorder,
        objective=word_of(catalog_pb2.Objective.Name, message.objective, "OBJECTIVE_"),
    )


def _treatment(message: catalog_pb2.Treatment) -> Treatment:
    return Treatment(
        id=message.id,
        channel=message.channel,
        placements=tuple(message.placements),
        cost_micros=message.cost_micros,
        tags=tuple(message.tags),
        content=dict(message.content),
        attributes=read_values(message.attributes),
        control_groups=tuple(message.control_groups),
    )


def read_mistake(message: catalog_pb2.Mistake) -> Mistake:
    """A mistake from its message."""
    return Mistake(
        file=message.file, place=message.place, message=message.message, remedy=message.remedy
    )

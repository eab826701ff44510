"""Keeping sensitive values out of the log when an unforeseen exception is logged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.message import Message

from nba_engine import domain
from nba_engine._gen.nba.v1 import (
    decision_service_pb2,
    interaction_service_pb2,
    profile_service_pb2,
    value_pb2,
)
from nba_engine.domain import CatalogView

__all__ = ["redact", "secrets_of_customer", "secrets_of_request"]

HIDDEN = "(sensitive)"


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in a text, longest first."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if secret:
            text = text.replace(secret, HIDDEN)
    return text


def secrets_of_request(message: Message, catalog: CatalogView) -> Iterator[str]:
    """Values of sensitive attributes in a request, as text."""
    sensitive = _sensitive_names(catalog)
    for values in _value_maps(message):
        for name, value in values.items():
            if name in sensitive:
                yield from _texts_of_message(value)


def secrets_of_customer(state: domain.CustomerState, catalog: CatalogView) -> Iterator[str]:
    """Values of sensitive attributes and aggregates of a stored customer, as text."""
    sensitive = _sensitive_names(catalog)
    fetched = (one.attributes for one in state.fetched)
    for values in (state.attributes, state.aggregates, *fetched):
        for name, value in values.items():
            if name in sensitive:
                yield from _texts(value)


def _sensitive_names(catalog: CatalogView) -> set[str]:
    declared = (*catalog.attributes.values(), *catalog.context.values())
    names = {attribute.name for attribute in declared if attribute.sensitive}
    for spec in catalog.aggregates.values():
        if spec.sensitive:
            # an interaction brings it under the name of the property
            names |= {spec.name, spec.by, spec.property} - {""}
    return names


def _value_maps(message: Message) -> Iterator[Mapping[str, value_pb2.Value]]:
    if isinstance(message, decision_service_pb2.DecideRequest):
        yield message.context
    elif isinstance(message, profile_service_pb2.UpdateProfileRequest):
        yield message.profile.attributes
    elif isinstance(message, interaction_service_pb2.RecordInteractionsRequest):
        for interaction in message.interactions:
            yield interaction.properties


def _texts_of_message(value: value_pb2.Value) -> Iterator[str]:
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        for element in value.list_value.values:
            yield from _texts_of_message(element)
    elif kind == "map_value":
        for key, element in value.map_value.values.items():
            yield key
            yield from _texts_of_message(element)
    elif kind == "timestamp_value":
        yield str(value.timestamp_value.seconds)
    elif kind is not None:
        yield from _texts(getattr(value, kind))


def _texts(value: domain.Value) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, element in value.items():
            yield str(key)
            yield from _texts(element)
    elif isinstance(value, list | tuple):
        for element in value:
            yield from _texts(element)
    elif value is not None and not isinstance(value, bool):
        yield str(value)

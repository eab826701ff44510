"""GetProfile and UpdateProfile: what is known about a customer, and its messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

import msgspec

from nba_engine._gen.nba.v1 import profile_pb2, profile_service_pb2
from nba_engine.client.values import (
    Value,
    Violations,
    fill_time,
    fill_values,
    read_time,
    read_values,
)

__all__ = [
    "Consent",
    "Linked",
    "Profile",
    "get_profile_request",
    "link_request",
    "read_linked",
    "read_profile",
    "update_profile_request",
]


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """A consent given (``granted``) or withdrawn; ``channel`` ``*`` means all of them."""

    purpose: str
    channel: str
    granted: bool
    consent_time: datetime | None = None
    source: str = ""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one customer."""

    customer_id: str
    version: int
    attributes: Mapping[str, Value]
    aggregates: Mapping[str, Value]
    consents: tuple[Consent, ...]


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """The customer that linked identities lead to, and the ids of those merged into it."""

    profile: Profile
    identities: tuple[str, ...]
    merged_customer_ids: tuple[str, ...]


def get_profile_request(
    identity: str, time: datetime | None
) -> profile_service_pb2.GetProfileRequest:
    """The message that asks for a profile."""
    message = profile_service_pb2.GetProfileRequest(identity=identity)
    if time is not None:
        violations = Violations()
        fill_time(message.time, time, "time", violations)
        violations.raise_any("GetProfile")
    return message


def update_profile_request(
    identity: str,
    attributes: Mapping[str, Value],
    consents: Sequence[Consent],
    remove: Sequence[str],
    update_mask: Sequence[str],
    request_id: str,
) -> profile_service_pb2.UpdateProfileRequest:
    """The message that changes a profile; with an id of its own when none is given."""
    message = profile_service_pb2.UpdateProfileRequest(
        identity=identity, request_id=request_id or str(uuid4())
    )
    violations = Violations()
    fill_values(message.profile.attributes, attributes, "profile.attributes", violations)
    for position, consent in enumerate(consents):
        entry = message.profile.consents.add(
            purpose=consent.purpose,
            channel=consent.channel,
            granted=consent.granted,
            source=consent.source,
        )
        if consent.consent_time is not None:
            field = f"profile.consents[{position}].consent_time"
            fill_time(entry.consent_time, consent.consent_time, field, violations)
    violations.raise_any("UpdateProfile")
    message.update_mask.paths.extend(update_mask)
    if remove:  # a mask names all that changes, so also what is set
        message.update_mask.paths.extend(f"attributes.{name}" for name in (*attributes, *remove))
        message.update_mask.paths.extend(["consents"] if consents else [])
    return message


def link_request(
    identities: Sequence[str], source: str, request_id: str
) -> profile_service_pb2.LinkIdentitiesRequest:
    """The message that links identities; with an id of its own when none is given."""
    return profile_service_pb2.LinkIdentitiesRequest(
        identities=identities, source=source, request_id=request_id or str(uuid4())
    )


def read_linked(message: profile_service_pb2.LinkIdentitiesResponse) -> Linked:
    """What a link came to, from its message."""
    return Linked(
        profile=read_profile(message.profile),
        identities=tuple(message.identities),
        merged_customer_ids=tuple(message.merged_customer_ids),
    )


def read_profile(message: profile_pb2.Profile) -> Profile:
    """A profile from its message."""
    return Profile(
        customer_id=message.customer_id,
        version=message.version,
        attributes=read_values(message.attributes),
        aggregates=read_values(message.aggregates),
        consents=tuple(_consent(entry) for entry in message.consents),
    )


def _consent(message: profile_pb2.Consent) -> Consent:
    return Consent(
        purpose=message.purpose,
        channel=message.channel,
        granted=message.granted,
        consent_time=read_time(message.consent_time) if message.HasField("consent_time") else None,
        source=message.source,
    )

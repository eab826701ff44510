"""GetProfile, UpdateProfile: CustomerState → Profile, request → ProfileUpdate."""

from __future__ import annotations

from collections.abc import Mapping

from nba_engine import domain
from nba_engine._gen.nba.v1 import profile_pb2, profile_service_pb2
from nba_engine.domain import (
    PLAN_ATTRIBUTE,
    AggregateSpec,
    CatalogView,
    Consent,
    CustomerState,
    Erasure,
    Linked,
    LinkRequest,
    ProfileUpdate,
)
from nba_engine.domain.algebra import state_for, value_of
from nba_engine.domain.fitted import FITTED
from nba_engine.engine.identities import MAX_LINKED
from nba_engine.server.convert.values import read_time, read_values, write_time, write_values
from nba_engine.server.convert.violations import Violations

__all__ = [
    "customer_types",
    "read_erase",
    "read_get_request",
    "read_link",
    "read_update",
    "write_erasure",
    "write_linked",
    "write_profile",
]

MAX_ATTRIBUTES = 256
MAX_CONSENTS = 64
MAX_PATHS = 256
MAX_WORD = 64
MAX_SOURCE = 256


def read_get_request(
    message: profile_service_pb2.GetProfileRequest, *, simulated: bool
) -> tuple[str, float | None]:
    """Identity, and the time aggregates are asked for. Raises `InvalidRequest`."""
    violations = Violations()
    violations.identity(message.identity)
    time = None
    if message.HasField("time"):
        time = read_time(message.time, "time", violations)
        if not simulated:
            violations.time_not_allowed("time")
    violations.raise_any()
    return message.identity, time


def read_update(
    message: profile_service_pb2.UpdateProfileRequest, catalog: CatalogView, *, now: float
) -> ProfileUpdate:
    """The change in domain words. Raises `InvalidRequest` with every wrong field."""
    violations = Violations()
    violations.identity(message.identity)
    violations.uuid(message.request_id, "request_id")
    types = {name: attribute.type for name, attribute in catalog.attributes.items()}
    given = read_values(
        message.profile.attributes,
        types,
        "profile.attributes",
        violations,
        maximum=MAX_ATTRIBUTES,
    )
    consents = _read_consents(message.profile, catalog, violations, now=now)
    paths = set(message.update_mask.paths)
    if not violations.count(len(paths), "update_mask", maximum=MAX_PATHS):
        paths = set()
    planned = set() if catalog.contact_plan is None else {PLAN_ATTRIBUTE}
    named = _read_paths(paths, types, violations, kept=planned)
    violations.raise_any()
    undated = tuple(
        f"{entry.purpose}:{entry.channel}"
        for entry in message.profile.consents
        if not entry.HasField("consent_time")
    )
    if not paths:
        return ProfileUpdate(
            identity=message.identity,
            attributes={name: value for name, value in given.items() if name not in planned},
            consents=consents,
            request_id=message.request_id,
            undated=undated,
        )
    return ProfileUpdate(
        identity=message.identity,
        attributes={name: value for name, value in given.items() if name in named},
        remove=tuple(sorted(named - given.keys())),
        consents=consents if "consents" in paths else {},
        request_id=message.request_id,
        undated=undated if "consents" in paths else (),
    )


def read_link(message: profile_service_pb2.LinkIdentitiesRequest) -> LinkRequest:
    """The link in domain words. Raises `InvalidRequest` with every wrong field."""
    violations = Violations()
    if violations.count(len(message.identities), "identities", minimum=2, maximum=MAX_LINKED):
        for position, identity in enumerate(message.identities):
            violations.identity(identity, f"identities[{position}]")
    violations.id(message.source, "source", maximum=MAX_SOURCE, required=False)
    violations.uuid(message.request_id, "request_id")
    violations.raise_any()
    return LinkRequest(
        identities=tuple(message.identities),
        source=message.source,
        request_id=message.request_id,
    )


def read_erase(message: profile_service_pb2.EraseProfileRequest) -> tuple[str, str]:
    """Identity and request id. Raises `InvalidRequest` with every wrong field."""
    violations = Violations()
    violations.identity(message.identity, "identity")
    violations.uuid(message.request_id, "request_id")
    violations.raise_any()
    return message.identity, message.request_id


def write_erasure(erasure: Erasure) -> profile_service_pb2.EraseProfileResponse:
    """What became of an erasure so far."""
    return profile_service_pb2.EraseProfileResponse(
        erasure_id=erasure.erasure_id,
        erase_time=write_time(erasure.time),
        known=erasure.known,
        removed_counts=erasure.counts,
        pending_places=erasure.pending,
        kept_places=erasure.kept,
    )


def write_linked(
    linked: Linked, catalog: CatalogView, *, now: float
) -> profile_service_pb2.LinkIdentitiesResponse:
    """What a link came to, with aggregates as of ``now``."""
    return profile_service_pb2.LinkIdentitiesResponse(
        profile=write_profile(linked.state, catalog, now=now),
        identities=linked.identities,
        merged_customer_ids=linked.merged,
    )


def _read_paths(
    paths: set[str], types: Mapping[str, str], violations: Violations, *, kept: set[str]
) -> set[str]:
    """The attributes that a field mask names; *attributes* names every declared one but ``kept``."""
    named: set[str] = set()
    for path in sorted(paths):
        collection, _, name = path.partition(".")
        if path == "attributes":
            named |= types.keys() - kept
        elif collection == "attributes" and name in types:
            named.add(name)
        elif collection == "attributes" and name:
            violations.add("update_mask", "names an attribute that the catalog does not declare")
        elif path != "consents":
            violations.add("update_mask", "a path is attributes, attributes.<name> or consents")
    return named


def _read_consents(
    profile: profile_pb2.Profile, catalog: CatalogView, violations: Violations, *, now: float
) -> dict[str, Consent]:
    result: dict[str, Consent] = {}
    entries = profile.consents
    if not violations.count(len(entries), "profile.consents", maximum=MAX_CONSENTS):
        return result
    for position, entry in enumerate(entries):
        field = f"profile.consents[{position}]"
        violations.id(entry.purpose, f"{field}.purpose", maximum=MAX_WORD)
        violations.id(entry.channel, f"{field}.channel", maximum=MAX_WORD)
        violations.id(entry.source, f"{field}.source", maximum=MAX_SOURCE, required=False)
        if ":" in entry.purpose:
            violations.add(f"{field}.purpose", "must not hold a colon")
        if entry.channel and entry.channel != "*" and entry.channel not in catalog.channels:
            violations.add(f"{field}.channel", "not a channel of the catalog, nor *")
        time = now
        if entry.HasField("consent_time"):
            time = read_time(entry.consent_time, f"{field}.consent_time", violations)
        key = f"{entry.purpose}:{entry.channel}"
        if key in result:
            violations.add(field, "each purpose and channel at most once")
        result[key] = Consent(granted=entry.granted, time=time, source=entry.source)
    return result


def write_profile(state: CustomerState, catalog: CatalogView, *, now: float) -> profile_pb2.Profile:
    """A customer's state as its message, with aggregates as of ``now``."""
    types = customer_types(catalog)
    aggregates: dict[str, domain.Value] = {
        name: value_of(
            spec,
            state_for(spec, state.aggregates),
            now,
            segment=state.attributes.get(spec.segment, ""),
        )
        for name, spec in catalog.aggregates.items()
    }
    return profile_pb2.Profile(
        customer_id=state.customer_id,
        version=state.version,
        attributes=write_values(state.attributes, types),
        aggregates=write_values(aggregates, types),
        consents=[_write_consent(key, state.consents[key]) for key in sorted(state.consents)],
    )


def _write_consent(key: str, consent: Consent) -> profile_pb2.Consent:
    purpose, _, channel = key.partition(":")
    return profile_pb2.Consent(
        purpose=purpose,
        channel=channel,
        granted=consent.granted,
        consent_time=write_time(consent.time),
        source=consent.source,
    )


def customer_types(catalog: CatalogView) -> dict[str, str]:
    """Types by name of everything rules know about a customer, as far as writing needs them."""
    types = {name: attribute.type for name, attribute in catalog.attributes.items()}
    return types | {name: _aggregate_type(spec) for name, spec in catalog.aggregates.items()}


def _aggregate_type(spec: AggregateSpec) -> str:
    """Only times must be told from numbers; for the rest the value shows its type."""
    if spec.kind in ("first", "last") and (not spec.property or spec.type == "timestamp"):
        return "map<string,timestamp>" if spec.by else "timestamp"
    if spec.kind in FITTED:
        return "map<string,double>"
    if spec.kind == "value":
        return "double"
    if spec.kind in ("sum", "decayed"):
        return "map<string,double>" if spec.by else "double"
    return ""

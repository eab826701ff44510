"""Profile updates held against the declared attributes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from nba_engine.domain import PLAN_ATTRIBUTE, Consent, ProfileUpdate
from nba_engine.engine.requests import identity_violation
from nba_engine.engine.snapshot import Snapshot
from nba_engine.engine.types import normalized
from nba_engine.errors import InvalidRequest, NotFound, Violation
from nba_engine.settings import suggest

__all__ = ["checked_update", "checked_updates", "dated", "unknown_customer"]


def checked_update(update: ProfileUpdate, snapshot: Snapshot) -> ProfileUpdate:
    """The update in its normal form. Raises `InvalidRequest` with every violation."""
    violations: list[Violation] = []
    if (wrong := identity_violation(update.identity)) is not None:
        violations.append(wrong)
    attributes = normalized(update.attributes, snapshot.attributes, "attributes", violations)
    for position, name in enumerate(update.remove):
        if name not in snapshot.attributes:
            remedy = suggest(name, snapshot.attributes, "declared names")
            description = f"{name!r} is not declared in the catalog ({remedy})"
            violations.append(Violation(field=f"remove[{position}]", description=description))
        elif name in update.attributes:
            description = f"{name!r} is set and removed at once"
            violations.append(Violation(field=f"remove[{position}]", description=description))
    if snapshot.catalog.contact_plan is not None:
        for field, names in (("attributes", update.attributes), ("remove", update.remove)):
            if PLAN_ATTRIBUTE in names:
                description = (
                    f"{PLAN_ATTRIBUTE!r} is what is planned for the customer: nba plan sets it"
                )
                violations.append(Violation(field=field, description=description))
    for word, consent in update.consents.items():
        if problem := _consent_problem(word, consent, snapshot):
            violations.append(Violation(field=f"consents[{word}]", description=problem))
    if violations:
        raise InvalidRequest(violations)
    if attributes is None:
        return update
    return msgspec.structs.replace(update, attributes=attributes)


def checked_updates(updates: Sequence[ProfileUpdate], snapshot: Snapshot) -> list[ProfileUpdate]:
    """Many updates in their normal form. Raises `InvalidRequest` for the first that is wrong."""
    checked: list[ProfileUpdate] = []
    for position, update in enumerate(updates):
        try:
            checked.append(checked_update(update, snapshot))
        except InvalidRequest as wrong:
            raise InvalidRequest(
                [
                    msgspec.structs.replace(v, field=f"updates[{position}].{v.field}")
                    for v in wrong.violations
                ]
            ) from None
    return checked


def dated(update: ProfileUpdate, now: float) -> ProfileUpdate:
    """The update with the time of its arrival, if it has none and sets anything."""
    if update.time or not update.attributes:
        return update
    return msgspec.structs.replace(update, time=now)


def unknown_customer(identity: str) -> NotFound:
    """What to raise for an identity that nobody is known by."""
    return NotFound(
        "no customer is known by this identity",
        reason="CUSTOMER_NOT_FOUND",
        metadata={"identity": identity},
    )


def _consent_problem(word: str, consent: Consent, snapshot: Snapshot) -> str:
    purpose, _, channel = word.partition(":")
    if not purpose or not channel:
        return "must be named purpose:channel, as in marketing:email"
    purposes = {each.consent for each in snapshot.catalog.channels.values() if each.consent}
    if purposes and purpose not in purposes:
        remedy = suggest(purpose, purposes, "purposes")
        return f"no channel asks for consent to {purpose!r} ({remedy})"
    if channel != "*" and channel not in snapshot.catalog.channels:
        remedy = suggest(channel, snapshot.catalog.channels, "channels")
        return f"there is no channel {channel!r} ({remedy})"
    if not math.isfinite(consent.time):
        return "time must be a finite number"
    return ""

"""Links of identities held against the words of the API."""

from __future__ import annotations

import msgspec

from nba_engine.domain import LinkRequest
from nba_engine.engine.requests import identity_violation
from nba_engine.errors import InvalidRequest, Violation

__all__ = ["MAX_LINKED", "MAX_LINKS", "checked_link"]

MAX_LINKED = 64  # identities per request
MAX_LINKS = 50  # identities that a customer may have, unless the settings say otherwise
MAX_SOURCE = 256  # characters


def checked_link(request: LinkRequest) -> LinkRequest:
    """The link with each identity once. Raises `InvalidRequest` with every violation."""
    violations: list[Violation] = []
    if len(request.identities) > MAX_LINKED:
        description = f"must not be more than {MAX_LINKED}"
        raise InvalidRequest([Violation(field="identities", description=description)])
    for position, identity in enumerate(request.identities):
        if (wrong := identity_violation(identity)) is not None:
            field = f"identities[{position}]"
            violations.append(msgspec.structs.replace(wrong, field=field))
    distinct = tuple(dict.fromkeys(request.identities))
    if len(distinct) < 2:
        description = "must name two different identities or more"
        violations.append(Violation(field="identities", description=description))
    if len(request.source) > MAX_SOURCE or not request.source.isprintable():
        description = f"must have at most {MAX_SOURCE} printable characters"
        violations.append(Violation(field="source", description=description))
    if violations:
        raise InvalidRequest(violations)
    return msgspec.structs.replace(request, identities=distinct)

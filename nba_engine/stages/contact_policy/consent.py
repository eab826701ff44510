"""Consent to be contacted for a purpose on a channel. What is not granted is refused."""

from __future__ import annotations

from nba_engine.domain import ChannelSpec, Deciding

__all__ = ["ANY", "consented", "key_of"]

ANY = "*"


def key_of(channel: ChannelSpec) -> str:
    """The consent a channel needs: ``marketing:email``."""
    return f"{channel.consent}:{channel.id}"


def consented(deciding: Deciding, exact: str, any_channel: str) -> bool:
    """Whether the customer granted ``purpose:channel``, or ``purpose:*`` without withdrawing it."""
    granted = deciding.customer.get("consents") or ()
    if exact in granted:
        return True
    if any_channel not in granted:
        return False
    state = deciding.state
    return state is None or exact not in state.consents

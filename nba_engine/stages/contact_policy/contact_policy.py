"""Stage ``contact_policy``: whether we may contact this customer, here and now."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import numpy as np

from nba_engine.domain import (
    CatalogView,
    Change,
    Deciding,
    Drop,
    Resources,
    StageFactory,
)
from nba_engine.domain.values import BoolArray
from nba_engine.stages.contact_policy.after import ends_after
from nba_engine.stages.contact_policy.consent import ANY, consented, key_of
from nba_engine.stages.contact_policy.control import EVERYTHING, groups_of
from nba_engine.stages.contact_policy.explained import explain_policy
from nba_engine.stages.contact_policy.rooms import Rooms
from nba_engine.stages.limits import Accounts, QuietClock, within

__all__ = ["CONTACT_POLICY", "ContactPolicy", "ContactPolicySettings"]


class ContactPolicySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``rejected``: the aggregate (last, by action) that tells when an action was rejected."""

    rejected: str = "rejected_at"


class ContactPolicy:
    """Control group, consent, quiet hours, limits with room left, pauses after contacts.

    Everything a decision needs is arranged by channel, limit and action when the pipeline is
    built; a decision then costs a gather per check that can bite.
    """

    def __init__(self, settings: ContactPolicySettings, resources: Resources) -> None:
        catalog = resources.catalog
        self._rejected = settings.rejected
        channels = list(catalog.channels.values())
        at = {channel.id: i for i, channel in enumerate(channels)}
        self._channel_of = np.array([at[t.channel] for t in catalog.treatments], dtype=np.intp)
        self._consents = tuple(
            (at[c.id], key_of(c), f"{c.consent}:{ANY}") for c in channels if c.consent
        )
        self._quiet = tuple(
            (at[c.id], c.quiet_hours)
            for c in channels
            if c.quiet_hours is not None and c.direction == "outbound"
        )
        self._number_of_channels = len(channels)
        self._held_back = {
            group.id: _among(group.treatments, catalog) for group in catalog.control_groups
        }
        self.clock = QuietClock(catalog)
        self.accounts = Accounts(catalog)
        self._rooms = Rooms(catalog, self.accounts)
        self._pausing = {
            action.id: (action.pause_after_reject, np.flatnonzero(catalog.action_of == number))
            for number, action in enumerate(catalog.actions)
            if action.pause_after_reject > 0
        }
        self._after = tuple(
            (rule, _among(rule.treatments, catalog)) for rule in catalog.slate_rules if rule.after
        )

    def apply(self, deciding: Deciding) -> None:
        """Drop what must not be sent; the first reason that applies is kept."""
        candidates = deciding.candidates
        deciding.control_groups = groups_of(deciding.catalog, deciding.customer_id)
        if EVERYTHING in deciding.control_groups:
            candidates.drop(np.ones(len(candidates), dtype=np.bool_), "control_group")
            return
        for group in deciding.control_groups:
            candidates.drop(self._held_back[group][candidates.index], f"control_group:{group}")
        if self._consents:
            closed = self._without_consent(deciding)
            if closed is not None:
                candidates.drop(closed[self._channel_of[candidates.index]], "no_consent")
        if self._quiet and not deciding.ahead:
            closed = self._quiet_now(deciding.now)
            if closed is not None:
                candidates.drop(closed[self._channel_of[candidates.index]], "quiet_hours")
        full = self._rooms.full(deciding)
        if full is not None:
            candidates.drop(full, "limit_exhausted")
        if self._pausing:
            paused = self._paused(deciding)
            if paused is not None:
                candidates.drop(paused[candidates.index], "paused_after_reject")
        for rule, about in self._after:
            if ends_after(rule, deciding) > deciding.now:
                candidates.drop(about[candidates.index], f"not_after:{rule.id}")

    def _without_consent(self, deciding: Deciding) -> BoolArray | None:
        closed: BoolArray | None = None
        for channel, exact, any_channel in self._consents:
            if not consented(deciding, exact, any_channel):
                if closed is None:
                    closed = np.zeros(self._number_of_channels, dtype=np.bool_)
                closed[channel] = True
        return closed

    def _quiet_now(self, now: float) -> BoolArray | None:
        minute = self.clock.minute(now)
        closed: BoolArray | None = None
        for channel, hours in self._quiet:
            if within(hours, minute):
                if closed is None:
                    closed = np.zeros(self._number_of_channels, dtype=np.bool_)
                closed[channel] = True
        return closed

    def _paused(self, deciding: Deciding) -> BoolArray | None:
        times = deciding.customer.get(self._rejected)
        if not times:
            return None
        paused: BoolArray | None = None
        for action, time in times.items():
            pause = self._pausing.get(action)
            if pause is not None and deciding.now < time + pause[0]:
                if paused is None:
                    paused = np.zeros(len(self._channel_of), dtype=np.bool_)
                paused[pause[1]] = True
        return paused

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """Say what stood against it, and everything that would have to change at once."""
        return explain_policy(
            deciding,
            drop.reason,
            int(drop.index[position]),
            accounts=self.accounts,
            clock=self.clock,
            rejected=self._rejected,
        )


def _among(treatments: Collection[int], catalog: CatalogView) -> BoolArray:
    """Whether a treatment is one of these, (T,)."""
    among = np.zeros(len(catalog.treatments), dtype=np.bool_)
    among[list(treatments)] = True
    return among


CONTACT_POLICY = StageFactory[ContactPolicySettings](
    build=ContactPolicy, settings=ContactPolicySettings, on_error="drop"
)

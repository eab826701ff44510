"""Evidence: how many were contacted with an action, and how many of these contacts ended well.

A contact is a recommendation that interactions name: it was shown, delivered, or answered. It
counts once, however often it is named, and so does its positive outcome, whether that names it or
is told by what the customer did. As long as the outcome may still come, it counts in part.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nba_engine.domain.interaction import Interaction

__all__ = ["NO_EVIDENCE", "Arrival", "Arrivals", "Evidence", "EvidenceSpec", "Tally"]


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """Contacts, and those of them with a positive outcome.

    ``waiting``: how many of the contacts do not count yet, since outcomes may still come; as a whole,
    not which.
    """

    contacts: int = 0
    positives: int = 0
    waiting: float = 0.0

    @property
    def counted(self) -> float:
        """The contacts that count."""
        return self.contacts - self.waiting


class EvidenceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How actions learn that have little evidence, as the catalog says.

    ``start``: E0, the contacts after which an action's own outcomes count as much as its group.
    ``group``: κ, the contacts of a group after which its outcomes count as much as the priors
    stated for its actions. ``trained``: a model's answer for an action is taken as it is when it
    was trained on so many outcomes of it.
    """

    start: float = 50.0
    group: float = 100.0
    trained: int = 500


class Evidence(msgspec.Struct, frozen=True):
    """Tallies by action, of all recorded interactions up to a moment.

    ``groups`` is what a replay has instead of the other actions of a group: their sums as they
    were, those of the group's every action. None: they are summed from ``actions``.
    """

    actions: Mapping[str, Tally] = {}
    groups: Mapping[str, Tally] | None = None


NO_EVIDENCE = Evidence()


class Arrival(msgspec.Struct, frozen=True):
    """An interaction that arrived. ``customer`` is the same for all of one customer in a page.

    ``recorded``: when it arrived; None: that was not noted.
    """

    customer: int | str
    interaction: Interaction
    recorded: float | None = None


class Arrivals(msgspec.Struct, frozen=True):
    """A page of what arrived, in order. ``last`` leads to the next page; ``more``: there is one.

    ``before``: what had arrived earlier of the page's customers, in order, as far as it was asked for.
    """

    arrivals: tuple[Arrival, ...]
    last: int
    more: bool
    before: tuple[Arrival, ...] = ()

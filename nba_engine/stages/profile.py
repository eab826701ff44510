"""Stage ``profile``: who it is, and what we know."""

from __future__ import annotations

from nba_engine.domain import (
    CustomerState,
    CustomerView,
    Deciding,
    NoSettings,
    Resources,
    StageFactory,
)

__all__ = ["PROFILE", "Profile"]


class Profile:
    """One read of the store: identity → customer. An unknown one is decided on context and priors.

    An unknown customer's id is the identity itself, so that limits and the control group already
    hold for it.
    """

    def __init__(self, _settings: NoSettings, resources: Resources) -> None:
        self._aggregates = resources.catalog.aggregates

    def apply(self, deciding: Deciding) -> None:
        """Read the customer's state and set what rules, features and templates see of it."""
        identity = deciding.request.identity
        found = deciding.reads.customer(identity)
        state = CustomerState(customer_id=identity, known=False)
        if found is not None:
            state, deciding.profile_bytes = found
        for source in state.fetched:
            if source.failed:
                deciding.degraded.append(f"profile_sources.{source.source}")
        deciding.known = state.known
        deciding.state = state
        deciding.customer_id = state.customer_id
        deciding.customer = CustomerView(
            state, self._aggregates, deciding.now, known=deciding.known
        )


PROFILE = StageFactory[NoSettings](build=Profile, on_error="fail")

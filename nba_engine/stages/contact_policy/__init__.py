"""Stage ``contact_policy``: consent, control group, quiet hours, limits with room left."""

from nba_engine.stages.contact_policy.contact_policy import CONTACT_POLICY
from nba_engine.stages.contact_policy.explained import used_of

__all__ = [
    "CONTACT_POLICY",
    "used_of",
]

"""The built-ins, offered through the same hooks as a stranger's plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nba_engine.domain import ChannelFactory, RuleFunction, StageFactory
from nba_engine.plugin import hookimpl
from nba_engine.stages.arbitration import ARBITRATION
from nba_engine.stages.contact_plan import CONTACT_PLAN
from nba_engine.stages.contact_policy import CONTACT_POLICY
from nba_engine.stages.cross_sell import CROSS_SELL
from nba_engine.stages.eligibility import ELIGIBILITY
from nba_engine.stages.functions import RULE_FUNCTIONS
from nba_engine.stages.profile import PROFILE
from nba_engine.stages.propensity import PROPENSITY
from nba_engine.stages.slate import SLATE
from nba_engine.stages.templates import TEMPLATE_CHANNEL
from nba_engine.stages.treatment_score import TREATMENT_SCORE
from nba_engine.stages.uplift import UPLIFT
from nba_engine.stages.value import VALUE

__all__ = ["nba_channels", "nba_rule_functions", "nba_stages"]


@hookimpl
def nba_stages() -> Mapping[str, StageFactory[Any]]:
    """The stages of a decision, in the order of docs/stages.md."""
    return {
        "profile": PROFILE,
        "eligibility": ELIGIBILITY,
        "contact_policy": CONTACT_POLICY,
        "propensity": PROPENSITY,
        "treatment_score": TREATMENT_SCORE,
        "cross_sell": CROSS_SELL,
        "uplift": UPLIFT,
        "value": VALUE,
        "contact_plan": CONTACT_PLAN,
        "arbitration": ARBITRATION,
        "slate": SLATE,
    }


@hookimpl
def nba_channels() -> Mapping[str, ChannelFactory]:
    """Channels whose content comes from templates in the catalog."""
    return {"template": TEMPLATE_CHANNEL}


@hookimpl
def nba_rule_functions() -> Mapping[str, RuleFunction]:
    """Functions over times."""
    return RULE_FUNCTIONS

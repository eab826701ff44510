"""Everything the data does not say. Each number here is an assumption, marked so where it appears.

The data knows no channels, no contact costs, no margins, no consents and no acceptances: a
purchase is not an acceptance, and campaign contacts were not randomized. So the demo shows how
the engine decides and keeps limits; it does not show what a contact is worth.
"""

from __future__ import annotations

import hashlib

__all__ = [
    "BUDGET_CAP",
    "BUDGET_FLOOR",
    "BUDGET_NEW",
    "CANNOT_SUPPORT",
    "CONSENT_SHARES",
    "CONTROL_SHARE",
    "COSTS",
    "EXPLORATION",
    "HORIZON_DAYS",
    "LEVERS",
    "LIMITS",
    "MARGIN",
    "PLAN_CONTACTS",
    "PLAN_DIMINISHING",
    "PLAN_SPACING",
    "PLAN_WEEKS",
    "PRIORS",
    "QUIET_HOURS",
    "REQUIRED_MARGIN",
    "WEEKS",
    "consents_to",
    "offer_value",
    "owned_days",
]

COSTS = {"letter": 0.75, "email": 0.02, "app": 0.0, "call": 4.00}  # USD per contact
MARGIN = 0.25  # of what a household spends
WEEKS = 4.0  # a household that responds keeps buying the category as usual for this long
LEVERS = {"voucher_by_letter": 1.3, "win_back_by_call": 1.6}  # a marketer's multipliers
PRIORS = {"win_back": 0.12, "loyalty": 0.15}  # no data tells how often these succeed
CONSENT_SHARES = {"letter": 0.90, "email": 0.65, "call": 0.30}
CONTROL_SHARE = 0.05
LIMITS = {
    "email_week": 2,
    "letter_month": 2,
    "relations_month": 1,
    "pet_day": 1,
    "calls_day": 3,
    "campaign_money": 300.0,
}
# contacts by letter and e-mail are planned for the eight weeks of the replay
PLAN_WEEKS, PLAN_CONTACTS, PLAN_SPACING, PLAN_DIMINISHING = 8, 3, 2, 0.8
HORIZON_DAYS = 30  # that purchases are expected in, and that a household's budget is for
# of the revenue: of 25 cents of margin on a dollar one cent may be spent on advertising
REQUIRED_MARGIN = 0.24
BUDGET_FLOOR, BUDGET_CAP, BUDGET_NEW = 0.50, 10.0, 0.50  # USD in the horizon
# USD: what app_discover shows is drawn; what is worth 5 cents less is drawn e times less often
EXPLORATION = 0.05
QUIET_HOURS = ("20:00", "09:00")

CANNOT_SUPPORT = (
    "Channels, costs, margins, consents and the priors of win-back and loyalty are assumptions.",
    "A purchase is not an acceptance: a hit was bought within 14 days, with or without the offer.",
    "Nothing here measures what a contact changes (uplift).",
    "Money is expected margin under these assumptions; it is no forecast of profit.",
    "Whatever is recommended counts as shown or delivered at once (an assumption).",
    "The year's campaigns were not randomized and carry no channel; no decision learns from them.",
    "No contact tells a channel, an incentive or an answer: no affinity to these, no treatment score.",
    "A reorder window says when a household is likely to buy, not that an offer before is wasted.",
)


def consents_to(household: int, channel: str, seed: int) -> bool:
    """Whether a household consents to marketing on a channel: synthetic, by a seeded hash."""
    key = f"{seed}:{channel}:{household}".encode()
    draw = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) / 2**64
    return draw < CONSENT_SHARES[channel]


def offer_value(price: float, gap: float) -> float:
    """Margin on four weeks of usual purchases in a category, at least on one purchase."""
    purchases = max(1.0, WEEKS * 7.0 / max(gap, 1.0))
    return round(MARGIN * price * purchases, 2)


def owned_days(gap: float) -> int:
    """Days after a purchase during which a category is not offered: a third of the usual gap."""
    return max(2, min(14, round(gap / 3.0)))

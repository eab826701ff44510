"""The year up to the cut-off into the embedded store, created as simulated.

One interaction per basket (``purchase``, with the categories as a list), per campaign contact and
per redemption; one profile per household that demographics are known of, consents for all. Only
offered categories are listed in a basket: no rule, feature or relation asks for another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from nba_demo.actions import Offer
from nba_demo.assumptions import CONSENT_SHARES, consents_to
from nba_demo.data import Year
from nba_demo.features import AGGREGATES
from nba_engine.domain import AggregateSpec, Consent, Interaction, ProfileUpdate
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.customer_value import PURCHASE_DAYS
from nba_engine.store import open_store

__all__ = ["Baskets", "Imported", "identity", "import_year", "purchase"]

# what [value] of the catalog computes a household's expected spend and its budget from
_DAYS = AggregateSpec(name=PURCHASE_DAYS, kind="days", types=("purchase",), property="amount")
_AT_ONCE = 60  # households per commit


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was imported."""

    households: int
    profiles: int
    purchases: int
    contacts: int
    redemptions: int


class Baskets:
    """What was bought, by basket: offered categories and the amount of the receipt."""

    def __init__(self, year: Year, offers: Sequence[Offer]) -> None:
        word = {offer.index: offer.category for offer in offers}
        kept = np.isin(year.line_category, list(word))
        basket = year.line_basket[kept]
        self._names = [word[c] for c in year.line_category[kept].tolist()]
        self._bounds = np.searchsorted(basket, np.arange(len(year.basket_id) + 1))
        self._year = year

    def categories(self, basket: int) -> list[str]:
        """The offered categories in a basket."""
        return self._names[self._bounds[basket] : self._bounds[basket + 1]]

    def properties(self, basket: int) -> dict[str, Any]:
        """The properties of the purchase."""
        return {
            "categories": self.categories(basket),
            "amount": round(float(self._year.basket_amount[basket]), 2),
        }


def identity(household: int) -> str:
    """The identity of a household by its number in the data."""
    return f"household:{household}"


def purchase(year: Year, baskets: Baskets, basket: int) -> Interaction:
    """One basket as an interaction."""
    return Interaction(
        interaction_id=f"basket:{year.basket_id[basket]}",
        identity=identity(int(year.households[year.basket_household[basket]])),
        type="purchase",
        time=float(year.basket_time[basket]),
        properties=baskets.properties(basket),
    )


def import_year(
    year: Year,
    offers: Sequence[Offer],
    path: Path,
    *,
    until: float,
    seed: int,
    segments: Mapping[int, str] | None = None,
    tick: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Create the store at ``path`` and fill it; ``tick`` gets the households done at a time.

    ``segments``: the target group a household is in, by its position in the year.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    baskets = Baskets(year, offers)
    interactions = _by_household(year, baskets, until)
    belongs = segments or {}
    updates = [
        _profile(year, household, until, seed, belongs.get(household, ""))
        for household in range(len(year.households))
    ]
    fold = fold_for({spec.name: spec for spec in (*AGGREGATES, _DAYS)})
    store = open_store(path, simulated=True)
    try:
        for start in range(0, len(updates), _AT_ONCE):
            chosen = updates[start : start + _AT_ONCE]
            happened = [one for part in interactions[start : start + _AT_ONCE] for one in part]
            results = store.bulk(updates=chosen, interactions=happened, fold=fold, now=until)
            refused = [result for result in results if result.status != "recorded"]
            if refused:
                raise RuntimeError(f"{len(refused)} rows were not recorded: {refused[0].message}")
            tick(len(chosen))
    finally:
        store.close()
    kinds = [one.type for part in interactions for one in part]
    return Imported(
        households=len(updates),
        profiles=len(year.demographics),
        purchases=kinds.count("purchase"),
        contacts=kinds.count("campaign_contact"),
        redemptions=kinds.count("redemption"),
    )


def _by_household(year: Year, baskets: Baskets, until: float) -> list[list[Interaction]]:
    found: list[list[Interaction]] = [[] for _ in year.households]
    for basket in range(int(np.searchsorted(year.basket_time, until))):
        found[year.basket_household[basket]].append(purchase(year, baskets, basket))
    campaigns = year.campaigns
    for kind, household, campaign, time in (
        (
            "campaign_contact",
            campaigns.contact_household,
            campaigns.contact_campaign,
            campaigns.contact_time,
        ),
        (
            "redemption",
            campaigns.redemption_household,
            campaigns.redemption_campaign,
            campaigns.redemption_time,
        ),
    ):
        for number in np.flatnonzero(time < until).tolist():
            number_of = int(campaign[number])
            found[household[number]].append(
                Interaction(
                    interaction_id=f"{kind}:{number}",
                    identity=identity(int(year.households[household[number]])),
                    type=kind,
                    time=float(time[number]),
                    properties={
                        "campaign": number_of,
                        "campaign_type": campaigns.type_of.get(number_of, ""),
                    },
                )
            )
    return found


def _profile(year: Year, household: int, now: float, seed: int, segment: str) -> ProfileUpdate:
    number = int(year.households[household])
    group = {"segment": segment} if segment else {}
    return ProfileUpdate(
        identity=identity(number),
        attributes=_attributes(year.demographics.get(household)) | group,
        consents={
            f"marketing:{channel}": Consent(
                granted=consents_to(number, channel, seed), time=now, source="synthetic"
            )
            for channel in CONSENT_SHARES
        },
    )


def _attributes(known: Mapping[str, str] | None) -> dict[str, Any]:
    if known is None:
        return {"registered": False}
    attributes: dict[str, Any] = {"registered": True}
    for name in ("age", "income", "home_ownership"):
        if known.get(name):
            attributes[name] = known[name]
    for name, source in (("household_size", "household_size"), ("kids", "kids_count")):
        if known.get(source):
            attributes[name] = int(known[source].rstrip("+"))
    return attributes

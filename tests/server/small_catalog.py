"""The catalog of the small engine."""

from __future__ import annotations

from typing import cast

import msgspec

from nba_engine.domain import (
    Action,
    AggregateSpec,
    Attribute,
    CatalogView,
    ChannelSpec,
    ContactPlanSpec,
    ControlGroup,
    Limit,
    Placement,
    Treatment,
    Window,
)

__all__ = ["small_catalog"]


class SmallCatalog(msgspec.Struct, eq=False, kw_only=True):
    """What the server reads of a catalog."""

    version: str = "v1"
    currency: str = "USD"
    time_zone: str = "America/New_York"
    channels: dict[str, ChannelSpec]
    placements: dict[str, Placement]
    attributes: dict[str, Attribute]
    context: dict[str, Attribute]
    aggregates: dict[str, AggregateSpec]
    actions: tuple[Action, ...]
    treatments: tuple[Treatment, ...]
    limits: tuple[Limit, ...]
    control_group: ControlGroup = ControlGroup(share=0.05)
    control_groups: tuple[ControlGroup, ...] = (
        ControlGroup(id="held", name="Held back", share=0.1, treatments=(1,)),
    )
    contact_plan: ContactPlanSpec | None = None


def small_catalog(actions: int = 5) -> CatalogView:
    """Offers on one channel with two placements."""
    attributes = (
        Attribute(name="age", type="int"),
        Attribute(name="basket", type="double"),
        Attribute(name="joined", type="timestamp"),
        Attribute(name="diagnosis", type="string", sensitive=True),
        Attribute(name="readings", type="map<string,double>", sensitive=True),
    )
    context = (
        Attribute(name="cart", type="list<string>"),
        Attribute(name="minutes", type="double"),
        Attribute(name="secret", type="string", sensitive=True),
    )
    offers = tuple(
        Action(
            id=f"offer{n}",
            name=f"Offer {n}",
            value=0.9,
            attributes={"price": 1.0 + n},
            objective="uplift" if n == 1 else "propensity",
            reorder=n == 1,
        )
        for n in range(actions)
    )
    treatments = tuple(
        Treatment(
            id=f"{offer.id}.app",
            action=offer.id,
            channel="app",
            placements=("banner", "inbox"),
            cost=0.01,
            content={"title": "Hello {{ customer.first_name }}"},
        )
        for offer in offers
    )
    return cast(
        "CatalogView",
        SmallCatalog(
            channels={"app": ChannelSpec(id="app", name="App", reservation_ttl=90.5)},
            placements={
                "banner": Placement(id="banner", channel="app", slots=2),
                "inbox": Placement(id="inbox", channel="app"),
            },
            attributes={attribute.name: attribute for attribute in attributes},
            context={attribute.name: attribute for attribute in context},
            aggregates={
                "last_purchase": AggregateSpec(
                    name="last_purchase", kind="last", types=("purchase",)
                ),
                "purchases": AggregateSpec(name="purchases", kind="count", types=("purchase",)),
            },
            actions=offers,
            treatments=treatments,
            limits=(
                Limit(
                    id="week",
                    name="Twice a week",
                    scope=("customer",),
                    measure="contacts",
                    amount=2,
                    window=Window(unit="week"),
                ),
                Limit(
                    id="budget",
                    name="Budget",
                    scope=(),
                    measure="money",
                    amount=12.5,
                    window=Window(unit="lifetime"),
                ),
            ),
        ),
    )

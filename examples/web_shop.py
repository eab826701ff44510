"""A web shop's pages: three banners each, within 50 ms or not at all.

    nba serve -s nba.toml
    python examples/web_shop.py --target 127.0.0.1:50051 --placement app_banner

What a shop on asyncio would do. The client and one batcher live as long as the program. A page
asks for its banners with a budget; whatever goes wrong (no server, too slow, a wrong request), the
slots stay empty and the page is served. What the customer does is handed to the batcher, which
sends it beside the pages and rides out a server that is away; what it had to give up in the end is
told of, with its ids, so that it can be sent again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

from nba_engine.client import (
    AioClient,
    AioInteractionBatcher,
    NbaClientError,
    NotDelivered,
    PlacementRequest,
    Undelivered,
)

log = logging.getLogger("web_shop")
SLOTS = 3
EMPTY = "(empty slot)"


class Shop:
    """The pages.

    ``budget`` is how many seconds one may wait for its banners; ``tells_cart`` says whether the
    engine's catalog knows what a cart is.
    """

    def __init__(
        self,
        client: AioClient,
        events: AioInteractionBatcher,
        placement: str,
        *,
        budget: float,
        tells_cart: bool,
    ) -> None:
        self._client = client
        self._events = events
        self._wanted = [PlacementRequest(placement, slots=SLOTS)]
        self._budget = budget
        self._tells_cart = tells_cart

    async def page(self, visitor: str, category: str, cart: Sequence[str]) -> list[str]:
        """Somebody looks at a category: the banners of the page."""
        await self.happened(visitor, "view", category=category)
        context = {"cart": list(cart)} if self._tells_cart else {}
        try:
            decision = await self._client.decide(
                visitor, self._wanted, context=context, timeout=self._budget
            )
        except NbaClientError as error:
            log.warning("no banners: %s", error)
            return [EMPTY] * SLOTS
        banners = []
        for recommendation in decision.recommendations:
            if recommendation.content:  # doing nothing has none
                banners.append(" ".join(recommendation.content.values()))
                await self.happened(
                    visitor, "impression", recommendation_id=recommendation.recommendation_id
                )
        return banners + [EMPTY] * (SLOTS - len(banners))

    async def happened(
        self, visitor: str, kind: str, *, recommendation_id: str = "", **properties: str
    ) -> None:
        """Hand over what happened; a full queue must not hold up a page."""
        try:
            await self._events.add(
                identity=visitor,
                type=kind,
                properties=properties,
                recommendation_id=recommendation_id,
                wait=0.0,
            )
        except NbaClientError as error:
            log.warning("not recorded: %s of %s: %s", kind, visitor, error)


async def visit(shop: Shop, visitor: str, categories: Sequence[str]) -> None:
    """Somebody walks through the shop and puts everything into the cart."""
    cart: list[str] = []
    for category in categories:
        banners = await shop.page(visitor, category, cart)
        print(f"{category:12} {' | '.join(banners)}")
        cart.append(category)
        await shop.happened(visitor, "add_to_cart", category=category)


def gave_up(lost: Undelivered) -> None:
    """A real shop would write it to a file and send it again later: it keeps its id."""
    one = lost.interaction
    log.error("not delivered: %s of %s (%s)", one.type, one.identity, one.interaction_id)


async def main() -> int:
    """One visit; 0 when everything that happened is durable on the server."""
    parser = argparse.ArgumentParser(description="a web shop asks for banners")
    parser.add_argument("--target", default="127.0.0.1:50051")
    parser.add_argument("--placement", default="app_banner")
    parser.add_argument("--visitor", default="cookie:9f3c")
    parser.add_argument("--budget", type=float, default=0.05, help="seconds per page")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds per interaction")
    parser.add_argument("categories", nargs="*", default=["MILK", "BREAD", "WINE"])
    given = parser.parse_args()
    async with AioClient(given.target) as client:
        tells_cart = False
        try:  # connected before the first customer comes
            catalog = await client.get_catalog(wait_for_ready=True, timeout=1.0)
            tells_cart = "cart" in {attribute.name for attribute in catalog.context_attributes}
        except NbaClientError as error:
            log.warning("starting without banners: %s", error)
        try:
            async with client.interactions(timeout=given.patience) as events:
                shop = Shop(
                    client, events, given.placement, budget=given.budget, tells_cart=tells_cart
                )
                await visit(shop, given.visitor, given.categories)
        except NotDelivered as error:
            for lost in error.undelivered:
                gave_up(lost)
            return 1
    return 0


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    sys.exit(asyncio.run(main()))

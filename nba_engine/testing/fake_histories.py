"""The verbs of a `FakeStore` that walk through customers and what they did."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager

from msgspec.structs import replace

from nba_engine.domain import Arrival, Arrivals, CustomerPage, History, Interaction, Rebuilt
from nba_engine.testing.fake_data import FakeData

__all__ = ["FakeHistories"]

_PAGE = 10


class FakeHistories:
    """Customers by how long they are known, and their interactions by arrival."""

    def _read(self) -> FakeData:
        raise NotImplementedError

    def _commit(self) -> AbstractContextManager[FakeData]:
        raise NotImplementedError

    def count_customers(self) -> int:
        """How many customers there are."""
        return len(self._read().identities.customers)

    def customer_ids(self, *, before: int = 0, most: int = 1_000) -> CustomerPage:
        """Ids of customers, the one known shortest first."""
        identities = self._read().identities
        known = identities.known
        end = before or len(known) + 1
        earlier = [name for name in identities.customers if known[name] < end]
        page = sorted(earlier, key=known.__getitem__, reverse=True)[:most]
        more = known[page[-1]] if len(page) == most else 0
        names: dict[str, str] = {}
        for name in sorted(identities.of, reverse=True):
            names[identities.of[name]] = name
        return CustomerPage(tuple(page), more, tuple(names.get(one, "") for one in page))

    def history(self, customer_id: str, *, after: int = 0) -> History | None:
        """A customer with a page of its interactions; None: is no more."""
        data = self._read()
        state = data.identities.customers.get(customer_id)
        if state is None:
            return None
        numbered = _of(data, customer_id)
        page = [(number, one) for number, one in numbered if number > after][:_PAGE]
        return History(
            state=state,
            interactions=tuple(one for _, one in page),
            recorded=tuple(data.recorded[one.interaction_id] for _, one in page),
            last=page[-1][0] if page else after,
            newest=numbered[-1][0] if numbered else 0,
            merges=_merges(data, customer_id),
        )

    def arrivals(
        self,
        types: Collection[str],
        *,
        unnamed: Collection[str] = (),
        reach: float = 0.0,
        after: int = 0,
        most: int = 1_000,
    ) -> Arrivals:
        """A page of interactions in the order of arrival, with what came before of the same."""
        data = self._read()
        leads, numbers = data.identities.of, data.numbers
        wanted = [
            (numbers[name], Arrival(leads[one.identity], one, data.recorded[name]))
            for name, one in data.interactions.items()
            if (one.type in types and one.recommendation_id) or one.type in unnamed
        ]
        page = [(number, one) for number, one in wanted if number > after][:most]
        newest = max((numbers[name] for name in data.interactions), default=0)
        last = page[-1][0] if len(page) == most else max(newest, after)
        found = tuple(one for _, one in page)
        earlier = tuple(one for number, one in wanted if number <= after)
        return Arrivals(found, last, last < newest, _before(found, earlier, reach))

    def rebuild(
        self, customers: Sequence[Rebuilt], *, deadline: float | None = None
    ) -> Sequence[bool]:
        """Replace the aggregates of those that nothing was added to since; one commit."""
        with self._commit() as data:
            return [_replace(data, one) for one in customers]


def _before(
    page: tuple[Arrival, ...], earlier: tuple[Arrival, ...], reach: float
) -> tuple[Arrival, ...]:
    """What of it belongs to the page's customers, and is not too old or names what the page names."""
    customers = {one.customer for one in page}
    names = {one.interaction.recommendation_id for one in page} - {""}
    since = min((one.interaction.time for one in page), default=0.0) - reach
    return tuple(
        one
        for one in earlier
        if one.customer in customers
        and (one.interaction.time >= since or one.interaction.recommendation_id in names)
    )


def _of(data: FakeData, customer_id: str) -> list[tuple[int, Interaction]]:
    leads = data.identities.of
    return [
        (data.numbers[name], one)
        for name, one in data.interactions.items()
        if leads[one.identity] == customer_id
    ]


def _merges(data: FakeData, customer_id: str) -> int:
    return sum(now == customer_id for now in data.identities.merged.values())


def _replace(data: FakeData, rebuilt: Rebuilt) -> bool:
    state = data.identities.customers.get(rebuilt.customer_id)
    if state is None:
        return False
    numbered = _of(data, rebuilt.customer_id)
    newest = numbered[-1][0] if numbered else 0
    if (newest, _merges(data, rebuilt.customer_id)) != (rebuilt.newest, rebuilt.merges):
        return False
    data.identities.customers[rebuilt.customer_id] = replace(
        state, aggregates=rebuilt.aggregates, version=state.version + 1
    )
    return True

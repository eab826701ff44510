"""The prices of limits as a table: what was spent, what was planned until now, what a unit asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from nba_engine.domain import CatalogView, Pace, Store
from nba_engine.engine.prices.book import PriceBook
from nba_engine.engine.prices.paced import PacedCell
from nba_engine.stages.limits import FLOOR, amount_of

__all__ = ["PriceRow", "Steered", "price_rows", "steered"]


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One account of a paced limit in its window.

    Amounts are contacts, or money in the catalog's currency; ``used`` is reserved or spent,
    ``planned`` what was to be by now. ``price`` is money per contact, or per unit of money;
    ``per_contact`` how many units a contact uses on average. ``start``, ``end``: the window. Of a
    ``floor`` the amount is what is to be reached, and the price the bonus of what helps, at most
    ``most``.
    """

    limit: str
    name: str
    scope: Mapping[str, str]
    pace: Pace
    measure: str
    account: str
    amount: float
    used: float
    planned: float
    price: float
    per_contact: float
    start: float
    end: float
    floor: bool = False
    most: float | None = None


def price_rows(
    book: PriceBook, catalog: CatalogView, store: Store, now: float
) -> Iterator[PriceRow]:
    """A row per account, in the order of the catalog; none is without price. Raises `Unavailable`."""
    cells = book.cells(catalog)
    usage = store.usage(tuple(cell.account(now) for cell in cells), now=now) if cells else {}
    for cell in cells:
        yield _row(book, cell, usage.get(cell.account(now), 0), now)


class Steered(NamedTuple):
    """What steers an account: its price, its minimum, or both."""

    price: PriceRow | None = None
    floor: PriceRow | None = None


def steered(book: PriceBook, catalog: CatalogView, now: float) -> dict[str, Steered]:
    """The same by account, without looking at what was used (0)."""
    found: dict[str, Steered] = {}
    for cell in book.cells(catalog):
        row, account = _row(book, cell, 0, now), cell.account(now)
        both = found.get(account, Steered())
        found[account] = both._replace(floor=row) if cell.floor else both._replace(price=row)
    return found


def _row(book: PriceBook, cell: PacedCell, used: int, now: float) -> PriceRow:
    period = cell.period(now)
    pairs = (part.partition("=") for part in cell.name.removesuffix(FLOOR).split("|")[1:])
    return PriceRow(
        limit=cell.limit.id,
        name=cell.limit.name,
        scope={word: unquote(value) for word, _, value in pairs},
        pace=cell.limit.pace,
        measure=cell.limit.measure,
        account=cell.account(now),
        amount=cell.amount,
        used=amount_of(cell.limit, used),
        planned=cell.amount * book.plan(cell, now).share(now),
        price=book.current.get(cell.name, 0.0),
        per_contact=cell.per_contact,
        start=period.start,
        end=period.end,
        floor=cell.floor,
        most=book.most(cell) if cell.floor else None,
    )

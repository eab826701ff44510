"""Who is behind the names that a transaction's changes use."""

from __future__ import annotations

from collections.abc import Sequence

from nba_engine.domain import CustomerState
from nba_engine.store.interactions import Prepared
from nba_engine.store.requests import digest_of
from nba_postgres import statements
from nba_postgres.changes import Reserve, Write
from nba_postgres.moving import move_accounts
from nba_postgres.people import Person
from nba_postgres.session import Statement
from nba_postgres.unit import Unit

__all__ = ["NeedsWholeStoreError", "find_customers"]


class NeedsWholeStoreError(Exception):
    """A new customer has reservations from when it was nobody: again, with the store alone."""


def find_customers(unit: Unit, *, exclusive: bool) -> None:
    """Who is behind the names; those that nobody is behind are made, or noted as nobody's.

    Raises `NeedsWholeStoreError`, unless the transaction has the store alone.
    """
    holders = {
        one.customer_id
        for change in unit.of(Reserve)
        for one in change.requests
        if not unit.was_erased(one.decision_id, one.customer_id)
    }
    named = unit.named()
    names = sorted({*named, *holders})
    if not names:
        return
    found, current = unit.session.run(
        Statement(statements.IDENTITIES, {"names": names}),
        Statement(statements.CURRENT, {"names": sorted(holders)}) if holders else None,
    )
    rows: dict[str, int | None] = dict(found)
    merged = {name: row for name, row, _ in current if row is not None}
    customers = {name for name, _, is_one in current if is_one}
    wanted = _updated(unit) | _new_names(unit, rows)
    create = [name for name in named if name in wanted and rows.get(name) is None]
    nobodys = sorted(
        name
        for name in holders - wanted
        if name not in rows and name not in merged and name not in customers
    )
    if create or nobodys:
        _make(unit, create, nobodys, rows, exclusive=exclusive)
    unit.people.rows = {name: row for name, row in rows.items() if row is not None}
    moved = {name: merged.get(name) or unit.people.rows.get(name) for name in holders}
    _set_current(unit, {name: row for name, row in moved.items() if row is not None})


def _updated(unit: Unit) -> set[str]:
    """The identities of updates that were not done before: a repeat makes nobody."""
    return {
        update.identity
        for change in unit.of(Write)
        for update in change.updates
        if not update.request_id or digest_of(update.request_id) not in unit.done
    }


def _new_names(unit: Unit, rows: dict[str, int | None]) -> set[str]:
    """The unknown identities of interactions that are not known: a repeat makes nobody."""
    items: list[Prepared] = [item for change in unit.of(Write) for item in unit.valid(change)]
    first = {item.interaction.interaction_id: item.interaction.identity for item in reversed(items)}
    unknown = {key: name for key, name in first.items() if rows.get(name) is None}
    if not unknown:
        return set()
    known = unit.session.rows(statements.KNOWN_INTERACTIONS, names=list(unknown))
    for (key,) in known:
        del unknown[key]
    return set(unknown.values())


def _make(
    unit: Unit,
    create: Sequence[str],
    nobodys: Sequence[str],
    rows: dict[str, int | None],
    *,
    exclusive: bool,
) -> None:
    """Insert identities; who comes first has made the customer. ``rows`` is completed."""
    names = [*create, *nobodys]
    new_ones = [True] * len(create) + [False] * len(nobodys)
    made, found = unit.session.run(
        Statement(statements.NEW_IDENTITIES, {"names": names, "new": new_ones}),
        Statement(statements.IDENTITIES, {"names": names}),
    )
    new = {name for name, row in made if row is not None}
    rows.update(found)
    adopted = [name for name in create if rows[name] is None]
    if adopted and not exclusive:
        raise NeedsWholeStoreError
    if adopted:
        rows.update(unit.session.rows(statements.ADOPT, names=adopted))
        new.update(adopted)
    for name in sorted(new):
        row = rows[name]
        assert row is not None
        state = CustomerState(customer_id=unit.new_id(name), version=1)
        unit.people.by_row[row] = Person(row, state, {}, new=True)
        if name in adopted:
            move_accounts(unit.session, name, state.customer_id)


def _set_current(unit: Unit, rows: dict[str, int]) -> None:
    """Remember the ids of the customers that are meant, where they have another name."""
    if not rows:
        return
    stored = unit.session.rows(statements.CUSTOMER_IDS, rows=sorted(set(rows.values())))
    ids = dict(stored)
    ids.update({row: one.state.customer_id for row, one in unit.people.by_row.items()})
    unit.current = {name: ids[row] for name, row in rows.items()}

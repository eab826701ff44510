"""Who is behind the names that a transaction's changes use."""

from __future__ import annotations

from nba_engine.domain import CustomerState
from nba_engine.store.interactions import Prepared
from nba_engine.store.requests import digest_of
from nba_postgres import statements
from nba_postgres.changes import Write
from nba_postgres.moving import move_accounts
from nba_postgres.people import Person
from nba_postgres.unit import OvertakenError, Unit

__all__ = ["NeedsWholeStoreError", "find_customers"]


class NeedsWholeStoreError(Exception):
    """A new customer has reservations from when it was nobody: again, with the store alone."""


def find_customers(unit: Unit, *, exclusive: bool) -> None:
    """Who is behind the names; those that nobody is behind are made, or noted as nobody's.

    Raises `NeedsWholeStoreError`, unless the transaction has the store alone, and `OvertakenError`.
    """
    rows = dict(unit.identities)
    wanted = _updated(unit) | _new_names(unit, rows)
    create = [name for name in unit.named() if name in wanted and rows.get(name) is None]
    adopted = [name for name in create if name in rows]
    if adopted and not exclusive:
        raise NeedsWholeStoreError
    created = [name for name in create if name not in rows]
    unit.nobodys = _nobodys(unit, set(create))
    if unit.of(Write):  # others wait for its customers, so it takes all identities before them
        early, unit.nobodys = unit.nobodys, []
    else:
        early = []
    if created or early:
        values = {
            "names": [*created, *early],
            "new": [True] * len(created) + [False] * len(early),
        }
        made = unit.session.rows(statements.NEW_IDENTITIES, **values)
        if len(made) < len(created) + len(early):
            raise OvertakenError
        rows.update(made)
    if adopted:
        rows.update(unit.session.rows(statements.ADOPT, names=adopted))
    for name in sorted(create):
        row = rows[name]
        assert row is not None
        state = CustomerState(customer_id=unit.new_id(name), version=1)
        unit.people.by_row[row] = Person(row, state, {}, new=True)
        if name in adopted:
            move_accounts(unit.session, name, state.customer_id)
            unit.forget_entries()  # as they were read before
    unit.people.rows = {name: row for name, row in rows.items() if row is not None}
    _see_who_is_meant(unit, set(create))


def _see_who_is_meant(unit: Unit, create: set[str]) -> None:
    """Of names in requests, who that is now."""
    for name, current, _ in unit.meant:
        if name in create:
            unit.current[name] = unit.people.find_or_create(name).state.customer_id
        elif current is not None:
            unit.current[name] = current


def _nobodys(unit: Unit, create: set[str]) -> list[str]:
    """Names in requests that nobody is behind, and that are not noted as such."""
    return [
        name
        for name, current, is_one in unit.meant
        if name not in create
        and current is None
        and not is_one
        and name not in unit.identities
        and not unit.was_late(name)
    ]


def _updated(unit: Unit) -> set[str]:
    """The identities of updates that make whom they do not find: a repeat does not.

    Nor does what is meant for a certain customer.
    """
    return {
        update.identity
        for change in unit.of(Write)
        for update in change.updates
        if not update.customer_id
        and (not update.request_id or digest_of(update.request_id) not in unit.done)
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

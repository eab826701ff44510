"""Makes changes on what a transaction has read and locked."""

from __future__ import annotations

import time
from typing import Any

from nba_engine.domain import (
    CONFIRMING,
    RELEASING,
    CustomerState,
    Interaction,
    InteractionResult,
    ProfileUpdate,
)
from nba_engine.errors import FailedPrecondition, InvalidRequest, Violation
from nba_engine.store.customers import update_customers
from nba_engine.store.interactions import Prepared, fold_into, record_items
from nba_engine.store.ledger import Moved
from nba_engine.store.requests import UPDATES_KEPT, digest_of, what_is_asked
from nba_postgres.changes import Expire, GiveUp, Release, Remember, Reserve, Together, Write
from nba_postgres.people import Person
from nba_postgres.unit import Unit

__all__ = ["apply"]

_OLD_REQUESTS = """
DELETE FROM decision_requests WHERE request_id IN (
  SELECT request_id FROM decision_requests WHERE answer IS NOT NULL AND expires <= %(at)s
  ORDER BY expires LIMIT %(most)s FOR UPDATE SKIP LOCKED)
RETURNING 1
"""
_OLD_UPDATES = """
DELETE FROM requests WHERE request IN (
  SELECT request FROM requests WHERE time < %(at)s
  ORDER BY time LIMIT %(most)s FOR UPDATE SKIP LOCKED)
RETURNING 1
"""


def apply(unit: Unit, change: Together) -> Any:
    """Make one change; its result. Raises `RequestTaken` before it has changed anything.

    After any other error the transaction is of no use.
    """
    book, claims = unit.book, unit.claims
    if isinstance(change, Write):
        return _write(unit, change)
    if isinstance(change, Reserve):
        requests = unit.requests(change)
        if change.claim is None:
            return book.reserve(requests, change.now)
        return claims.reserve(change.claim, requests, change.now)
    if isinstance(change, Release):
        at = book.time(change.now)
        book.make_room(at)
        for reservation in change.reservations:
            book.release(reservation, at)
        return None
    if isinstance(change, Remember):
        return claims.remember(change.claim, change.answer, change.keep, change.now)
    if isinstance(change, GiveUp):
        return claims.give_up(change.claim, change.now)
    return _expire(unit, change)


def _write(unit: Unit, change: Write) -> tuple[list[CustomerState], list[InteractionResult]]:
    if change.progress is not None:
        name, value = change.progress
        noted = unit.progress.get(name, "")
        if change.follows not in {None, noted}:
            raise FailedPrecondition(f"{name} has moved on: somebody else reads it, too")
        unit.progress[name] = value
    done = [_seen(unit, number, update) for number, update in enumerate(change.updates)]
    states = update_customers(unit.people, change.updates, done)
    if change.fold is None:
        return states, []
    now = unit.book.time(change.now)
    unit.book.make_room(now)
    results, news = record_items(
        unit.items(change),
        latest=unit.latest(change),
        insert=lambda item: _inserted(unit, item),
        move=lambda interaction: _move(unit, interaction, now),
    )
    for person, interactions in news:
        fold_into(person, interactions, change.fold)
    return states, results


def _seen(unit: Unit, number: int, update: ProfileUpdate) -> bool:
    """Whether this update was done before. Raises `InvalidRequest` if it was another one."""
    if not update.request_id:
        return False
    asked, body = digest_of(update.request_id), digest_of(what_is_asked(update))
    before = unit.asked.setdefault(asked, body)
    if before != body:
        field = f"updates[{number}].request_id"
        wrong = Violation(field=field, description="was used before for another request")
        raise InvalidRequest([wrong], reason="REQUEST_ID_REUSED")
    if asked in unit.done:
        return True
    unit.done.add(asked)
    return False


def _inserted(unit: Unit, item: Prepared) -> Person | None:
    """The customer of an interaction that is new; None: its id is known."""
    name = item.interaction.interaction_id
    if name not in unit.fresh:
        return None
    unit.fresh.discard(name)
    return unit.people.find(item.interaction.identity)


def _move(unit: Unit, interaction: Interaction, now: float) -> Moved | None:
    if interaction.type in CONFIRMING:
        return unit.book.confirm(interaction.recommendation_id, now)
    if interaction.type in RELEASING:
        return unit.book.release(interaction.recommendation_id, now)
    return None


def _expire(unit: Unit, change: Expire) -> tuple[int, int]:
    now = unit.book.time(change.now)
    ended, fallen = unit.book.make_room(now)
    for name in unit.dead:
        unit.claims.end(name, now)
    old = len(unit.session.rows(_OLD_REQUESTS, at=now, most=change.most))
    kept = time.time() - UPDATES_KEPT
    old += len(unit.session.rows(_OLD_UPDATES, at=kept, most=change.most))
    return ended, fallen + len(unit.dead) + old

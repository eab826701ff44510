"""How a transaction of many changes begins: the store's lock, request ids, and who was erased."""

from __future__ import annotations

import hashlib
import time
from typing import NamedTuple

import msgspec

from nba_engine.domain import Claim, digest_of_name
from nba_engine.store.interactions import Prepared, without_erased, without_forgotten
from nba_engine.store.requests import digest_of, what_is_asked
from nba_postgres import statements
from nba_postgres.changes import Expire, GiveUp, Remember, Reserve, Write
from nba_postgres.claims import Attempt
from nba_postgres.session import Rows, Statement
from nba_postgres.unit import Unit

__all__ = ["HeldByOthersError", "begin", "number_of"]


class HeldByOthersError(Exception):
    """A new attempt meets one that holds reservations: again, with these locked in their order."""


_decode_held = msgspec.json.Decoder(list[str]).decode


def begin(unit: Unit, lock: int, *, exclusive: bool, most: int) -> None:
    """Begin; lock the store, request ids and reservations, and see who is meant.

    All in one round trip, unless attempts at request ids may hold reservations.
    """
    session = unit.session
    claims, earlier = _claims(unit), _updates(unit)
    marks = {
        one.progress[0]: number_of(f"{lock} {one.progress[0]}")
        for one in unit.of(Write)
        if one.progress is not None
    }
    names, holders = unit.names()
    later = claims.follow or bool(unit.of(Expire))
    facts = {
        "names": names,
        "holders": holders,
        "at": max([one.now for one in unit.changes]),
        "most": most if unit.has_ledger else 0,
    }
    _, _, found, _, noted, made, rows, inserted, known, reserved = session.run(
        Statement("BEGIN"),
        Statement(statements.LOCK_ALL if exclusive else statements.SHARE, {"lock": lock}),
        Statement(statements.FACTS, facts),
        Statement(statements.LOCK_PROGRESS, {"numbers": list(marks.values())}) if marks else None,
        Statement(statements.PROGRESS, {"names": list(marks)}) if marks else None,
        statements.claim_rows(claims.new) if claims.new else None,
        Statement(statements.LOCK_REQUESTS, {"names": claims.names}) if claims.names else None,
        statements.note_updates(earlier, time.time()) if earlier else None,
        Statement(statements.UPDATES, {"requests": list(earlier)}) if earlier else None,
        None if later or not unit.has_ledger else unit.reservations(most),
    )
    clock, kept_since, windows_since, was_erased, identities, meant, falling = found[0]
    unit.set_clock(clock)
    unit.book.windows_since = windows_since
    unit.progress = dict(noted)
    unit.claims.made = {name for (name,) in made}
    unit.claims.rows = dict.fromkeys(claims.names)
    _add_attempts(unit, rows)
    new_ones = {bytes(request) for (request,) in inserted}
    unit.asked = {
        bytes(asked): bytes(body) for asked, body in known if bytes(asked) not in new_ones
    }
    unit.done = set(unit.asked)
    for expire in unit.of(Expire):
        values = {"at": unit.at, "most": expire.most}
        dead = session.rows(statements.DEAD_REQUESTS, **values)
        unit.dead += [str(row[0]) for row in dead if row[0] not in unit.claims.rows]
        _add_attempts(unit, dead)
    if later:
        (reserved,) = session.run(unit.reservations(most))
    elif any(row is not None and row.held for row in unit.claims.rows.values()):
        raise HeldByOthersError
    unit.add_reservations(reserved, most)
    unit.identities, unit.meant, unit.falling = identities or {}, meant or [], falling
    if was_erased:
        _find_erased(unit, *session.rows(statements.LAST_ERASURE)[0])
    for write in unit.of(Write) if kept_since is not None else ():
        unit.checked[write] = without_forgotten(unit.items(write), kept_since)


class _Claims(NamedTuple):
    """The request ids of a transaction, and the rows to be tried for those that are new."""

    names: list[str]
    new: list[Claim]
    follow: bool  # some may hold reservations


def _claims(unit: Unit) -> _Claims:
    claimed = [
        (one, one.claim)
        for one in unit.changes
        if isinstance(one, Reserve | Remember | GiveUp) and one.claim is not None
    ]
    new = {
        claim.request_id: claim
        for one, claim in reversed(claimed)
        if not isinstance(one, GiveUp) and not claim.follows
    }
    follow = unit.careful or any(
        not isinstance(one, Reserve) or claim.follows for one, claim in claimed
    )
    return _Claims(sorted({claim.request_id for _, claim in claimed}), list(new.values()), follow)


def _updates(unit: Unit) -> dict[bytes, bytes]:
    """Digests of the request ids of updates → of what they ask for, the first of each."""
    numbered = [update for one in unit.of(Write) for update in one.updates if update.request_id]
    return {digest_of(one.request_id): digest_of(what_is_asked(one)) for one in reversed(numbered)}


def number_of(name: str) -> int:
    """The number of an advisory lock, within a database."""
    digest = hashlib.blake2b(f"nba-engine {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _add_attempts(unit: Unit, rows: Rows) -> None:
    claims = unit.claims
    for name, fingerprint, decision_id, identity, until, expires, held, answered in rows:
        if name not in claims.made and claims.rows.get(name) is None:
            claims.rows[name] = Attempt(
                fingerprint=bytes(fingerprint),
                decision_id=decision_id,
                identity=identity,
                until=until,
                expires=expires,
                held=_decode_held(held),
                answer=b"" if answered else None,
            )


def _find_erased(unit: Unit, before: str, last: float) -> None:
    """Look for erased customers among what was begun, or happened, before the last erasure."""
    names = {
        one.customer_id
        for change in unit.of(Reserve)
        for one in change.requests
        if one.decision_id < before
    }
    names |= {
        one.claim.identity
        for one in unit.changes
        if isinstance(one, Reserve | Remember) and one.claim and one.claim.decision_id < before
    }
    if not unit.simulated:
        for change in unit.of(Write):
            names |= {one.interaction.identity for one in change.items if _is_old(one, last)}
    if not names:
        return
    salt = bytes(unit.session.one(statements.SALT))
    digests = {digest_of_name(name, salt): name for name in names}
    rows = unit.session.rows(statements.ERASED, digests=list(digests))
    unit.erased = {digests[bytes(digest)]: (below, at) for digest, below, at in rows}
    if not unit.simulated:
        never = ("", float("-inf"))
        for change in unit.of(Write):
            unit.checked[change] = without_erased(
                change.items, last, lambda name: unit.erased.get(name, never)[1]
            )


def _is_old(item: Prepared, last: float) -> bool:
    return not item.fault and item.interaction.time < last

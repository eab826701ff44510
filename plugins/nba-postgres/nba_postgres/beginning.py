"""How a transaction of many changes begins: the store's lock, request ids, and who was erased."""

from __future__ import annotations

import hashlib
import time

import msgspec

from nba_engine.domain import digest_of_name
from nba_engine.store.interactions import Prepared, without_erased, without_forgotten
from nba_engine.store.requests import digest_of, what_is_asked
from nba_postgres import statements
from nba_postgres.changes import Expire, GiveUp, Remember, Reserve, Write
from nba_postgres.claims import Attempt
from nba_postgres.session import Rows, Statement
from nba_postgres.unit import Unit

__all__ = ["begin", "number_of"]

_decode_held = msgspec.json.Decoder(list[str]).decode


def begin(unit: Unit, lock: int, *, exclusive: bool) -> None:
    """Begin; lock the store, the request ids, and see which of the updates were done."""
    claimed = [
        one.claim
        for one in unit.changes
        if isinstance(one, Reserve | Remember | GiveUp) and one.claim is not None
    ]
    new = {
        one.claim.request_id: one.claim
        for one in reversed(unit.changes)
        if isinstance(one, Reserve | Remember) and one.claim and not one.claim.follows
    }
    names = sorted({one.request_id for one in claimed})
    numbered = [update for one in unit.of(Write) for update in one.updates if update.request_id]
    bodies = {
        digest_of(one.request_id): digest_of(what_is_asked(one)) for one in reversed(numbered)
    }
    ids = list(bodies)
    marks = {
        one.progress[0]: number_of(f"{lock} {one.progress[0]}")
        for one in unit.of(Write)
        if one.progress is not None
    }
    _, _, clock, erasure, since, _, noted, made, rows, inserted, known = unit.session.run(
        Statement("BEGIN"),
        Statement(statements.LOCK_ALL if exclusive else statements.SHARE, {"lock": lock}),
        Statement(statements.CLOCK),
        Statement(statements.LAST_ERASURE),
        Statement(statements.SINCE),
        Statement(statements.LOCK_PROGRESS, {"numbers": list(marks.values())}) if marks else None,
        Statement(statements.PROGRESS, {"names": list(marks)}) if marks else None,
        statements.claim_rows(list(new.values())) if new else None,
        Statement(statements.LOCK_REQUESTS, {"names": names}) if names else None,
        statements.note_updates(bodies, time.time()) if ids else None,
        Statement(statements.UPDATES, {"requests": ids}) if ids else None,
    )
    unit.set_clock(clock[0][0] if clock else None)
    unit.progress = dict(noted)
    unit.claims.made = {name for (name,) in made}
    unit.claims.rows = dict.fromkeys(names)
    _add_attempts(unit, rows)
    new_ones = {bytes(request) for (request,) in inserted}
    unit.asked = {
        bytes(asked): bytes(body) for asked, body in known if bytes(asked) not in new_ones
    }
    unit.done = set(unit.asked)
    for expire in unit.of(Expire):
        values = {"at": unit.at, "most": expire.most}
        dead = unit.session.rows(statements.DEAD_REQUESTS, **values)
        unit.dead += [str(row[0]) for row in dead if row[0] not in unit.claims.rows]
        _add_attempts(unit, dead)
    if erasure:
        _find_erased(unit, *erasure[0])
    forgotten: dict[str, float] = dict(since)
    unit.book.windows_since = forgotten.get("windows_since")
    for write in unit.of(Write) if "kept_since" in forgotten else ():
        unit.checked[write] = without_forgotten(unit.items(write), forgotten["kept_since"])


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

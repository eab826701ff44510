"""Erasing customers of a `FakeStore`: what the embedded store does in `nba_engine.store.erasing.erasing`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from uuid import uuid4

from msgspec.structs import replace

from nba_engine.domain import (
    FILES,
    LOG,
    SINKS,
    Erased,
    Erasure,
    digest_of_name,
    id_time,
)
from nba_engine.errors import InvalidRequest, NotFound, Violation
from nba_engine.store.erasing import check_erasure
from nba_engine.testing.fake_data import FakeData

__all__ = ["FakeErasures"]


class FakeErasures:
    """A part of `FakeStore`."""

    def _read(self) -> FakeData:
        raise NotImplementedError

    def _commit(self) -> AbstractContextManager[FakeData]:
        raise NotImplementedError

    def erase(
        self, identity: str, *, erasure_id: str = "", now: float, deadline: float | None = None
    ) -> Erasure:
        """Erase the customer behind an identity; one commit."""
        check_erasure(identity, erasure_id)
        with self._commit() as data:
            erased = data.erased
            asked = digest_of_name(identity, erased.salt)
            if erasure_id in erased.all:
                _, done, before = erased.all[erasure_id]
                if before != asked:
                    wrong = Violation(field="request_id", description="was used before")
                    raise InvalidRequest([wrong], reason="REQUEST_ID_REUSED")
                return done
            sequence = len(erased.all) + 1
            latest = max((one.time for one in erased), default=now)
            moment = max(data.ledger.time(now), latest)
            one = Erased(
                erasure_id=erasure_id or str(uuid4()),
                sequence=sequence,
                time=moment,
                before=id_time(moment + 0.001),
                salt=erased.salt,
                digests=frozenset(),
            )
            return _carry_out(data, one, {identity}, asked)

    def erase_again(self, erased: Sequence[Erased], *, now: float) -> int:
        """Carry out erasures that this store has not seen; how many."""
        with self._commit() as data:
            missing = [one for one in erased if one.erasure_id not in data.erased.all]
            if any(one.salt != data.erased.salt for one in missing):
                wrong = Violation(field="erased", description="are another store's")
                raise InvalidRequest([wrong])
            for one in missing:
                held = {name for name in data.names() if one.covers(name)}
                _carry_out(data, replace(one, sequence=len(data.erased.all) + 1), held, b"")
            return len(missing)

    def note_erased(
        self,
        erasure_id: str,
        counts: Mapping[str, int],
        *,
        pending: Sequence[str],
        kept: Sequence[str] = (),
    ) -> Erasure:
        """Note what was removed elsewhere, and where something may still be."""
        with self._commit() as data:
            if erasure_id not in data.erased.all:
                raise NotFound(f"there is no erasure {erasure_id}")
            erased, done, asked = data.erased.all[erasure_id]
            names = erased.names if {*pending} - {FILES} else ()
            done = replace(
                done,
                counts={**done.counts, **counts},
                pending=tuple(pending),
                kept=tuple(sorted({*done.kept, *kept})),
            )
            erased = replace(erased, names=names, pending=tuple(pending))
            data.erased.all[erasure_id] = (erased, done, asked)
            return done

    def erasures(self, *, most: int = 100) -> Sequence[Erasure]:
        """The newest erasures, the newest first."""
        told = [done for _, done, _ in self._read().erased.all.values()]
        return sorted(told, key=lambda one: -one.sequence)[:most]

    def erased_since(self, sequence: int = 0) -> Sequence[Erased]:
        """Who was erased, from behind a sequence on, in order."""
        later = [one for one in self._read().erased if one.sequence > sequence]
        return sorted(later, key=lambda one: one.sequence)

    def scrub(self) -> None:
        """Nothing is left of what is not in a dictionary any more."""
        self._read()


def _carry_out(data: FakeData, erased: Erased, asked: Iterable[str], given: bytes) -> Erasure:
    names = data.identities.names_of(asked)
    counts = {
        "decision_requests": data.ledger.forget_attempts(names),
        **data.ledger.detach(names),
        "interactions": data.forget_interactions(names),
        **data.identities.remove(names),
    }
    counts = {kind: count for kind, count in counts.items() if count}
    digests = frozenset(digest_of_name(name, erased.salt) for name in names)
    erased = replace(
        erased,
        digests=erased.digests | digests,
        names=tuple(sorted(names)),
        pending=(LOG, SINKS, FILES),
    )
    done = Erasure(
        erasure_id=erased.erasure_id,
        sequence=erased.sequence,
        time=erased.time,
        known="customers" in counts,
        counts=counts,
        pending=erased.pending,
    )
    data.erased.all[erased.erasure_id] = (erased, done, given)
    return done

"""The verbs of a `FakeStore` that forget windows and catalogs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from nba_engine.domain import ForgottenWindows
from nba_engine.store.customers import check_before
from nba_engine.testing.fake_data import FakeData

__all__ = ["FakePast"]


class FakePast:
    """All that is too old goes at once."""

    def _read(self) -> FakeData:
        raise NotImplementedError

    def _commit(self) -> AbstractContextManager[FakeData]:
        raise NotImplementedError

    def windows_since(self) -> float | None:
        """Accounts of calendar windows that ended earlier were forgotten; None: none ever was."""
        return self._read().ledger.windows_since

    def forget_windows(
        self, before: float, *, after: str = "", dry_run: bool = False
    ) -> ForgottenWindows:
        """Delete accounts whose windows ended before, and that hold nothing."""
        check_before(before)
        with self._commit() as data:
            ledger = data.ledger if not dry_run else data.ledger.copy()
            return ForgottenWindows(count=ledger.forget_windows(before))

    def forget_catalogs(self, versions: Sequence[str], *, now: float) -> int:
        """Delete stored catalogs, but those in force or to come; how many were there."""
        with self._commit() as data:
            return data.catalogs.forget(versions, now)

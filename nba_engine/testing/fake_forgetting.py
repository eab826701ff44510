"""The verbs of a `FakeStore` that forget interactions."""

from __future__ import annotations

from contextlib import AbstractContextManager

from nba_engine.domain import Forgotten
from nba_engine.store.customers import check_before
from nba_engine.testing.fake_data import FakeData

__all__ = ["FakeForgetting"]


class FakeForgetting:
    """All that is too old goes at once."""

    def _read(self) -> FakeData:
        raise NotImplementedError

    def _commit(self) -> AbstractContextManager[FakeData]:
        raise NotImplementedError

    def kept_since(self) -> float | None:
        """Interactions that took place earlier were forgotten; None: none ever was."""
        return self._read().kept_since

    def forget_interactions(
        self, before: float, *, after: int = 0, dry_run: bool = False
    ) -> Forgotten:
        """Delete interactions that took place before; aggregates stay."""
        check_before(before)
        with self._commit() as data:
            last = len(data.interactions)
            kept = {key: one for key, one in data.interactions.items() if one.time >= before}
            if not dry_run:
                data.interactions = kept
                known = data.kept_since
                data.kept_since = before if known is None else max(known, before)
            return Forgotten(count=last - len(kept), last=last)

"""Playing a slate again with some changes, without the ledger, to see what would come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nba_engine.domain import Deciding, Drop
from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.stages.arbitration import Ranking, tie_keys
from nba_engine.stages.contact_plan import planned_first
from nba_engine.stages.contact_policy import used_of
from nba_engine.stages.limits import Accounts
from nba_engine.stages.slate.drawing import drawing_of
from nba_engine.stages.slate.filling import Filling
from nba_engine.stages.slate.reservations import treatment_of
from nba_engine.stages.slate.together import Together

__all__ = ["Rehearsal"]

_GAIN = ("lever", "weight", "value")


class Rehearsal:
    """The candidates that the slate stage of a decision had before it.

    Positions count these candidates: the surviving ones first, then the stage's drops in order.
    """

    def __init__(
        self, deciding: Deciding, stage: str, accounts: Accounts, together: Together
    ) -> None:
        candidates = deciding.candidates
        self._together = together
        self._deciding = deciding
        self._accounts = accounts
        self._drops = [drop for drop in candidates.drops if drop.stage == stage]
        self.index: IntArray = np.concatenate([candidates.index, *(d.index for d in self._drops)])
        self.slot: IntArray = np.concatenate([candidates.slot, *(d.slot for d in self._drops)])
        fallen = [drop.columns for drop in self._drops]
        self.columns: dict[str, FloatArray] = {
            name: np.concatenate([column, *(columns[name] for columns in fallen)])
            for name, column in candidates.columns.items()
        }
        self.actions: IntArray = deciding.catalog.action_of[self.index]
        self.recommended = len(candidates)
        self._failed = {
            self.position(drop, at)
            for drop in self._drops
            if drop.reason == "render_failed"
            for at in range(len(drop.index))
        }
        self._others = self._told_by_refusals()

    def position(self, drop: Drop, position: int) -> int:
        """Where a dropped candidate stands here."""
        start = self.recommended
        for each in self._drops:
            if each is drop:
                break
            start += len(each.index)
        return start + position

    def numbers(self, position: int) -> dict[str, float]:
        """The columns of one candidate."""
        return {name: float(column[position]) for name, column in self.columns.items()}

    def takes(
        self,
        position: int,
        *,
        factor: float = 1.0,
        amounts: Mapping[str, int] | None = None,
        renders: Callable[[int], bool] | None = None,
    ) -> bool:
        """Whether the candidate gets a place under these changes.

        Its treatment's lever is multiplied by ``factor``, limits get new ``amounts`` (whole
        units), and ``renders`` tells which treatments that failed to render now do.
        """
        score = self.columns["score"]
        if factor != 1.0:
            chance = self.columns["effect" if "effect" in self.columns else "propensity"]
            gain = (factor - 1.0) * chance * np.prod([self.columns[name] for name in _GAIN], axis=0)
            score = score + np.where(self.index == self.index[position], gain, 0.0)
        score = planned_first(score, self._deciding.due_among(self.index, self.slot))
        failed = self._failed
        if renders is not None:
            failed = {at for at in failed if not renders(int(self.index[at]))}
        size = len(self._deciding.catalog.treatments)
        filled = Filling(
            Ranking(score, self.index, self.slot, lambda: tie_keys(self._deciding.seed, size)),
            score=score,
            index=self.index,
            actions=self.actions,
            slot=self.slot,
            together=self._together,
            slots=[placement.slots for placement in self._deciding.placements],
            drawing=drawing_of(
                self._deciding,
                score=score,
                actions=self.actions,
                index=self.index,
                slot=self.slot,
            ),
        ).fill(lambda at: at not in failed, self._ledger(amounts or {}))
        return position in filled.taken

    def used(self, account: str) -> int:
        """What others had used of an account: as read, or more if a refusal told so."""
        return max(self._others.get(account, 0), used_of(self._deciding, account))

    def _ledger(self, amounts: Mapping[str, int]) -> Callable[[Sequence[int]], set[int]]:
        usage: dict[str, int] = {}

        def reserve(chosen: Sequence[int]) -> set[int]:
            refused = set()
            for position in chosen:
                holds = self._accounts.holds(self._deciding, int(self.index[position]))
                for hold in holds:
                    if hold.account not in usage:
                        usage[hold.account] = self.used(hold.account)
                if all(
                    usage[hold.account] + hold.amount <= amounts.get(hold.limit, hold.ceiling)
                    for hold in holds
                ):
                    for hold in holds:
                        usage[hold.account] += hold.amount
                else:
                    refused.add(position)
            return refused

        return reserve

    def _told_by_refusals(self) -> dict[str, int]:
        """Account → what others had used of it, from what was left when it refused."""
        deciding = self._deciding
        own: dict[str, int] = {}
        others: dict[str, int] = {}
        for answer in deciding.answers:
            for hold in self._accounts.holds(deciding, treatment_of(answer.reservation_id)):
                if answer.granted:
                    own[hold.account] = own.get(hold.account, 0) + hold.amount
                elif hold.limit == answer.refused_by:
                    used = hold.ceiling - answer.room - own.get(hold.account, 0)
                    others[hold.account] = max(others.get(hold.account, 0), used)
        return others

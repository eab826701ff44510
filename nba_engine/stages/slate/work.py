"""One decision's slate in the making: what is rendered, reserved, and recommended."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from nba_engine.domain import (
    Answer,
    BoolArray,
    Deciding,
    Draw,
    Hold,
    Recommendation,
    ReservationRequest,
)
from nba_engine.errors import DeadlineExceeded, Exhausted, RenderFailed, Unavailable
from nba_engine.stages.arbitration import Ranking, scores_of, tie_keys
from nba_engine.stages.contact_plan import planned_first
from nba_engine.stages.limits import Accounts
from nba_engine.stages.slate.drawing import Drawn, drawing_of
from nba_engine.stages.slate.filling import Filled
from nba_engine.stages.slate.forms import Content, Forms, flaw_of
from nba_engine.stages.slate.reservations import recommendation_id
from nba_engine.stages.slate.telling import COLUMNS, codes_of, recommendation

__all__ = ["Work"]

_log = logging.getLogger("nba_engine.stages")


class Work:
    """One decision's slate in the making."""

    def __init__(self, forms: Forms, accounts: Accounts, deciding: Deciding) -> None:
        candidates = deciding.candidates
        self._forms = forms
        self._accounts = accounts
        self._deciding = deciding
        due = deciding.due_among(candidates.index, candidates.slot)
        self.score = planned_first(scores_of(candidates), due)
        self.actions = deciding.catalog.action_of[candidates.index]
        size = len(deciding.catalog.treatments)
        self.ranking = Ranking(
            self.score, candidates.index, candidates.slot, lambda: tie_keys(deciding.seed, size)
        )
        self.drawing = drawing_of(
            deciding,
            score=self.score,
            actions=self.actions,
            index=candidates.index,
            slot=candidates.slot,
        )
        self._seen = {
            "customer": deciding.customer,
            "context": deciding.context,
            "now": deciding.now,
        }
        self._contents: dict[int, Content] = {}
        self._expires: dict[int, float] = {}
        self._without_ledger = False
        self._room: dict[str, int] = {}  # what refusals told: account → units left

    def render(self, position: int) -> bool:
        """Render one candidate; false when its template or its channel fails."""
        deciding = self._deciding
        treatment = deciding.candidates.index.item(position)
        try:
            content = self._forms.content(treatment, self._seen)
        except RenderFailed:
            return False
        # a channel is a plugin: whatever it raises costs this treatment, never the decision; the
        # error's text stays out of the log, for it may hold a customer's values
        except (Exception, SystemExit) as error:
            wrong = type(error).__name__
        else:
            wrong = flaw_of(content)
            if not wrong:
                self._contents[position] = content
                return True
        name = deciding.catalog.treatments[treatment].id
        _log.warning("the channel of %s failed: %s", name, wrong)
        return False

    def reserve(self, chosen: Sequence[int]) -> set[int]:
        """Reserve what draws on limits, in one call; the positions that were refused."""
        deciding = self._deciding
        index, draws = deciding.candidates.index, self._accounts.draws
        requests: list[ReservationRequest] = []
        asked: list[int] = []
        for position in chosen:
            treatment = index.item(position)
            if draws[treatment]:
                holds = self._accounts.holds(deciding, treatment)
                requests.append(self._request(position, treatment, holds))
                asked.append(position)
        if not requests:
            return set()
        if self._without_ledger:
            return set(asked)
        deadline = deciding.deadline
        if deadline is not None and not deciding.answers and time.monotonic() > deadline:
            raise DeadlineExceeded("the deadline passed before anything was reserved")
        try:
            answers = deciding.reads.reserve(tuple(requests), now=deciding.now)
        except (Unavailable, Exhausted):
            self._without_ledger = True
            deciding.degraded.append(deciding.candidates.stage)
            return set(asked)
        deciding.answers.extend(answers)
        for request, answer in zip(requests, answers, strict=True):
            for hold in request.holds if not answer.granted else ():
                if hold.limit == answer.refused_by:
                    self._room[hold.account] = answer.room
        return {
            position for position, answer in zip(asked, answers, strict=True) if not answer.granted
        }

    def blocked(self, position: int) -> bool:
        """Whether an account that refused before has no room for this one: the same answer."""
        deciding = self._deciding
        treatment = deciding.candidates.index.item(position)
        if not self._room or not self._accounts.draws[treatment]:
            return False
        for hold in self._accounts.holds(deciding, treatment):
            room = self._room.get(hold.account)
            if room is not None and hold.amount > room:
                slot = deciding.candidates.slot.item(position)
                deciding.answers.append(
                    Answer(
                        reservation_id=recommendation_id(deciding, treatment, slot),
                        granted=False,
                        refused_by=hold.limit,
                        room=room,
                    )
                )
                return True
        return False

    def _request(
        self, position: int, treatment: int, holds: tuple[Hold, ...]
    ) -> ReservationRequest:
        deciding = self._deciding
        channel = deciding.catalog.channels[deciding.catalog.treatments[treatment].channel]
        expires = self._expires[position] = deciding.now + channel.reservation_ttl
        return ReservationRequest(
            reservation_id=recommendation_id(
                deciding, treatment, int(deciding.candidates.slot[position])
            ),
            decision_id=deciding.decision_id,
            customer_id=deciding.customer_id,
            holds=holds,
            expires=expires,
        )

    def recommend(self, filled: Filled) -> list[int]:
        """Add the recommendations by placement and rank; the positions that stay."""
        candidates = self._deciding.candidates
        slot = candidates.slot
        ranked = filled.taken
        drawn = self._drawn(filled)
        if filled.refused:  # a later round may have chosen something better than an earlier one
            taken = np.array([at for at in ranked if at not in drawn], dtype=np.intp)
            best = self.ranking.sorted(taken, self.score[taken]).tolist()
            ranked = best + [at for at in ranked if at in drawn]
        by_slot: list[list[int]] = [[] for _ in self._deciding.placements]
        for position in ranked:
            by_slot[slot.item(position)].append(position)
        if [] in by_slot:
            for position in np.flatnonzero(candidates.nothing).tolist():
                place = by_slot[slot.item(position)]
                if not place:
                    place.append(position)
        positions = [position for place in by_slot for position in place]
        ranks = [rank for place in by_slot for rank in range(len(place))]
        numbers = candidates.rows(positions, COLUMNS)
        self._deciding.recommendations += [
            self._recommendation(position, rank, told, drawn.get(position))
            for position, rank, told in zip(positions, ranks, numbers, strict=True)
        ]
        return positions

    def might_stand(self, kept: Sequence[int]) -> BoolArray:
        """Which candidates are worth more than the last of their placement, or find it not full."""
        deciding = self._deciding
        slot = deciding.candidates.slot
        bar = np.zeros(len(deciding.placements))
        for place, wanted in enumerate(deciding.placements):
            there = [at for at in kept if slot.item(at) == place]
            drawn = self.drawing is not None and place in self.drawing
            if len(there) == wanted.slots and not drawn:
                bar[place] = float(self.score[there].min())
        return self.score > bar[slot]

    def _drawn(self, filled: Filled) -> dict[int, Drawn]:
        """What was drawn, by position; all draws go to the log."""
        if self.drawing is None:
            return {}
        deciding = self._deciding
        removed = dict.fromkeys(filled.refused, "limit_refused")
        removed |= dict.fromkeys(filled.full, "limit_full")
        removed |= dict.fromkeys(filled.failed, "render_failed")
        for one in self.drawing.draws:
            treatment = deciding.candidates.index.item(one.position)
            deciding.draws.append(
                Draw(
                    placement=deciding.placements[one.slot].placement,
                    treatment=deciding.catalog.treatments[treatment].id,
                    probability=one.probability,
                    turn=one.turn,
                    removed=removed.get(one.position, ""),
                )
            )
        return {one.position: one for one in self.drawing.draws}

    def _recommendation(
        self, position: int, rank: int, numbers: Sequence[float], drawn: Drawn | None
    ) -> Recommendation:
        deciding = self._deciding
        candidates = deciding.candidates
        at = candidates.index.item(position)
        slot = candidates.slot.item(position)
        named = self._forms.named[at]
        explored = drawn is not None and drawn.explored
        return recommendation(
            deciding,
            named,
            at,
            slot,
            rank,
            content=self._contents.get(position, {}),
            codes=codes_of(named, candidates, position, best=rank == 0, explored=explored),
            numbers=numbers,
            expires=self._expires.get(position),
            probability=1.0 if drawn is None else drawn.probability,
        )

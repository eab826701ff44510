"""Stage ``slate``: render, reserve, recommend; the next best where either fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from nba_engine.domain import (
    Action,
    Answer,
    Change,
    Deciding,
    Draw,
    Drop,
    Hold,
    NoSettings,
    Recommendation,
    Renderer,
    ReservationRequest,
    Resources,
    StageFactory,
    Treatment,
    Values,
)
from nba_engine.errors import (
    DeadlineExceeded,
    Exhausted,
    Mistake,
    MistakesFound,
    RenderFailed,
    Unavailable,
)
from nba_engine.stages.arbitration import Ranking, scores_of, tie_keys
from nba_engine.stages.limits import Accounts, QuietClock
from nba_engine.stages.slate.drawing import Drawn, drawing_of
from nba_engine.stages.slate.explained import explain_slate
from nba_engine.stages.slate.filling import Filled, Filling
from nba_engine.stages.slate.reservations import recommendation_id
from nba_engine.stages.templates import static_names

__all__ = ["SLATE", "Slate"]

_log = logging.getLogger("nba_engine.stages")

Content: TypeAlias = dict[str, str]

_REASONS = ("outranked", "same_action", "limit_refused", "render_failed")
_SAME_ACTION, _REFUSED, _FAILED = 2, 3, 4
_KIND_CODES = {"win_back": "win_back", "loyalty": "loyalty"}


class Slate:
    """Turns ranked candidates into recommendations.

    Content is rendered before anything is reserved; what a round chose is reserved in one call,
    each with all its holds or none. A treatment without limits costs no write. When the ledger
    cannot be reached, treatments with limits are refused and the others go on.
    """

    def __init__(self, _settings: NoSettings, resources: Resources) -> None:
        catalog = resources.catalog
        self._accounts = Accounts(catalog)
        self._clock = QuietClock(catalog)
        self._renderers: list[Renderer] = []
        self._static: list[Mapping[str, Any]] = []
        self.named: list[_Named] = []
        self._outranked = np.ones(len(catalog.actions), dtype=np.int8)  # the code of most actions
        mistakes: list[Mistake] = []
        for index, treatment in enumerate(catalog.treatments):
            try:
                self._renderers.append(resources.channels[treatment.channel].prepare(treatment))
            except MistakesFound as wrong:
                mistakes.extend(wrong.mistakes)
            action = int(catalog.action_of[index])
            self._static.append(static_names(catalog, action, treatment))
            self.named.append(_named(catalog.actions[action], treatment))
        if mistakes:
            raise MistakesFound(mistakes)

    def apply(self, deciding: Deciding) -> None:
        """Fill the slots, add the recommendations, drop everything else with its reason."""
        candidates = deciding.candidates
        work = _Work(self, deciding)
        filled = Filling(
            work.ranking,
            score=work.score,
            actions=work.actions,
            slot=candidates.slot,
            slots=[placement.slots for placement in deciding.placements],
            drawing=work.drawing,
        ).fill(work.render, work.reserve, work.blocked)
        kept = work.recommend(filled)
        of_action = self._outranked.copy()
        for action in filled.used:
            of_action[action] = _SAME_ACTION
        code = of_action.take(work.actions)
        for position in filled.refused:
            code[position] = _REFUSED
        for position in filled.failed:
            code[position] = _FAILED
        for position in kept:
            code[position] = 0
        candidates.drop_each(code, _REASONS)

    def render(self, treatment: int, customer: Values, context: Values, now: float) -> Content:
        """The content of a treatment for this customer; raises what the channel raises."""
        return self.content(treatment, {"customer": customer, "context": context, "now": now})

    def content(self, treatment: int, seen: Mapping[str, Any]) -> Content:
        """`render`, for several treatments of one decision."""
        return self._renderers[treatment]({**seen, **self._static[treatment]})

    @property
    def accounts(self) -> Accounts:
        """Who draws on which limit."""
        return self._accounts

    def explain(
        self, deciding: Deciding, drop: Drop, position: int
    ) -> tuple[str, Sequence[Change]]:
        """Say what took its place, and what would bring it into the slate."""
        return explain_slate(
            deciding,
            drop,
            position,
            accounts=self._accounts,
            render=self.render,
            clock=self._clock,
        )


class _Named(NamedTuple):
    """What a recommendation of a treatment says for every customer."""

    action: str
    treatment: str
    channel: str
    best: tuple[str, ...]  # reason codes of the first in its placement
    other: tuple[str, ...]  # … and of those that follow
    nothing: bool


def _wrong(content: object) -> str:
    """What is wrong with what a renderer returned; "" when nothing is."""
    if type(content) is not dict:
        return f"it returned {type(content).__name__}, not a dict of texts"
    for name, text in content.items():
        if type(name) is not str or type(text) is not str:
            return f"it returned {type(text).__name__} under a {type(name).__name__}, not texts"
    return ""


def _named(action: Action, treatment: Treatment) -> _Named:
    codes = (_KIND_CODES[action.kind],) if action.kind in _KIND_CODES else ()
    best = ("best_value", *codes)
    nothing = action.kind == "nothing"
    return _Named(action.id, treatment.id, treatment.channel, best, codes, nothing)


class _Work:
    """One decision's slate in the making."""

    def __init__(self, slate: Slate, deciding: Deciding) -> None:
        candidates = deciding.candidates
        self._slate = slate
        self._deciding = deciding
        self.score = scores_of(candidates)
        self.actions = deciding.catalog.action_of.take(candidates.index)
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
            content = self._slate.content(treatment, self._seen)
        except RenderFailed:
            return False
        # a channel is a plugin: whatever it raises costs this treatment, never the decision; the
        # error's text stays out of the log, for it may hold a customer's values
        except (Exception, SystemExit) as error:
            wrong = type(error).__name__
        else:
            wrong = _wrong(content)
            if not wrong:
                self._contents[position] = content
                return True
        name = deciding.catalog.treatments[treatment].id
        _log.warning("the channel of %s failed: %s", name, wrong)
        return False

    def reserve(self, chosen: Sequence[int]) -> set[int]:
        """Reserve what draws on limits, in one call; the positions that were refused."""
        deciding = self._deciding
        index, draws = deciding.candidates.index, self._slate.accounts.draws
        requests: list[ReservationRequest] = []
        asked: list[int] = []
        for position in chosen:
            treatment = index.item(position)
            if draws[treatment]:
                holds = self._slate.accounts.holds(deciding, treatment)
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
        if not self._room or not self._slate.accounts.draws[treatment]:
            return False
        for hold in self._slate.accounts.holds(deciding, treatment):
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
        numbers = candidates.numbers
        self._deciding.recommendations.extend(
            map(
                self._recommendation,
                positions,
                [rank for place in by_slot for rank in range(len(place))],
                numbers("score", positions),
                numbers("propensity", positions),
                numbers("value", positions),
                numbers("cost", positions),
                numbers("lever", positions, 1.0),
                numbers("weight", positions, 1.0),
                [drawn.get(position) for position in positions],
            )
        )
        return positions

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
        self,
        position: int,
        rank: int,
        score: float,
        propensity: float,
        value: float,
        cost: float,
        lever: float,
        weight: float,
        drawn: Drawn | None,
    ) -> Recommendation:
        deciding = self._deciding
        candidates = deciding.candidates
        at = candidates.index.item(position)
        slot = candidates.slot.item(position)
        named = self._slate.named[at]
        explored = drawn is not None and drawn.explored
        codes: tuple[str, ...] = ("explored",) if explored else ()
        if not named.nothing:
            codes += named.best if rank == 0 and not explored else named.other
            if candidates.words or candidates.reason_codes:
                codes += candidates.reasons(position)
            if "prior_used" in candidates and candidates.number("prior_used", position):
                codes += ("prior_used",)
        return Recommendation(
            recommendation_id=recommendation_id(deciding, at, slot),
            placement=deciding.placements[slot].placement,
            position=rank,
            action=named.action,
            treatment=named.treatment,
            channel=named.channel,
            content=self._contents.get(position, {}),
            reason_codes=codes,
            expires=self._expires.get(position),
            score=score,
            propensity=propensity,
            value=value,
            cost=cost,
            lever=lever,
            weight=weight,
            selection_probability=1.0 if drawn is None else drawn.probability,
        )


SLATE = StageFactory[NoSettings](build=Slate, on_error="fail")

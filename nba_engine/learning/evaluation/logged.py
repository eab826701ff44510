"""Picks from the decision log: what came of them, and what another catalog or model would have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import CatalogView, DecisionRecord, FloatArray, IntArray, Store
from nba_engine.engine import Snapshot, ranked_by
from nba_engine.errors import FailedPrecondition, NbaError
from nba_engine.learning.decisions import read_decisions
from nba_engine.learning.evaluation.picks import Picks
from nba_engine.learning.evaluation.replaying import Pick, picks_of
from nba_engine.learning.interactions import Progress
from nba_engine.stages.contact_policy.control import in_control_group

__all__ = ["LoggedPicks", "Reward", "logged_picks"]

Reward = Literal["response", "value"]

_CENSORED = "the time for an outcome is not over"
_CONTROL = "the customer is in the control group"


class LoggedPicks(NamedTuple):
    """The picks of logged decisions, and how many decisions were left out, by reason."""

    picks: Picks
    left_out: dict[str, int]


class _Decided(NamedTuple):
    time: float
    customer: str
    model: str
    picks: list[Pick]


def logged_picks(
    records: Iterable[DecisionRecord],
    store: Store,
    catalog: CatalogView,
    catalog_of: Callable[[str], CatalogView | None],
    *,
    under_test: Snapshot | None = None,
    reward: Reward = "response",
    until: float | None = None,
    progress: Progress | None = None,
) -> LoggedPicks:
    """The picks of logged decisions with what came of them, as the outcomes of ``catalog`` say.

    ``under_test`` decides every request again, with clock, seed, customer and limits as logged;
    None: the logged policy itself. ``reward``: ``response`` is 1 for a positive outcome, ``value``
    the pick's value as it was logged times that, less the cost of its contact. Left out are
    decisions about the universal control group, those so late that the time for an outcome of some
    logged pick is not over at ``until``, and those that cannot be decided again. Raises `FailedPrecondition` when none is left.
    """
    decided: list[_Decided] = []
    left_out: Counter[str] = Counter()

    def kept() -> Iterator[DecisionRecord]:
        for record in records:
            of_then = catalog_of(record.catalog_version) or catalog
            if in_control_group(of_then.control_group, record.customer_id):
                left_out[_CONTROL] += 1
                continue
            try:
                other = None if under_test is None else ranked_by(under_test, record)
                found = _Decided(
                    record.time,
                    record.customer_id,
                    record.decided_by,
                    list(picks_of(record, other)),
                )
            except NbaError as error:
                left_out[error.message] += 1
                continue
            if found.picks:
                decided.append(found)
                yield record
            else:
                left_out["nothing was recommended"] += 1

    ended = read_decisions(kept(), store, catalog, catalog_of, until=until, progress=progress)
    known = dict(zip(ended.recommendation_id, range(len(ended.recommendation_id)), strict=True))
    # by the time of the decision alone: what is left out must not depend on what was picked
    longest = float(ended.window[~ended.is_nothing].max(initial=0.0))
    over = [one for one in decided if one.time + longest <= ended.until]
    if len(over) < len(decided):
        left_out[_CENSORED] += len(decided) - len(over)
    if not over:
        reasons = "; ".join(f"{reason} ({count:,})" for reason, count in left_out.most_common())
        raise FailedPrecondition(
            f"no logged decision to evaluate: {reasons or 'none is on record'}"
        )
    rows = [(number, pick) for number, one in enumerate(over) for pick in one.picks]
    positive = ended.label
    rewards = [
        _reward(pick, positive[known[pick.shown.recommendation_id]], reward) if pick.shown else 0.0
        for _, pick in rows
    ]
    customers = {one.customer: code for code, one in enumerate(over)}
    owner = np.array([customers[one.customer] for one in over], dtype=np.intp)
    decision = np.array([number for number, _ in rows], dtype=np.intp)
    picks = _columns(
        [pick for _, pick in rows], decision, owner, rewards, catalog, under_test, reward
    )
    model = _texts([one.model for one in over])[decision]
    return LoggedPicks(msgspec.structs.replace(picks, model=model), dict(left_out))


def _reward(pick: Pick, positive: float, reward: Reward) -> float:
    assert pick.shown is not None
    if reward == "response":
        return positive
    return positive * pick.shown.value - pick.shown.cost


def _columns(
    picks: list[Pick],
    decision: IntArray,
    owner: IntArray,
    rewards: list[float],
    catalog: CatalogView,
    under_test: Snapshot | None,
    reward: Reward,
) -> Picks:
    catalogs = (catalog,) if under_test is None else (catalog, under_test.catalog)
    named = [_names(pick, catalogs) for pick in picks]
    kind = 0 if reward == "response" else 1

    def predicted(values: Iterable[tuple[float, float]]) -> FloatArray:
        return np.array([value[kind] for value in values], dtype=np.float64)

    return Picks(
        decision=decision,
        placement=_texts([pick.placement for pick in picks]),
        position=np.array([pick.position for pick in picks], dtype=np.intp),
        reward=np.array(rewards, dtype=np.float64),
        propensity=np.array([pick.propensity for pick in picks], dtype=np.float64),
        target=np.array([pick.target for pick in picks], dtype=np.float64),
        action=_texts([action for action, _ in named]),
        channel=_texts([channel for _, channel in named]),
        customer=owner[decision],
        expected=None if under_test is None else predicted(pick.expected for pick in picks),
        expected_target=(
            None if under_test is None else predicted(pick.expected_target for pick in picks)
        ),
    )


def _names(pick: Pick, catalogs: tuple[CatalogView, ...]) -> tuple[str, str]:
    """Action and channel of a pick; of one that was removed again, by a catalog that knows it."""
    if pick.shown is not None:
        return pick.shown.action, pick.shown.channel
    for catalog in catalogs:
        index = catalog.treatment_index.get(pick.treatment)
        if index is not None:
            treatment = catalog.treatments[index]
            return treatment.action, treatment.channel
    return pick.treatment.rpartition(".")[0], ""


def _texts(values: list[str]) -> NDArray[np.object_]:
    return np.array(values, dtype=np.object_)

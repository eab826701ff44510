"""The trials that exploration is: what was drawn at random, with the probability it was drawn with."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from nba_engine.domain import CatalogView, DecisionRecord, Feature, Store
from nba_engine.domain.values import FloatArray
from nba_engine.engine import Ranked
from nba_engine.errors import FailedPrecondition, NbaError
from nba_engine.learning.as_read import AsRead, FittedOf
from nba_engine.learning.decisions import whose
from nba_engine.learning.evaluation.replaying import top_draws
from nba_engine.learning.interactions import Progress, read_interactions
from nba_engine.learning.outcomes import Shown, find_outcomes, types_of
from nba_engine.learning.uplift.control import check_outcome
from nba_engine.learning.uplift.learner import Trial
from nba_engine.learning.uplift.sources import Trials

__all__ = ["trials_in_log"]

_LEAST = 0.01  # probabilities nearer to 0 or 1 tell next to nothing
_EXACT = 1e-6

_NOTHING_DRAWN = "no placement of them explored"
_OTHERWISE = "models or catalog are not what they were: the logged probability does not come out"
_CERTAIN = "the action was next to certain, or next to impossible"
_EARLIER = "the time of an earlier one was not over"
_OPEN = "their time is not over"
_UNREAD = "features are no longer on record"


class _Drawn(NamedTuple):
    """A decision that might have drawn an action for the top of a placement."""

    row: int  # among the decisions that are used
    treated: bool
    propensity: float


class _Log:
    """Goes through decisions, and keeps what each action's trial is made of."""

    def __init__(self, catalog: CatalogView, actions: Sequence[str]) -> None:
        self._window = {action: _window(catalog, action) for action in actions}
        self._busy: dict[tuple[str, str], float] = {}
        self.decisions = 0
        self.left_out: Counter[str] = Counter()
        self.trials: dict[str, list[_Drawn]] = {action: [] for action in actions}
        self.used: list[DecisionRecord] = []

    def add(self, record: DecisionRecord, ranked: Callable[[DecisionRecord], Ranked]) -> None:
        self.decisions += 1
        if not record.draws or not record.recommendations:
            self.left_out[_NOTHING_DRAWN] += 1
            return
        try:
            other = ranked(record)
        except NbaError as error:
            self.left_out[error.message] += 1
            return
        found: dict[str, _Drawn] = {}
        for top in top_draws(record, other):
            if abs(top.target - top.draw.probability) > _EXACT:
                self.left_out[_OTHERWISE] += 1
                return
            drawn = other.catalog.treatments[other.catalog.treatment_index[top.draw.treatment]]
            for action in self.trials.keys() - found.keys():
                index = other.catalog.action_index.get(action, -1)
                share = float(top.chances[top.actions == index].sum())
                if share > 0.0:
                    found[action] = _Drawn(len(self.used), drawn.action == action, share)
        kept = False
        for action, one in found.items():
            kept |= self._kept(record, action, one)
        if kept:
            self.used.append(record)

    def _kept(self, record: DecisionRecord, action: str, one: _Drawn) -> bool:
        who = action, record.customer_id
        if not _LEAST <= one.propensity <= 1.0 - _LEAST:
            self.left_out[_CERTAIN] += 1
        elif record.time < self._busy.get(who, -np.inf):
            self.left_out[_EARLIER] += 1
        else:
            self._busy[who] = record.time + self._window[action]
            self.trials[action].append(one)
            return True
        return False

    def check(self) -> None:
        """Raise `FailedPrecondition` where nothing was random."""
        told = "; ".join(f"{why}: {count:,}" for why, count in self.left_out.most_common())
        empty = [action for action, rows in self.trials.items() if not rows]
        if self.decisions == self.left_out[_NOTHING_DRAWN]:
            raise FailedPrecondition(
                f"the decision log holds no randomization: none of its {self.decisions:,} decisions was "
                "drawn at random. Let a placement explore ([placements.<id>] exploration), or name the "
                "begin of a control group with --since"
            )
        if empty:
            raise FailedPrecondition(
                f"the decision log holds no randomization for {empty[0]!r}: no placement that explores "
                f"could have drawn it, or not ({told or 'it was no candidate'})"
            )


def trials_in_log(
    records: Iterable[DecisionRecord],
    store: Store,
    catalog: CatalogView,
    catalog_of: Callable[[str], CatalogView | None],
    ranked: Callable[[DecisionRecord], Ranked],
    *,
    actions: Sequence[str],
    fitted_of: FittedOf | None = None,
    until: float | None = None,
    progress: Progress | None = None,
) -> Trials:
    """What drawing an action for the top of a placement changes, from decisions that explored.

    Treated is whose first draw it was, whatever the ledger said to it then (intention to treat); not
    treated, whose first draw was something else. ``ranked`` decides a logged request again, which
    gives the probability of what was not drawn, too; where that of what was drawn is not the logged one,
    the decision is left out. Features are those of the customer as read for the decision, the outcome is
    what the customer did by itself within the action's window; of a customer the next decision counts
    when that is over. Raises `FailedPrecondition` where nothing was random, and for actions and
    catalogs as `nba_engine.learning.uplift.control.trials_in_store` does.
    """
    for action in actions:
        if action not in catalog.action_index:
            raise FailedPrecondition(f"the catalog has no action {action!r}")
        check_outcome(catalog, action)
    features = _features(catalog)
    log = _Log(catalog, actions)
    for record in records:
        log.add(record, ranked)
    log.check()
    as_read = AsRead(features, catalog, catalog_of, {}, fitted_of)
    for record in log.used:
        as_read.add(msgspec.structs.replace(record, recommendations=record.recommendations[:1]))
    rows, readable = as_read.features(store)
    outcome, ended = _outcomes(log, store, catalog, until, progress)
    _, unit = np.unique([one.customer_id for one in log.used], return_inverse=True)
    trials = {}
    for action, drawn in log.trials.items():
        at = np.array([one.row for one in drawn], dtype=np.intp)
        some = readable[at] & ended[action]
        log.left_out[_OPEN] += int((~ended[action]).sum())
        log.left_out[_UNREAD] += int((ended[action] & ~readable[at]).sum())
        trials[action] = Trial(
            rows=rows[at][some],
            treated=np.array([one.treated for one in drawn], dtype=np.bool_)[some],
            outcome=outcome[action][some],
            propensity=np.array([one.propensity for one in drawn], dtype=np.float64)[some],
            unit=unit.reshape(-1)[at][some],
        )
    return Trials(
        trials=trials,
        features=features,
        rows=rows[readable],
        left_out=tuple(
            f"{count:,} decisions: {why}" for why, count in log.left_out.most_common() if count
        ),
    )


def _features(catalog: CatalogView) -> tuple[Feature, ...]:
    """Numbers of the customer alone: one row holds them for all actions."""
    found = tuple(
        feature
        for feature in catalog.features.values()
        if feature.source.startswith("customer.")
        and not feature.key
        and feature.transform not in ("table", "category")
    )
    if not found:
        raise FailedPrecondition(
            "the catalog declares no [features.<name>] of the customer alone (no key, no category): "
            "effects cannot differ by anything"
        )
    return found


def _window(catalog: CatalogView, action: str) -> float:
    own = np.flatnonzero(catalog.action_of == catalog.action_index[action])
    return catalog.outcomes[int(own[0])].within


def _outcomes(
    log: _Log, store: Store, catalog: CatalogView, until: float | None, progress: Progress | None
) -> tuple[Mapping[str, FloatArray], Mapping[str, np.ndarray]]:
    """By action: 1 for a positive outcome of each of its rows, and whether its time is over."""
    own = {
        action: catalog.outcomes[
            int(np.flatnonzero(catalog.action_of == catalog.action_index[action])[0])
        ]
        for action in log.trials
    }
    specs = list(dict.fromkeys(own.values()))
    interactions = read_interactions(
        store,
        types=types_of(specs),
        fields={spec.by for spec in specs},
        until=until,
        progress=progress,
    )
    names = [one.customer_id for one in log.used]
    identities = {one.customer_id: one.request.identity for one in log.used}
    customer = whose(names, identities, store, interactions)
    time_of = np.array([one.time for one in log.used], dtype=np.float64)
    if until is None:
        latest = max(time_of.max(initial=0.0), interactions.time.max(initial=0.0))
        until = float(latest) if store.simulated else time.time()
    found: dict[str, FloatArray] = {}
    over: dict[str, np.ndarray] = {}
    for action, drawn in log.trials.items():
        at = np.array([one.row for one in drawn], dtype=np.intp)
        word = catalog.actions[catalog.action_index[action]].attributes.get(own[action].key)
        ended = find_outcomes(
            Shown(
                recommendation_id=[""] * len(at),
                time=time_of[at],
                customer=customer[at],
                spec=np.full(len(at), specs.index(own[action]), dtype=np.intp),
                specs=specs,
                word=[str(word)] * len(at),
            ),
            interactions,
        )
        found[action] = (ended.outcome > 0).astype(np.float64)
        over[action] = time_of[at] + own[action].within <= until
    return found, over

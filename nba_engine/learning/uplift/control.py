"""The trial that a control group is: what customers were before it began, and did after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba_engine.domain import CatalogView, ControlGroup, Feature, Store
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.interactions import Progress
from nba_engine.learning.training.history import examples_of_history
from nba_engine.learning.uplift.learner import Trial
from nba_engine.learning.uplift.sources import Trials
from nba_engine.stages.contact_policy.control import in_control_group

__all__ = ["check_outcome", "trials_in_store"]

_DAY = 86_400.0


def trials_in_store(
    store: Store,
    catalog: CatalogView,
    *,
    actions: Sequence[str],
    since: float,
    now: float,
    progress: Progress | None = None,
) -> Trials:
    """What being eligible for an action changes, from the customers that a control group keeps out.

    Treated is who is not in the group, shown it or not (intention to treat). The group is the one
    whose treatments are all of the action's, without those in the control group of everything; or else
    that one. ``since``: when the group began. Inputs are the catalog's features of the customer as of
    then (what came later, treatment changes); the outcome is the action's, told by what customers do
    (``by``), within its window after. Raises `FailedPrecondition` where there is no such group or
    feature, and when the window is not over ``now``.
    """
    groups = {action: _group_of(catalog, action) for action in actions}
    for action in actions:
        check_outcome(catalog, action)
    names = [name for name, feature in catalog.features.items() if _of_customer(feature, catalog)]
    if not names:
        raise FailedPrecondition(
            "the catalog declares no [features.<name>] of customer aggregates alone (no key): "
            "effects cannot differ by anything"
        )
    window = max(one.within for one in catalog.outcomes if one.by)
    if since + window > now:
        days = (since + window - now) / _DAY
        raise FailedPrecondition(f"outcomes are not known yet: wait another {days:.0f} days")
    examples = examples_of_history(
        store,
        catalog,
        tables={},
        names=names,
        until=since + window,  # the last moment is the beginning then
        every=_DAY,
        most_moments=3,
        progress=progress,
    )
    examples = examples.take(examples.time == examples.time.max())
    ids = examples.customer_ids
    everywhere = np.array([in_control_group(catalog.control_group, one) for one in ids])
    trials = {}
    for action, group in groups.items():
        kept_out = np.array([in_control_group(group, one) for one in ids])
        chosen = examples.action == examples.actions.index(action)
        if group is not catalog.control_group:
            chosen &= ~everywhere[examples.customer]
        rows = examples.take(chosen)
        trials[action] = Trial(
            rows=rows.rows,
            treated=~kept_out[rows.customer],
            outcome=rows.label,
            propensity=np.full(len(rows), 1.0 - group.share),
            unit=rows.customer.astype(np.intp),
        )
    return Trials(trials=trials, features=examples.features, rows=examples.rows, left_out=())


def _group_of(catalog: CatalogView, action: str) -> ControlGroup:
    """The control group to learn an action's effect from."""
    if action not in catalog.action_index:
        raise FailedPrecondition(f"the catalog has no action {action!r}")
    own = set(np.flatnonzero(catalog.action_of == catalog.action_index[action]).tolist())
    for group in catalog.control_groups:
        if group.share > 0.0 and own <= set(group.treatments):
            return group
    if catalog.control_group.share > 0.0:
        return catalog.control_group
    raise FailedPrecondition(
        f"no control group keeps anybody from {action!r}: declare [control_group], or "
        "[control_groups.<id>] for this action, and let it run for a while"
    )


def check_outcome(catalog: CatalogView, action: str) -> None:
    """Raise `FailedPrecondition` unless its outcome is told by what customers do.

    Those who were not treated have no recommendation that an interaction could name.
    """
    own = np.flatnonzero(catalog.action_of == catalog.action_index[action]).tolist()
    spec = catalog.outcomes[own[0]]
    if not spec.by or not isinstance(
        catalog.actions[catalog.action_index[action]].attributes.get(spec.key), str
    ):
        raise FailedPrecondition(
            f"the outcome of {action!r} is not told by what customers do: give it an "
            f"[outcomes.<id>] with `by`, and the action an attribute {spec.key!r}"
        )


def _of_customer(feature: Feature, catalog: CatalogView) -> bool:
    """Whether one row per customer holds it, and it is known of the past."""
    of, _, name = feature.source.partition(".")
    return (
        of == "customer"
        and name in catalog.aggregates
        and not feature.key
        and feature.transform not in ("table", "category")
    )

"""Propensities of actions of which a model knows little: their own outcomes, and those of their group.

Pega's published smoothing by evidence: ``E0/(E0+E+1)·P0 + E/(E0+E+1)·P``, where P is the share of
an action's E contacts that ended well, and P0 the rate of its group: a Beta prior, whose mean is the
prior stated for the action, updated with what happened to the other actions of its group.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nba_engine.domain import (
    BoolArray,
    CatalogView,
    Deciding,
    Evidence,
    EvidenceSpec,
    FloatArray,
    IntArray,
    Tally,
)

__all__ = ["Smoothing", "group_rate", "smoothed"]

_NONE = Tally()
_WORDS = ("new_action",)  # the reason code of what is smoothed


def smoothed(spec: EvidenceSpec, own: Tally, group_rate: float) -> float:
    """The propensity of an action with this evidence, whose group has this rate."""
    counted = own.counted
    rate = own.positives / counted if counted else 0.0
    total = spec.start + counted + 1.0
    return spec.start / total * group_rate + counted / total * rate


def group_rate(spec: EvidenceSpec, prior: float, others: Tally) -> float:
    """The mean of Beta(κμ, κ(1-μ)) after what happened to the others of a group; μ is ``prior``."""
    return (spec.group * prior + others.positives) / (spec.group + others.counted)


class Smoothing:
    """For one catalog, and one model that was trained on so many outcomes of each action.

    ``trained`` is empty when the model does not tell: then only where it has no answer.
    """

    def __init__(
        self, spec: EvidenceSpec, catalog: CatalogView, trained: Mapping[str, int]
    ) -> None:
        self._spec = spec
        self._catalog = catalog
        few = [bool(trained) and trained.get(a.id, 0) < spec.trained for a in catalog.actions]
        # (T,) whether the model's answer for the treatment's action is not to be believed
        self._few: BoolArray = np.array(few, dtype=np.bool_)[catalog.action_of]
        self._members: dict[str, list[int]] = {}
        for at, action in enumerate(catalog.actions):
            if action.group:
                self._members.setdefault(action.group, []).append(at)
        self._last: tuple[Evidence, FloatArray] | None = None

    def apply(self, deciding: Deciding, scores: FloatArray) -> FloatArray:
        """The scores (n,), of new actions by evidence; what was read of it goes to the log.

        NaN, and what else is no probability, is no answer.
        """
        candidates = deciding.candidates
        new = self._new(candidates.index, candidates.nothing, scores)
        if not new.any():
            return scores
        evidence = deciding.reads.evidence()
        self._log(deciding, evidence, self._catalog.action_of[candidates.index][new])
        candidates.words["new"] = _WORDS
        candidates["new"] = np.where(new, 0.0, -1.0)
        return self._served(candidates.index, new, evidence, scores)

    def beside(
        self, index: IntArray, nothing: BoolArray, evidence: Evidence, scores: FloatArray
    ) -> FloatArray:
        """What `apply` would make of scores, for a model that does not decide. On any thread."""
        return self._served(index, self._new(index, nothing, scores), evidence, scores)

    def _new(self, index: IntArray, nothing: BoolArray, scores: FloatArray) -> BoolArray:
        """Of which candidates (n,) the model's answer is not to be believed, or is none."""
        return (self._few[index] | ~((scores >= 0.0) & (scores <= 1.0))) & ~nothing

    def _served(
        self, index: IntArray, new: BoolArray, evidence: Evidence, scores: FloatArray
    ) -> FloatArray:
        return np.where(new, self._propensities(evidence)[self._catalog.action_of[index]], scores)

    def _propensities(self, evidence: Evidence) -> FloatArray:
        """What the evidence comes to, by action (a,); computed once until there is more."""
        last = self._last
        if last is None or last[0] is not evidence:
            last = self._last = (evidence, self._smoothed(evidence))
        return last[1]

    def _smoothed(self, evidence: Evidence) -> FloatArray:
        spec, found = self._spec, np.zeros(len(self._catalog.actions))
        groups = {group: self._of_group(evidence, group) for group in self._members}
        for at, action in enumerate(self._catalog.actions):
            own = evidence.actions.get(action.id, _NONE)
            whole = groups.get(action.group, own)
            others = Tally(
                whole.contacts - own.contacts,
                whole.positives - own.positives,
                max(0.0, whole.waiting - own.waiting),
            )
            found[at] = smoothed(spec, own, group_rate(spec, action.prior, others))
        return found

    def _of_group(self, evidence: Evidence, group: str) -> Tally:
        if evidence.groups is not None:
            return evidence.groups.get(group, _NONE)
        contacts = positives = 0
        waits = 0.0
        for at in self._members[group]:
            own = evidence.actions.get(self._catalog.actions[at].id, _NONE)
            contacts, positives = contacts + own.contacts, positives + own.positives
            waits += own.waiting
        return Tally(contacts, positives, waits)

    def _log(self, deciding: Deciding, evidence: Evidence, actions: IntArray) -> None:
        """Note the tallies that these actions' propensities stand on."""
        for at in np.unique(actions).tolist():
            action = self._catalog.actions[at]
            own = evidence.actions.get(action.id)
            if own is not None:
                deciding.evidence[action.id] = own
            if action.group and action.group not in deciding.evidence_groups:
                whole = self._of_group(evidence, action.group)
                if whole.contacts:
                    deciding.evidence_groups[action.group] = whole

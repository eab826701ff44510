"""What must hold for every decision, and for every explanation of one."""

from __future__ import annotations

from collections import Counter

from nba_engine.app import App
from nba_engine.domain import CandidateTrace, Decision, Explanation


def check_books(decision: Decision) -> None:
    """Candidates = recommended + dropped; no action twice; nothing only alone."""
    assert decision.candidates == len(decision.recommendations) + sum(decision.dropped.values())
    actions = [r.action for r in decision.recommendations if r.action != "nothing"]
    assert len(actions) == len(set(actions))
    by_placement = Counter(r.placement for r in decision.recommendations)
    for each in decision.recommendations:
        assert by_placement[each.placement] == 1 or each.action != "nothing"
        assert each.score > 0 or each.action == "nothing"


def check_changes(app: App, explanation: Explanation) -> Counter[str]:
    """What an explanation says would help does help, for every candidate that fell out.

    Returns how many were tried, per stage and reason.
    """
    order = [stage.stage for stage in app.settings.pipeline]
    tried: Counter[str] = Counter()
    for told in explanation.candidates:
        if told.stage:
            assert told.text.endswith("."), told
        if not told.changes or any(change.kind == "none" for change in told.changes):
            continue
        then = app.engine.what_if(explanation.decision.decision_id, told.changes)
        found = trace(then, told.treatment, told.placement)
        passed = not found.stage or order.index(found.stage) > order.index(told.stage)
        assert passed, f"{told}\nthen: {found}"
        tried[f"{told.stage}/{told.reason}"] += 1
    return tried


def trace(explanation: Explanation, treatment: str, placement: str) -> CandidateTrace:
    """What became of one candidate."""
    (found,) = [
        each
        for each in explanation.candidates
        if each.treatment == treatment and placement in ("", each.placement)
    ]
    return found

"""An explanation as a marketer reads it: why this, why not the next ones, what would change it."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence

from nba_engine.domain import CandidateTrace, CatalogView, Deciding, Decision, Recommendation

__all__ = ["money", "recommended_text", "runners_up", "story"]

RUNNERS_UP = 3
_LISTED = 4  # drop reasons named in the summary of the funnel

# what positive reason codes say; those with a subject after a colon end in "{}"
_GOOD: Mapping[str, str] = {
    "complement_of": "it goes with {}",
    "upgrade_of": "it is a step up from {}",
    "win_back": "it is made to win the customer back",
    "loyalty": "it rewards a loyal customer",
    "explored": "it was tried out in order to learn",
    "prior_used": "its propensity is the average of its kind, as the model had no answer",
    "best_value": "nothing else is worth more here",
}
_DROPPED: Mapping[str, str] = {
    "not_in_season": "are not in season",
    "not_eligible": "are not allowed for this customer",
    "not_applicable": "make no sense right now",
    "not_suitable": "do not suit this customer",
    "control_group": "are held back because the customer is in the control group",
    "no_consent": "lack the customer's consent",
    "quiet_hours": "fall into quiet hours",
    "limit_exhausted": "have a limit that is used up",
    "paused_after_reject": "rest after the customer refused them",
    "bought_recently": "were bought recently",
    "substitute_bought": "have a substitute that was bought recently",
    "in_cart": "are in the cart already",
    "no_value": "have no value",
    "below_nothing": "are worth less than they cost",
    "limit_refused": "were refused by the ledger",
    "render_failed": "have content that could not be rendered",
    "same_action": "are other forms of what is recommended",
    "outranked": "were outranked",
    "stage_failed": "could not be judged because a stage failed",
}


def money(catalog: CatalogView, amount: float) -> str:
    """Money with its currency: cents, or four digits for small amounts that cents would hide."""
    cents = amount * 100
    digits = 2 if abs(amount) >= 1 or abs(cents - round(cents)) < 1e-6 else 4
    return f"{amount:,.{digits}f} {catalog.currency}"


def story(
    catalog: CatalogView,
    deciding: Deciding,
    decision: Decision,
    traces: Sequence[CandidateTrace],
) -> tuple[str, ...]:
    """Full sentences: what was decided, why, why not the runners-up, what would change it."""
    return tuple(_sentences(catalog, deciding, decision, traces))


def recommended_text(catalog: CatalogView, one: Recommendation) -> str:
    """Why a recommendation is one: its arithmetic and its reasons."""
    action = catalog.actions[catalog.action_index[one.action]]
    channel = catalog.channels[one.channel].name
    if action.kind == "nothing":
        return f"In {one.placement} it is best to do nothing: no candidate is worth its cost."
    rank = "first" if one.position == 0 else f"number {one.position + 1}"
    changed = [f"weight {one.weight:.2f}"] if one.weight != 1.0 else []
    changed += [f"lever {one.lever:.2f}"] if one.lever != 1.0 else []
    multiplied = f", times {_joined(changed)}," if changed else ""
    cost = f" less {money(catalog, one.cost)} for the contact" if one.cost else ""
    text = (
        f"“{action.name}” by {channel} is {rank} in {one.placement}: a {one.propensity:.2%} chance "
        f"to gain {money(catalog, one.value)}{multiplied}{cost} leaves an expected "
        f"{money(catalog, one.score)}"
    )
    why = [words for code in one.reason_codes if (words := _good(catalog, code))]
    return f"{text}; {_joined(why)}." if why else f"{text}."


def runners_up(traces: Sequence[CandidateTrace], count: int = RUNNERS_UP) -> list[CandidateTrace]:
    """The dropped candidates that came closest: other actions, the best form of each.

    Scored ones first, by score; then those that fell out later in the pipeline.
    """
    recommended = {trace.action for trace in traces if not trace.stage}
    place = {
        stage: at for at, stage in enumerate(dict.fromkeys(t.stage for t in traces if t.stage))
    }
    ranked = sorted(
        (trace for trace in traces if trace.stage and trace.action not in recommended),
        key=lambda trace: (
            "score" in trace.columns,
            trace.columns.get("score", 0.0),
            place[trace.stage],
            trace.columns.get("propensity", 0.0),
        ),
        reverse=True,
    )
    closest: dict[str, CandidateTrace] = {}
    for trace in ranked:
        closest.setdefault(trace.action, trace)
        if len(closest) == count:
            break
    return list(closest.values())


def _sentences(
    catalog: CatalogView,
    deciding: Deciding,
    decision: Decision,
    traces: Sequence[CandidateTrace],
) -> Iterator[str]:
    moment = dt.datetime.fromtimestamp(decision.time, zoneinfo.ZoneInfo(catalog.time_zone))
    places = _joined([wanted.placement for wanted in deciding.placements])
    known = "" if decision.known else " (unknown until now)"
    yield (
        f"For customer {deciding.request.identity}{known} the engine weighed {decision.candidates} "
        f"candidates for {places} at {moment:%H:%M} on {moment.day} {moment:%B %Y} "
        f"({catalog.time_zone})."
    )
    if not decision.recommendations:
        yield "It recommends nothing at all."
    for one in decision.recommendations:
        yield recommended_text(catalog, one)
    for trace in runners_up(_without_nothing(catalog, traces)):
        yield _why_not(catalog, trace)
    if decision.dropped:
        yield _funnel(decision)
    for stage in dict.fromkeys(decision.degraded):
        yield f"Note: {stage} did not work as it should, and its failure policy was applied."


def _why_not(catalog: CatalogView, trace: CandidateTrace) -> str:
    """Why a runner-up is not recommended, and what would have to change."""
    action = catalog.actions[catalog.action_index[trace.action]]
    text = f"Why not “{action.name}” in {trace.placement}? {trace.text.rstrip()}"
    asked = [change.text for change in trace.changes if change.text]
    if asked and not all(change in trace.text for change in asked):
        text += f" It would pass if {_joined(asked)}."
    return text


def _funnel(decision: Decision) -> str:
    counts: dict[str, int] = {}
    for key, count in decision.dropped.items():
        reason = key.partition("/")[2]
        counts[reason] = counts.get(reason, 0) + count
    largest = sorted(counts.items(), key=lambda item: -item[1])
    listed = [
        f"{count} {_DROPPED.get(reason, f'fell out as {reason}')}"
        for reason, count in largest[:_LISTED]
    ]
    rest = sum(count for _, count in largest[_LISTED:])
    if rest:
        listed.append(f"{rest} fell out for other reasons")
    return f"Of the {decision.candidates} candidates, {_joined(listed)}."


def _good(catalog: CatalogView, code: str) -> str:
    """A positive reason code in words; "" for one that says nothing to people."""
    word, colon, subject = code.partition(":")
    words = _GOOD.get(word, "")
    if not colon:
        return words
    at = catalog.action_index.get(subject)
    return words.format(f"“{subject if at is None else catalog.actions[at].name}”")


def _without_nothing(
    catalog: CatalogView, traces: Sequence[CandidateTrace]
) -> list[CandidateTrace]:
    return [
        trace
        for trace in traces
        if catalog.actions[catalog.action_index[trace.action]].kind != "nothing"
    ]


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"

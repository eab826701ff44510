"""An explanation as a marketer reads it: why this, why not the next ones, what would change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from nba_engine.domain import (
    Action,
    CandidateTrace,
    CatalogView,
    Deciding,
    Decision,
    EvidenceSpec,
    Recommendation,
    Tally,
)
from nba_engine.domain.affinity_words import said_code
from nba_engine.domain.words import a_share, enumerated, spoken_money, spoken_time
from nba_engine.engine.contact_plans.words import planned_sentences
from nba_engine.stages.limits import Accounts, PricePart, Prices
from nba_engine.stages.wording import asked

__all__ = ["asked_by_limits", "recommended_text", "runners_up", "story", "without_nothing"]

RUNNERS_UP = 3
_LISTED = 4  # drop reasons named in the summary of the funnel

# what positive reason codes say; those with a subject after a colon end in "{}"
_GOOD: Mapping[str, str] = {
    "complement_of": "it goes with {}",
    "upgrade_of": "it is a step up from {}",
    "win_back": "it is made to win the customer back",
    "loyalty": "it rewards a loyal customer",
    "planned": "",  # told in a sentence of its own
    "explored": "it was tried out in order to learn",
    "new_action": "",  # told in a sentence of its own
    "by_uplift": "",  # told where the chance is
    "uplift_unknown": "its value counts by its chance, as what showing it changes is not known",
    "prior_used": "its propensity is the average of its kind, as the model had no answer",
    "best_value": "nothing else is worth more here",
}
# what drop reasons say of one candidate and of several
_DROPPED: Mapping[str, tuple[str, str]] = {
    "not_in_season": ("is not in season", "are not in season"),
    "not_eligible": ("is not allowed for this customer", "are not allowed for this customer"),
    "not_applicable": ("makes no sense right now", "make no sense right now"),
    "not_suitable": ("does not suit this customer", "do not suit this customer"),
    "control_group": (
        "is held back because the customer is in the control group",
        "are held back because the customer is in the control group",
    ),
    "no_consent": ("lacks the customer's consent", "lack the customer's consent"),
    "quiet_hours": ("falls into quiet hours", "fall into quiet hours"),
    "limit_exhausted": ("has a limit that is used up", "have a limit that is used up"),
    "paused_after_reject": (
        "rests after the customer refused it",
        "rest after the customer refused them",
    ),
    "not_after": (
        "has to wait after an earlier contact, by the rule",
        "have to wait after an earlier contact, by the rule",
    ),
    "bought_recently": ("was bought recently", "were bought recently"),
    "substitute_bought": (
        "has a substitute that was bought recently",
        "have a substitute that was bought recently",
    ),
    "in_cart": ("is in the cart already", "are in the cart already"),
    "no_value": ("has no value", "have no value"),
    "not_planned": ("is not planned for now", "are not planned for now"),
    "below_nothing": ("is worth less than it costs", "are worth less than they cost"),
    "limit_refused": ("was refused by the ledger", "were refused by the ledger"),
    "render_failed": (
        "has content that could not be rendered",
        "have content that could not be rendered",
    ),
    "same_action": (
        "is another form of what is recommended",
        "are other forms of what is recommended",
    ),
    "slate_rule": (
        "may not stand beside what is recommended, by the rule",
        "may not stand beside what is recommended, by the rule",
    ),
    "outranked": ("was outranked", "were outranked"),
    "stage_failed": (
        "could not be judged because a stage failed",
        "could not be judged because a stage failed",
    ),
}
# reasons of candidates that would have been worth their cost
_WORTH_IT = frozenset({"limit_refused", "render_failed", "same_action", "outranked"})


def story(
    catalog: CatalogView,
    deciding: Deciding,
    decision: Decision,
    traces: Sequence[CandidateTrace],
) -> tuple[str, ...]:
    """Full sentences: what was decided, why, why not the runners-up, what would change it."""
    return tuple(_sentences(catalog, deciding, decision, traces))


def recommended_text(
    catalog: CatalogView,
    one: Recommendation,
    dropped: Sequence[CandidateTrace],
    evidence: Mapping[str, Tally] = {},
    prices: Sequence[PricePart] = (),
) -> str:
    """Why a recommendation is one: its arithmetic and its reasons; of *nothing*, what fell out.

    ``evidence`` is what the decision stood on, by action; ``prices`` what limits ask for it.
    """
    action = catalog.actions[catalog.action_index[one.action]]
    channel = catalog.channels[one.channel].name
    if action.kind == "nothing":
        if "explored" in one.reason_codes:
            return (
                f"In {one.placement} nothing is recommended in order to learn: doing nothing was "
                f"drawn, with a probability of {one.selection_probability:.2%}."
            )
        return f"In {one.placement} {_why_nothing(catalog, one.placement, dropped)}."
    rank = "first" if one.position == 0 else f"number {one.position + 1}"
    changed = [f"weight {one.weight:.2f}"] if one.weight != 1.0 else []
    changed += [f"lever {one.lever:.2f}"] if one.lever != 1.0 else []
    multiplied = f", times {enumerated(changed)}," if changed else ""
    cost = f" less {spoken_money(one.cost, catalog.currency)} for the contact" if one.cost else ""
    cost += "".join(
        f" {'plus' if part.floor else 'less'} {asked(catalog, part)}" for part in prices
    )
    text = (
        f"“{action.name}” by {channel} is {rank} in {one.placement}: {_chance(one, prices)} "
        f"to gain {spoken_money(one.value, catalog.currency)}{multiplied}{cost} leaves an "
        f"expected {spoken_money(one.score, catalog.currency)}"
    )
    why = [words for code in one.reason_codes if (words := _good(catalog, code))]
    text = f"{text}; {enumerated(why)}." if why else f"{text}."
    if "new_action" in one.reason_codes and catalog.evidence is not None:
        text += _little_known(action, catalog.evidence, evidence.get(action.id, Tally()))
    if catalog.placements[one.placement].exploration is None:
        return text
    above = "" if one.position == 0 else ", given what stands above it"
    return (
        f"{text} What is shown there is drawn: this had a probability of "
        f"{one.selection_probability:.2%}{above}."
    )


def asked_by_limits(catalog: CatalogView, deciding: Deciding) -> dict[str, list[PricePart]]:
    """What the prices of limits ask for each treatment that is recommended."""
    if not deciding.prices and not deciding.planned:
        return {}
    prices = Prices(catalog, Accounts(catalog))
    slot_of = {one.placement: slot for slot, one in enumerate(deciding.placements)}
    found = {}
    for one in deciding.recommendations:
        at, slot = catalog.treatment_index[one.treatment], slot_of[one.placement]
        found[one.treatment] = prices.parts_in(deciding, slot, at)
    return found


def _chance(one: Recommendation, prices: Sequence[PricePart]) -> str:
    """``3% chance``, or what showing it adds to that where this counts."""
    gain = one.weight * one.lever * one.value
    if "by_uplift" not in one.reason_codes or not gain:
        return f"{a_share(one.propensity)} chance"
    asked = sum(part.total for part in prices)
    points = 100.0 * (one.score + one.cost + asked) / gain
    return f"showing it adds {points:.1f} percentage points to the chance"


def runners_up(traces: Sequence[CandidateTrace], count: int = RUNNERS_UP) -> list[CandidateTrace]:
    """The dropped candidates that came closest: other actions, the best form of each.

    Scored ones first, by score; then those that fell out later in the pipeline (of one stage: for
    a later one of its reasons).
    """
    recommended = {trace.action for trace in traces if not trace.stage}
    place = {
        key: at
        for at, key in enumerate(dict.fromkeys((t.stage, t.reason) for t in traces if t.stage))
    }
    ranked = sorted(
        (trace for trace in traces if trace.stage and trace.action not in recommended),
        key=lambda trace: (
            "score" in trace.columns,
            trace.columns.get("score", 0.0),
            place[trace.stage, trace.reason],
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
    moment = spoken_time(decision.time, catalog.time_zone)
    places = enumerated([wanted.placement for wanted in deciding.placements])
    known = "" if decision.known else " (unknown until now)"
    yield (
        f"For customer {deciding.request.identity}{known} the engine weighed {decision.candidates} "
        f"candidates for {places} at {moment} ({catalog.time_zone})."
    )
    if not decision.recommendations:
        yield "It recommends nothing at all."
    considered = without_nothing(catalog, traces)
    dropped = [trace for trace in considered if trace.stage]
    asked = asked_by_limits(catalog, deciding)
    for one in decision.recommendations:
        prices = asked.get(one.treatment, ())
        yield recommended_text(catalog, one, dropped, deciding.evidence, prices)
    yield from planned_sentences(catalog, deciding)
    for trace in runners_up(considered):
        action = catalog.actions[catalog.action_index[trace.action]]
        yield f"Why not “{action.name}” in {trace.placement}? {trace.text}"
    if decision.dropped:
        yield _funnel(decision)
    yield from _sources(catalog, deciding)
    for stage in dict.fromkeys(decision.degraded):
        if not stage.startswith("profile_sources."):  # told
            yield f"Note: {stage} did not work as it should, and its failure policy was applied."


def _sources(catalog: CatalogView, deciding: Deciding) -> Iterator[str]:
    """What was known of the customer by profile sources, and which of them did not answer."""
    for one in deciding.state.fetched if deciding.state is not None else ():
        if one.failed:
            yield (
                f"Note: the profile source {one.source} gave no answer in time, so the decision did "
                "without what it knows."
            )
        else:
            come = "comes" if len(one.attributes) == 1 else "come"
            yield (
                f"{enumerated([f'“{name}”' for name in one.attributes])} {come} from the profile "
                f"source {one.source}, as of {spoken_time(one.time, catalog.time_zone)}."
            )


def _little_known(action: Action, spec: EvidenceSpec, tally: Tally) -> str:
    """Where a propensity comes from, and how much of it."""
    source = f"its group “{action.group}”" if action.group else "what the catalog states for it"
    if not tally.contacts:
        return f" There were no contacts with it so far: its propensity comes from {source}."
    count = "1 contact" if tally.contacts == 1 else f"{tally.contacts} contacts"
    share = spec.start / (spec.start + tally.counted)
    waits = ""
    if tally.waiting >= 0.05:
        waits = f"; as outcomes may still come, they count as {tally.counted:.1f}"
    return (
        f" {count} so far, {tally.positives} of them with a positive outcome{waits}: {share:.0%} of "
        f"its propensity comes from {source}."
    )


def _why_nothing(catalog: CatalogView, placement: str, dropped: Sequence[CandidateTrace]) -> str:
    """Why nothing is recommended in a placement: what became of its candidates says so."""
    reasons = Counter(
        trace.reason for trace in without_nothing(catalog, dropped) if trace.placement == placement
    )
    if not reasons:
        return "nothing can be done: the catalog has no candidate for it"
    if set(reasons) == {"below_nothing"}:
        return "it is best to do nothing: no candidate is worth its cost"
    if "below_nothing" in reasons and not reasons.keys() & _WORTH_IT:
        return "it is best to do nothing: no candidate that is possible is worth its cost"
    told = enumerated([_counted(reason, count) for reason, count in reasons.most_common(_LISTED)])
    rest = sum(count for _, count in reasons.most_common()[_LISTED:])
    more = f", {rest} fell out for other reasons" if rest else ""
    return f"nothing is recommended: of its candidates {told}{more}"


def _funnel(decision: Decision) -> str:
    counts: dict[str, int] = {}
    for key, count in decision.dropped.items():
        reason = key.partition("/")[2]
        counts[reason] = counts.get(reason, 0) + count
    largest = sorted(counts.items(), key=lambda item: -item[1])
    listed = [_counted(reason, count) for reason, count in largest[:_LISTED]]
    rest = sum(count for _, count in largest[_LISTED:])
    if rest:
        listed.append(f"{rest} fell out for other reasons")
    return f"Of the {decision.candidates} candidates, {enumerated(listed)}."


def _counted(reason: str, count: int) -> str:
    """How many fell out for a reason: 1 is not in season, 4 lack the customer's consent."""
    word, _, which = reason.partition(":")
    one, many = _DROPPED.get(word, (f"fell out as {reason}",) * 2)
    told = f"{count} {one if count == 1 else many}"
    return f"{told} “{which}”" if which and word in _DROPPED else told


def _good(catalog: CatalogView, code: str) -> str:
    """A positive reason code in words; "" for one that says nothing to people."""
    word, colon, subject = code.partition(":")
    if word == "answers":
        return said_code(catalog, code)
    words = _GOOD.get(word, "")
    if not colon:
        return words
    at = catalog.action_index.get(subject)
    return words.format(f"“{subject if at is None else catalog.actions[at].name}”")


def without_nothing(catalog: CatalogView, traces: Sequence[CandidateTrace]) -> list[CandidateTrace]:
    """The traces of what can be done."""
    return [
        trace
        for trace in traces
        if catalog.actions[catalog.action_index[trace.action]].kind != "nothing"
    ]

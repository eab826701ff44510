"""Why a candidate is not in the slate, in sentences, and what would bring it in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from nba_engine.domain import (
    Answer,
    Change,
    Deciding,
    Drop,
    Recommendation,
    Values,
)
from nba_engine.domain.words import enumerated, with_changes
from nba_engine.errors import RenderFailed
from nba_engine.stages.arbitration import factor_above
from nba_engine.stages.limits import Accounts, QuietClock, amount_of
from nba_engine.stages.slate.priced import moved_below
from nba_engine.stages.slate.rehearsal import Rehearsal
from nba_engine.stages.slate.reservations import recommendation_id
from nba_engine.stages.slate.together import Together
from nba_engine.stages.supplying import example_of, known_text
from nba_engine.stages.supposing import Supposed, impossible
from nba_engine.stages.wording import amount, lever, money, parts, subject

__all__ = ["explain_slate"]

# (treatment index, customer, context, now) → content
Render = Callable[[int, Values, Values, float], dict[str, str]]

_MISSING_AT_MOST = 8
_TEMPERATURES = 40.0  # so far below the best nothing is drawn: e^-40


class _Case(NamedTuple):
    """One candidate that is not in the slate, and everything needed to say why."""

    deciding: Deciding
    unit: int
    slot: int
    position: int  # in the rehearsal
    rehearsal: Rehearsal
    accounts: Accounts
    render: Render
    clock: QuietClock


def explain_slate(
    deciding: Deciding,
    drop: Drop,
    position: int,
    *,
    accounts: Accounts,
    together: Together,
    render: Render,
    clock: QuietClock,
) -> tuple[str, Sequence[Change]]:
    """A sentence for the drop's reason, and changes that a rehearsal saw succeed."""
    unit = int(drop.index[position])
    if deciding.catalog.is_nothing[unit]:
        none = impossible("nothing is recommended when no candidate is worth its contact")
        text = "Doing nothing was outranked: something is worth more than its contact."
        place = deciding.placements[int(drop.slot[position])].placement
        if deciding.catalog.placements[place].exploration is not None:
            text = "Doing nothing was not drawn: something that is worth its contact came out."
        return with_changes(text, none), none
    rehearsal = Rehearsal(deciding, drop.stage, accounts, together)
    at = rehearsal.position(drop, position)
    slot = int(drop.slot[position])
    case = _Case(deciding, unit, slot, at, rehearsal, accounts, render, clock)
    if drop.reason == "render_failed":
        why, changes = _not_rendered(case)
    elif drop.reason == "limit_refused":
        why, changes = _refused(case)
    elif drop.reason == "same_action":
        why, changes = _same_action(case)
    elif drop.reason.startswith("slate_rule:"):
        why, changes = _kept_out(case, drop.reason.partition(":")[2])
    else:
        why, changes = _outranked(case)
    return with_changes(f"{subject(deciding, unit)} {why}.", changes), changes


def _outranked(case: _Case) -> tuple[str, Sequence[Change]]:
    deciding = case.deciding
    place = deciding.placements[case.slot].placement
    own = case.rehearsal.numbers(case.position)["score"]
    there = _there(case)
    exploration = deciding.catalog.placements[place].exploration
    if exploration is not None:
        drawn = " and ".join(_named(deciding, each) for each in there)
        why = (
            f"would be worth {money(deciding.catalog, own)}, but what is shown in {place} is drawn, "
            f"in order to learn, and {drawn} came out"
        )
        # so far above all others that hardly anything else can be drawn
        return why, _lifted(case, [_certain(case, exploration.temperature)])
    worst = min(there, key=lambda each: each.score)
    count = "the one place" if len(there) == 1 else f"the {len(there)} places"
    planned = [each for each in there if "planned" in each.reason_codes]
    if planned and (len(planned) == len(there) or worst in planned):
        first = " and ".join(_named(deciding, each) for each in planned)
        why = (
            f"would be worth {money(deciding.catalog, own)}, but {count} of {place} went to what is "
            f"planned for the customer, {first}"
        )
        return why, _lifted(case, [])
    why = (
        f"would be worth {money(deciding.catalog, own)}, but {count} of {place} went to what is "
        f"worth more; the last of them is {_named(deciding, worst)} with "
        f"{money(deciding.catalog, worst.score)}"
    )
    why += moved_below(deciding, case.accounts, case.unit, case.slot, own, worst)
    return why, _lifted(case, [worst.score])


def _certain(case: _Case, temperature: float) -> float:
    return float(case.rehearsal.columns["score"].max()) + _TEMPERATURES * temperature


def _same_action(case: _Case) -> tuple[str, Sequence[Change]]:
    deciding = case.deciding
    action = parts(deciding, case.unit)[0]
    other = next(r for r in deciding.recommendations if r.action == action.id)
    why = f"was left out because {_named(deciding, other)} is already recommended in {other.placement}"
    if other.treatment == deciding.catalog.treatments[case.unit].id:
        return why, impossible("one action is recommended once per request")
    there = _there(case)
    full = len(there) == deciding.placements[case.slot].slots
    worst = min((each.score for each in there), default=0.0) if full else 0.0
    return why, _lifted(case, [max(worst, other.score)])


def _kept_out(case: _Case, rule_id: str) -> tuple[str, Sequence[Change]]:
    deciding, unit = case.deciding, case.unit
    rule = next(one for one in deciding.catalog.slate_rules if one.id == rule_id)
    index = deciding.catalog.treatment_index
    about = set(rule.treatments)
    if rule.beside:
        about = {*(rule.beside if unit in about else ()), *(about if unit in rule.beside else ())}
    place = deciding.placements[case.slot].placement
    there = [
        each
        for each in deciding.recommendations
        if index[each.treatment] in about and (rule.per == "answer" or each.placement == place)
    ]
    standing = enumerated([f"{_named(deciding, each)} in {each.placement}" for each in there])
    stand = "stands" if len(there) == 1 else "stand"
    why = f"was left out by “{rule.name}”: it never stands beside {standing}, which {stand} already"
    if rule.at_most:
        where = "one answer" if rule.per == "answer" else "one placement"
        why = (
            f"was left out by “{rule.name}”: at most {rule.at_most} of these in {where}, and "
            f"{standing} {stand} already"
        )
    scores = [each.score for each in there]
    # to take the place of several it must be worth more than all of them
    return why, _lifted(case, [*scores, sum(each.score for each in deciding.recommendations)])


def _there(case: _Case) -> list[Recommendation]:
    """What was recommended in the candidate's placement."""
    place = case.deciding.placements[case.slot].placement
    return [each for each in case.deciding.recommendations if each.placement == place]


def _refused(case: _Case) -> tuple[str, Sequence[Change]]:
    deciding = case.deciding
    answer = _answer(case)
    if answer is None:
        return "was left out because the ledger of limits could not be reached", impossible(
            "the ledger would have to be reachable"
        )
    limit = next(one for one in deciding.catalog.limits if one.id == answer.refused_by)
    hold = next(
        one for one in case.accounts.holds(deciding, case.unit) if one.limit == answer.refused_by
    )
    why = (
        f"was refused by the limit “{limit.name}”: "
        f"{amount(deciding.catalog, limit, max(0, answer.room))} left of "
        f"{amount(deciding.catalog, limit, hold.ceiling)}, "
        f"{amount(deciding.catalog, limit, hold.amount)} needed"
    )
    amounts = _needed(case)
    if amounts and case.rehearsal.takes(case.position, amounts=amounts):
        return why, _raised(case, amounts)
    return why, _lifted(case, [])


def _not_rendered(case: _Case) -> tuple[str, Sequence[Change]]:
    content = _content(case)
    why = f"was left out because its content could not be made ({content.problem})"
    if not content.made:
        return why, impossible("its template would have to be mended")
    if case.rehearsal.takes(case.position, renders=content.renders):
        return why, content.supposed.changes
    return why, _lifted(case, [])


class _Content(NamedTuple):
    """What is wrong with a candidate's content, and what was supposed to make it right."""

    case: _Case
    supposed: Supposed
    problem: str
    made: bool

    def renders(self, treatment: int) -> bool:
        """Whether a treatment can be rendered as supposed."""
        supposed = self.supposed
        try:
            self.case.render(treatment, supposed.customer, supposed.context, supposed.now)
        except Exception:
            return False  # a channel is a plugin, see `Slate`
        return True


def _content(case: _Case) -> _Content:
    deciding = case.deciding
    supposed = Supposed(deciding)
    problem = ""
    for _ in range(_MISSING_AT_MOST):
        try:
            case.render(case.unit, supposed.customer, supposed.context, deciding.now)
        except RenderFailed as error:
            problem = problem or error.message
            change = _supplied(deciding, error.metadata.get("missing", ""))
            if change is None:
                break
            supposed.add([change])
        except Exception:
            problem = problem or "its channel failed"
            break
        else:
            return _Content(case, supposed, problem, supposed.settle(case.unit, case.clock))
    return _Content(case, supposed, problem, made=False)


def _lifted(case: _Case, targets: Iterable[float]) -> tuple[Change, ...]:
    """The lever (and, if it must be, limits and content) that brings it in, as rehearsed."""
    content = _content(case)
    if not content.made:
        return impossible("its template would have to be mended")
    rehearsal = case.rehearsal
    renders = content.renders if content.supposed.changes else None
    numbers = rehearsal.numbers(case.position)
    best = float(rehearsal.columns["score"].max())
    for target in (*sorted(targets), best):
        factor = factor_above(numbers, target)
        if factor is None:
            break
        found = (*content.supposed.changes, _lever(case, factor))
        if rehearsal.takes(case.position, factor=factor, renders=renders):
            return found
        amounts = _alone(case)
        if amounts and rehearsal.takes(
            case.position, factor=factor, amounts=amounts, renders=renders
        ):
            return (*found, *_raised(case, amounts))
    return impossible("no lever brings it in")


def _lever(case: _Case, factor: float) -> Change:
    return Change(
        kind="lever",
        target=case.deciding.catalog.treatments[case.unit].id,
        value=factor,
        text=lever(case.deciding, case.unit, factor),
    )


def _needed(case: _Case) -> dict[str, int]:
    """Limit → the amount that leaves room for the candidate after all that go before it."""
    score = case.rehearsal.columns["score"]
    own = score[case.position]
    before = [
        at
        for at in range(len(score))
        if at != case.position
        and score[at] >= own
        and (at < case.rehearsal.recommended or _asked(case, at))
    ]
    amounts: dict[str, int] = {}
    for hold in case.accounts.holds(case.deciding, case.unit):
        others = sum(
            other.amount
            for at in before
            for other in case.accounts.holds(case.deciding, int(case.rehearsal.index[at]))
            if other.account == hold.account
        )
        needed = case.rehearsal.used(hold.account) + others + hold.amount
        if needed > hold.ceiling:
            amounts[hold.limit] = needed
    return amounts


def _alone(case: _Case) -> dict[str, int]:
    """Limit → the amount that leaves room for the candidate if it comes first."""
    return {
        hold.limit: case.rehearsal.used(hold.account) + hold.amount
        for hold in case.accounts.holds(case.deciding, case.unit)
        if case.rehearsal.used(hold.account) + hold.amount > hold.ceiling
    }


def _raised(case: _Case, amounts: dict[str, int]) -> tuple[Change, ...]:
    catalog = case.deciding.catalog
    return tuple(
        Change(
            kind="limit",
            target=limit.id,
            value=amount_of(limit, amounts[limit.id]),
            text=f"the limit “{limit.name}” is raised to {amount(catalog, limit, amounts[limit.id])}",
        )
        for limit in catalog.limits
        if limit.id in amounts
    )


def _asked(case: _Case, at: int) -> bool:
    rehearsal = case.rehearsal
    wanted = recommendation_id(case.deciding, int(rehearsal.index[at]), int(rehearsal.slot[at]))
    return any(answer.reservation_id == wanted for answer in case.deciding.answers)


def _answer(case: _Case) -> Answer | None:
    wanted = recommendation_id(case.deciding, case.unit, case.slot)
    for answer in case.deciding.answers:
        if answer.reservation_id == wanted:
            return answer
    return None


def _supplied(deciding: Deciding, missing: str) -> Change | None:
    root, _, name = missing.partition(".")
    if root not in {"customer", "context"} or not name:
        return None
    example = example_of(deciding, root, name)
    if example is None:
        return None
    return Change(
        kind="attribute" if root == "customer" else "context",
        target=name,
        value=example,
        text=known_text(deciding, root, name, example),
    )


def _named(deciding: Deciding, recommendation: Recommendation) -> str:
    return subject(deciding, deciding.catalog.treatment_index[recommendation.treatment])

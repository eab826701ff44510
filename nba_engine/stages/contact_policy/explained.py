"""Why the contact policy dropped a candidate, in sentences, and what would have to change."""

from __future__ import annotations

from collections.abc import Sequence

from nba_engine.domain import Change, ChannelSpec, Deciding
from nba_engine.domain.words import enumerated, with_changes
from nba_engine.stages.contact_policy.after import ends_after, last_before
from nba_engine.stages.contact_policy.consent import ANY, consented, key_of
from nba_engine.stages.contact_policy.control import in_control_group
from nba_engine.stages.limits import CLOSED, Accounts, Draw, QuietClock, amount_of, ceiling_of
from nba_engine.stages.supposing import Supposed, impossible
from nba_engine.stages.wording import amount, length, moment, parts, subject

__all__ = ["explain_policy", "limit_change", "used_of"]


def explain_policy(
    deciding: Deciding,
    reason: str,
    unit: int,
    *,
    accounts: Accounts,
    clock: QuietClock,
    rejected: str,
) -> tuple[str, Sequence[Change]]:
    """A sentence for ``reason``; changes for everything that stands against the candidate."""
    action, _, channel = parts(deciding, unit)
    catalog, now = deciding.catalog, deciding.now
    supposed = Supposed(deciding)
    why: dict[str, str] = {}

    if in_control_group(catalog.control_group, deciding.customer_id):
        share = f"{catalog.control_group.share:.1%}"
        why["control_group"] = f"the customer belongs to the control group ({share} of all)"
        text = "the customer leaves the control group"
        supposed.add([Change(kind="control_group", text=text)])
    for group in catalog.control_groups:
        if unit in group.treatments and in_control_group(group, deciding.customer_id):
            why[f"control_group:{group.id}"] = (
                f"the customer belongs to the control group “{group.name}” ({group.share:.1%} of all), "
                "which never gets it"
            )
            text = f"the customer leaves the control group “{group.name}”"
            supposed.add([Change(kind="control_group", target=group.id, text=text)])
    if channel.consent and not consented(deciding, key_of(channel), f"{channel.consent}:{ANY}"):
        why["no_consent"] = (
            f"the customer has not agreed to {channel.consent} by {channel.name}"
            if deciding.known
            else f"an unknown customer has not agreed to {channel.consent} by {channel.name}"
        )
        target = key_of(channel)
        text = f"the customer agrees to {channel.consent} by {channel.name}"
        supposed.add([Change(kind="consent", target=target, text=text)])

    until = now
    if clock.is_quiet(channel, now):
        until = clock.opens(channel, now)
        why["quiet_hours"] = (
            f"{channel.name} keeps quiet hours ({_hours(channel)}); "
            f"it would have been possible from {moment(catalog, until, now)}"
        )
    times = deciding.customer.get(rejected) or {}
    last = times.get(action.id)
    if (
        action.pause_after_reject > 0
        and last is not None
        and now < last + action.pause_after_reject
    ):
        ends = last + action.pause_after_reject
        why["paused_after_reject"] = (
            f"the customer rejected it at {moment(catalog, last, now)}, and it pauses until "
            f"{moment(catalog, ends, now)}"
        )
        until = clock.opens(channel, max(until, ends))
    for rule in catalog.slate_rules:
        ends = ends_after(rule, deciding) if unit in rule.treatments and rule.after else now
        if ends > now:
            before, at = last_before(rule, deciding)
            other = catalog.actions[catalog.action_index[before]]
            why[f"not_after:{rule.id}"] = (
                f"“{rule.name}” keeps it away for {length(rule.within)} after “{other.name}”, which "
                f"the customer got at {moment(catalog, at, now)}; it would have been possible from "
                f"{moment(catalog, ends, now)}"
            )
            until = clock.opens(channel, max(until, ends))
    supposed.wait(until, "decide")

    exhausted = [_used_up(deciding, accounts, draw, now) for draw in accounts.draws[unit]]
    why["limit_exhausted"] = (
        enumerated([text for text in exhausted if text]) or "a limit is used up"
    )
    sentence = f"{subject(deciding, unit)} was not possible because "
    sentence += why.get(reason, "the contact policy is against it")
    if not supposed.settle(unit, clock):
        changes = impossible("by the time it may be sent, its season or its rules are against it")
        return with_changes(f"{sentence}.", changes), changes
    supposed.add(
        [
            limit_change(deciding, accounts, draw, supposed)
            for draw in accounts.draws[unit]
            if _lacks_room(deciding, accounts, draw, supposed)
        ]
    )
    return with_changes(f"{sentence}.", supposed.changes), supposed.changes


def used_of(deciding: Deciding, account: str) -> int:
    """What the account has used, as the decision read it; read now if it had no need to."""
    used = deciding.usage.get(account)
    if used is None:
        used = deciding.reads.usage((account,)).get(account, 0)
    return used


def limit_change(
    deciding: Deciding, accounts: Accounts, draw: Draw, supposed: Supposed, *, more: int = 0
) -> Change:
    """The amount the limit would need for this candidate (and ``more`` units before it)."""
    limit = deciding.catalog.limits[draw.limit]
    account = accounts.limits[draw.limit].account(draw.cell, deciding.customer_id, supposed.now)
    needed = used_of(deciding, account) + draw.amount + more
    words = amount(deciding.catalog, limit, needed)
    return Change(
        kind="limit",
        target=limit.id,
        value=amount_of(limit, needed),
        text=f"the limit “{limit.name}” is raised to {words}",
    )


def _lacks_room(deciding: Deciding, accounts: Accounts, draw: Draw, supposed: Supposed) -> bool:
    account = accounts.limits[draw.limit].account(draw.cell, deciding.customer_id, supposed.now)
    ceiling = ceiling_of(deciding, deciding.catalog.limits[draw.limit])
    return ceiling == CLOSED or used_of(deciding, account) + draw.amount > ceiling


def _used_up(deciding: Deciding, accounts: Accounts, draw: Draw, now: float) -> str:
    catalog = deciding.catalog
    limit = catalog.limits[draw.limit]
    cells = accounts.limits[draw.limit]
    used = used_of(deciding, cells.account(draw.cell, deciding.customer_id, now))
    ceiling = ceiling_of(deciding, limit)
    if ceiling == CLOSED:
        return f"the amount of the limit “{limit.name}” cannot be computed for this customer"
    if used + draw.amount <= ceiling:
        return ""
    text = (
        f"the limit “{limit.name}” has no room left ({amount(catalog, limit, used)} of "
        f"{amount(catalog, limit, ceiling)} used, {amount(catalog, limit, draw.amount)} needed)"
    )
    if cells.rolls:
        return f"{text}, counted over the last {length(cells.rolls)}"
    period = cells.calendar.at(now)
    if period.end == float("inf"):
        return text
    return f"{text}, and a new {limit.window.unit} begins at {moment(catalog, period.end, now)}"


def _hours(channel: ChannelSpec) -> str:
    quiet = channel.quiet_hours
    if quiet is None:
        return "none"
    return f"{quiet.start // 60:02d}:{quiet.start % 60:02d} to {quiet.end // 60:02d}:{quiet.end % 60:02d}"

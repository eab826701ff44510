"""A plan with pictures, for those who spend the money."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nba_engine.domain import MICROS
from nba_engine.learning.report import COLORS, Report, bars, canvas, styled
from nba_engine.planning.plan import Plan
from nba_engine.planning.problem import Problem
from nba_engine.planning.written import Shown

__all__ = ["report_plan"]

_UNLIMITED = np.iinfo(np.int64).max


def report_plan(problem: Problem, plan: Plan, shown: Shown, source: str) -> Report:
    """Limits and their prices, value and spend by channel and period, budgets, lengths of chains."""
    report = Report("Contact plan", source)
    contacted = int(shown.lengths[1:].sum())
    report.text(
        f"{contacted:,} of {len(shown.budget):,} customers are contacted, "
        f"{int(plan.counts.sum()):,} times, for {shown.spent.sum() / MICROS:,.2f}. "
        f"The plan is worth {plan.value:,.2f}. No plan within these limits can be worth more than "
        f"{plan.bound:,.2f}: this one is within {100 * plan.gap:.3f} % of the best there is. "
        "No limit is exceeded."
    )
    _limits(report, problem, plan)
    _channels(report, problem, plan, shown)
    _budgets(report, shown)
    report.section("Chains")
    report.picture(
        bars(
            {_length(n): float(count) for n, count in enumerate(shown.lengths)},
            unit="customers",
        ),
        "Customers by the number of their contacts.",
        "bars: customers by number of contacts",
    )
    return report


def _limits(report: Report, problem: Problem, plan: Plan) -> None:
    report.section("Limits")
    if not problem.limits:
        report.text("There are none.")
        return
    rows: list[Sequence[str | float | None]] = []
    prices = {}
    for k, limit in enumerate(problem.limits):
        unit = MICROS if limit.measure == "money" else 1
        price = float(plan.at.prices[k]) * unit
        used, most = limit.sign * plan.used[k], "at least" if limit.floor else "at most"
        share = 100 * used / limit.amount if limit.amount else None
        rows.append(
            [limit.name, limit.measure, most, limit.amount / unit, used / unit, share, price]
        )
        prices[limit.name] = price
    report.table(["limit", "counts", "", "amount", "used", "used, %", "price"], rows)
    report.text(
        "The price says what one more unit of a limit would earn: one more contact, or one more "
        "unit of money. Where it is 0, more would earn nothing. The price of what must be used at "
        "least says what one less would earn."
    )
    for measure, words in (("contacts", "one more contact"), ("money", "one more unit of money")):
        some = {one.name: prices[one.name] for one in problem.limits if one.measure == measure}
        if some:
            report.picture(
                bars(some, unit=f"what {words} would earn"),
                f"Prices of the limits on {measure}.",
                f"bars: price of each limit on {measure}",
            )


def _channels(report: Report, problem: Problem, plan: Plan, shown: Shown) -> None:
    report.section("Channels and periods")
    channels = sorted({one.channel for one in problem.names})
    rows: list[Sequence[str | float | None]] = []
    value, spend = {}, {}
    for channel in channels:
        mine = np.array([one.channel == channel for one in problem.names])
        money = plan.counts[mine] * problem.contacts.cost[mine, None] / MICROS
        name = channel or "no channel given"
        value[name], spend[name] = shown.value[mine].sum(axis=0), money.sum(axis=0)
        count = plan.counts[mine].sum(axis=0)
        for t in range(problem.rules.periods):
            money_spent, earned = float(spend[name][t]), float(value[name][t])
            rows.append([name, str(t + 1), int(count[t]), money_spent, earned])
    for what, amounts in (("Value", value), ("Spend", spend)):
        report.picture(
            _stacked(amounts, problem.rules.periods, what.lower()),
            f"{what} by channel and period.",
            f"stacked bars: {what.lower()} by period, one color per channel",
        )
    report.table(["channel", "period", "contacts", "spend", "value"], rows)


@styled()
def _stacked(amounts: dict[str, NDArray[np.float64]], periods: int, unit: str) -> Figure:
    figure, axes = canvas()
    below = np.zeros(periods)
    places = np.arange(1, periods + 1)
    for number, (name, by_period) in enumerate(amounts.items()):
        color = COLORS[number % len(COLORS)]
        axes.bar(places, by_period, 0.7, bottom=below, color=color, label=name)
        below = below + by_period
    axes.set_xticks(places)
    axes.set_xlabel("period")
    axes.set_ylabel(unit)
    axes.legend()
    return figure


def _budgets(report: Report, shown: Shown) -> None:
    report.section("Budgets of customers")
    having = (shown.budget > 0) & (shown.budget < _UNLIMITED)
    if not having.any():
        report.text("No customer has a budget above 0 that ends.")
        return
    budget, spent = shown.budget[having] / MICROS, shown.spent[having] / MICROS
    order = np.argsort(budget, kind="stable")
    rows: list[Sequence[str | float | None]] = []
    shares = {}
    for number, part in enumerate(np.array_split(order, 10), 1):
        if not len(part):
            continue
        total = float(budget[part].sum())
        share = 100 * float(spent[part].sum()) / total
        rows.append([str(number), len(part), total, float(spent[part].sum()), share])
        shares[f"decile {number}"] = share
    report.picture(
        bars(shares, unit="% of the budgets that is spent"),
        "Use of customers' own budgets, from the smallest tenth to the largest.",
        "bars: share of budgets spent by decile of budget",
    )
    report.table(["decile", "customers", "budgets", "spent", "spent, %"], rows)


def _length(count: int) -> str:
    return "no contact" if not count else f"{count} contact{'s' if count > 1 else ''}"

"""The report of a value model: tables and pictures for whoever decides on budgets."""

from __future__ import annotations

import datetime as dt
import itertools
import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nba_engine.domain import PurchaseModel, ValueTerms
from nba_engine.learning.report import COLORS, Report, bars, canvas, histogram, styled
from nba_engine.learning.value.buyers import Buyers
from nba_engine.learning.value.choice import Choice
from nba_engine.learning.value.fit import ValueFit
from nba_engine.learning.value.spend import spend_correlation

__all__ = ["MODELS", "report_value", "verdict"]

Numbers = NDArray[np.float64]

MODELS = {
    "bg_nbd": "BG/NBD",
    "mbg_nbd": "MBG/NBD",
    "gamma_poisson": "Gamma-Poisson",
    "recent_rate": "Gamma-Poisson, recent",
}
_MOST = 7  # repeats from which on customers stand together in a picture


def report_value(
    fit: ValueFit, *, source: str, horizon: float, terms: ValueTerms | None = None
) -> Report:
    """The page; ``terms`` None: no budget is computed."""
    choice = fit.choice
    report = Report(
        "Customer value",
        f"from {source}: {len(fit.buyers.customer):,} customers who bought, "
        f"until {_date(fit.end - 1.0)}; models chosen on the {choice.days:,.0f} days "
        f"from {_date(fit.cut)} on",
    )
    report.section("What was found")
    for line in verdict(fit):
        report.text(line)
    _models(report, choice)
    _alive(report, fit)
    _spend(report, fit)
    _values(report, fit, horizon, terms)
    return report


def verdict(fit: ValueFit) -> list[str]:
    """What was found, in sentences."""
    choice = fit.choice
    told = choice.held_out[choice.best]
    lines = [
        (
            f"{MODELS[choice.best]} tells best how often customers buy: {told.expected:,.0f} purchases "
            f"expected in the time held out, {choice.actual.sum():,.0f} came, "
            f"correlation {told.correlation:.3f} over customers."
        )
    ]
    model, (gain, low, high) = choice.slipping
    if model:
        lines.append(
            f"Customers slip away, and {MODELS[model]} tells who did: it knows better than any model "
            f"without an end who bought nothing (log-loss less by {gain:.4f}, surely by {low:.4f})."
        )
    elif math.isnan(gain):
        lines.append(
            "No model in which customers slip away could be fitted: nothing here speaks for it. "
            "P(alive) is 1 for everybody, nobody is to be won back."
        )
    else:
        lines.append(
            "No sure sign that customers slip away: a model in which they do tells who bought nothing "
            f"in the time held out with a log-loss less by {gain:.4f} ({low:+.4f} to {high:+.4f}). "
            "P(alive) is 1 for everybody, nobody is to be won back."
        )
    if fit.spend is None:
        lines.append(f"What they spend is not known ({fit.no_spend}): there is no budget.")
    return lines


def _models(report: Report, choice: Choice) -> None:
    report.section("The models against what happened")
    report.text(
        "Each was fitted to the time before, and told for each customer the purchases of the time "
        "after. Deviance is what decides: the lower, the nearer to the truth."
    )
    rows: list[list[str | float | None]] = [
        [
            MODELS[name],
            told.deviance,
            "–"
            if name == choice.best
            else f"{told.behind[0]:+.3f} ({told.behind[1]:+.3f} to {told.behind[2]:+.3f})",
            told.correlation,
            told.error,
            told.expected,
            told.silence,
        ]
        for name, told in sorted(choice.held_out.items(), key=lambda one: one[1].deviance)
    ]
    header = [
        "model",
        "deviance per customer",
        "more than the best (95%)",
        "correlation",
        "mean error",
        f"purchases (real: {choice.actual.sum():,.0f})",
        "log-loss of silence",
    ]
    report.table(header, rows)
    for name, why in choice.refused.items():
        report.text(f"{MODELS[name]}: {why}.")
    report.picture(
        bars(
            {MODELS[name]: told.deviance for name, told in choice.held_out.items()},
            unit="deviance per customer (less is better)",
        ),
        "How far each model is from what happened.",
        "Bars: deviance by model",
    )
    report.picture(
        _against_real(choice),
        "Purchases in the time held out by how often customers had bought again before; whiskers are "
        "95% intervals of the real mean.",
        "Lines: mean purchases held out, real and by model, by number of repeats before",
    )
    rows = [[MODELS[name], *_shown(one.fitted())] for name, one in choice.models.items()]
    report.table(["model", "r", "alpha in days", "a", "b"], rows, "Parameters before the cut")


def _shown(model: PurchaseModel) -> list[float | None]:
    return [model.r, model.alpha, model.a or None, model.b or None]


def _groups(repeats: Numbers) -> tuple[NDArray[np.intp], list[str]]:
    """By number of repeats, many together: single numbers, or tenths of the customers."""
    edges = np.arange(_MOST + 1.0)
    if np.quantile(repeats, 0.75) > _MOST:
        edges = np.unique(np.floor(np.quantile(repeats, np.linspace(0.0, 0.9, 10))))
    group = np.searchsorted(edges, repeats, side="right") - 1
    names = [
        f"{low:.0f}" if high == low + 1 else f"{low:.0f}–{high - 1:.0f}"
        for low, high in itertools.pairwise(edges)
    ]
    return group.astype(np.intp), [*names, f"{edges[-1]:.0f}+"]


@styled()
def _against_real(choice: Choice) -> Figure:
    figure, axes = canvas()
    group, names = _groups(choice.buyers.repeats)
    there = np.flatnonzero(np.bincount(group))
    size = np.bincount(group)[there]

    def mean(values: Numbers) -> Numbers:
        return np.asarray(np.bincount(group, weights=values)[there] / size, dtype=np.float64)

    real = mean(choice.actual)
    spread = np.sqrt(np.maximum(mean(choice.actual**2) - real**2, 0.0) / size)
    axes.errorbar(there, real, 1.96 * spread, fmt="o", color="#000000", capsize=3, label="real")
    dashes = ("-", "--", "-.", ":")
    for at, (name, model) in enumerate(choice.models.items()):
        told = mean(model.expected(choice.buyers, choice.days))
        label = MODELS[name] + (" (chosen)" if name == choice.best else "")
        axes.plot(there, told, dashes[at % 4], color=COLORS[at], label=label)
    axes.set_xticks(there, [names[one] for one in there])
    axes.set_xlabel("days with a purchase after the first one, before the cut")
    axes.set_ylabel("purchases per customer after it")
    axes.legend()
    return figure


def _alive(report: Report, fit: ValueFit) -> None:
    report.section("Who is still there")
    if fit.alive is None:
        report.text(verdict(fit)[1])
        return
    report.text(
        "How likely it is that a customer still buys, by how often and how recently: the same pause "
        "says much of who used to come every week and little of who comes twice a year."
    )
    report.picture(
        _alive_map(fit),
        "P(alive) of customers who first bought as long ago as the median customer.",
        "Map: P(alive) by days with a purchase and days since the last one",
    )
    report.picture(
        histogram(fit.p_alive(), x_label="P(alive)", y_label="customers"),
        "P(alive) of all customers.",
        "Histogram of P(alive)",
    )


@styled()
def _alive_map(fit: ValueFit) -> Figure:
    figure, axes = canvas(6.4, 4.0)
    assert fit.alive is not None
    age = max(2.0, float(np.median(fit.buyers.age)))
    repeats = np.arange(0, max(2, int(np.quantile(fit.buyers.repeats, 0.99))) + 1)
    since = np.linspace(0.0, age, 60)
    x, pause = (grid.ravel().astype(np.float64) for grid in np.meshgrid(repeats, since))
    recency = np.where(x > 0, age - pause, 0.0)
    made = Buyers(
        customer=np.arange(len(x)),
        repeats=x,
        recency=recency,
        age=np.full(len(x), age),
        mean_amount=np.full(len(x), np.nan),
        recent=x,
        window=fit.buyers.window,
    )
    told = fit.alive.alive(made).reshape(len(since), len(repeats))
    shown = axes.pcolormesh(
        repeats, since, told, cmap="cividis", vmin=0.0, vmax=1.0, edgecolors="face", linewidth=0.3
    )
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("days with a purchase after the first one")
    axes.set_ylabel("days since the last one")
    figure.colorbar(shown, ax=axes, label="P(alive)")
    return figure


def _spend(report: Report, fit: ValueFit) -> None:
    report.section("What they spend")
    if fit.spend is None:
        report.text(f"Not known: {fit.no_spend}.")
        return
    spend = fit.spend
    report.text(
        f"Gamma-Gamma: p {spend.p:.3g}, q {spend.q:.3g}, gamma {spend.gamma:.4g}. It takes for "
        "granted that how much customers spend does not depend on how often they buy: the "
        f"correlation is {spend_correlation(fit.buyers):.2f}."
    )
    held = fit.spend_held_out
    if held is not None:
        report.table(
            ["told by", "mean error of the money per purchase"],
            [
                ["Gamma-Gamma", held.gamma_gamma],
                ["the customer's own mean before", held.own_mean],
                ["everybody's mean", held.everybody],
            ],
            f"Of {held.customers:,} customers who bought before the cut, again, and after it",
        )


def _values(report: Report, fit: ValueFit, horizon: float, terms: ValueTerms | None) -> None:
    report.section("What comes of it")
    expected = fit.purchases.expected(fit.buyers, horizon)
    report.text(
        f"In the {horizon:,.0f} days after {_date(fit.end - 1.0)} {expected.sum():,.0f} purchases are "
        f"expected of these customers, {np.median(expected):.2f} of the median one."
    )
    if fit.spend is None or terms is None:
        return
    spend = np.nan_to_num(fit.spend.expected(fit.buyers))
    left = expected * spend * (1.0 - terms.cost_of_goods - terms.margin)
    budget = np.clip(left, terms.floor, terms.cap)
    report.text(
        f"Budget = expected purchases × expected spend × (1 − {terms.cost_of_goods:g} cost of goods − "
        f"{terms.margin:g} margin), at least {terms.floor:g}"
        + (f", at most {terms.cap:g}" if math.isfinite(terms.cap) else "")
        + f"; {terms.new_customer:g} for whoever never bought. All of them together: "
        f"{budget.sum():,.0f}."
    )
    report.picture(
        histogram(budget, x_label="advertising budget", y_label="customers"),
        f"Budget per customer for {horizon:,.0f} days, of who bought.",
        "Histogram of advertising budgets",
    )


def _date(day: float) -> str:
    try:
        moment = dt.datetime.fromtimestamp(day * 86_400.0, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return f"day {day:.0f}"
    return moment.date().isoformat()

"""`nba value fit`: what customers are worth, from what they bought."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from rich.table import Table

from nba_engine.cli.learning.extra import learn_extra
from nba_engine.cli.learning.options import file_or_settings, json_option, report_option
from nba_engine.cli.output import counted, output, progress_bar, say
from nba_engine.domain import AggregateSpec, CatalogView, Store, ValueTerms
from nba_engine.domain.customer_value import PURCHASE_DAYS
from nba_engine.domain.purchase_days import DAY
from nba_engine.errors import FailedPrecondition, NbaError

if TYPE_CHECKING:
    from nba_engine.learning.value import Purchases, Returns, ValueFit

__all__ = ["value_group"]

_STEPS = 3
_LOOKED_AT = 100  # customers of whom it is checked whether their purchases were counted
_UNITS = {"day": 1.0, "week": 7.0}


class _Source(NamedTuple):
    """What is fitted to; ``folder``: where the catalog's files are, None without one."""

    purchases: Purchases
    names: Sequence[str]
    about: str
    types: tuple[str, ...] = ()
    amount: str = ""
    terms: ValueTerms | None = None
    folder: Path | None = None
    uncounted: bool = False
    told: str = ""  # of returns


@click.group("value")
def value_group() -> None:
    """What customers are worth: purchases to come, who slipped away, budgets for advertising.

    \b
    nba value fit                       learn it from the store's purchases
    nba value fit purchases.csv         or look at a plain file
    """  # noqa: D301 (click reads the backspace as: keep these lines)


@value_group.command("fit")
@file_or_settings
@click.option(
    "--until",
    metavar="DATE",
    help="Choose models on what came after this day; default: on the last horizon.",
)
@click.option(
    "--horizon",
    metavar="DAYS",
    type=click.FloatRange(min=1.0),
    help="The time to come. Default: [value] of the catalog, or 91 with FILE.",
)
@report_option(Path("value.html"))
@click.option(
    "--customers",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the values of each customer, too (.csv).",
)
@click.option(
    "--returns",
    type=click.Choice(["refuse", "net", "drop"]),
    default="refuse",
    show_default=True,
    help="FILE: negative amounts are taken off what was bought before (net), or left out (drop).",
)
@click.option(
    "--unit",
    type=click.Choice(list(_UNITS)),
    default="week",
    show_default=True,
    help="Of times among the figures; most publications have weeks.",
)
@json_option
@learn_extra()
def fit_command(
    file: Path | None,
    settings: Path,
    until: str | None,
    horizon: float | None,
    report: Path,
    customers: Path | None,
    returns: Returns,
    unit: str,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> int:
    """Fit BG/NBD, MBG/NBD and Gamma-Poisson rates, choose on a time held out, and Gamma-Gamma.

    Without FILE from the purchases in the store, as [value] of the catalog says; what was found is
    written beside the catalog's files as value_model.toml, and is in force when it is published.
    With FILE, a Parquet or CSV file of `customer`, `time`, `amount`, only figures come out; what was sent
    back (a negative amount) is a mistake there unless --returns says what to do with it.

    DATE is a day (which still counts as before), or a moment. What is chosen there is fitted again to
    everything.

    \b
    nba value fit && nba catalog publish                   learn it, put it in force
    nba value fit purchases.csv --until 2024-12-31 --json  parameters and hold-out
    nba value fit purchases.csv --customers values.csv     a line for each customer
    nba value fit purchases.csv --returns net              with negative amounts
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.learning.value import fit_value
    from nba_engine.learning.value.report import report_value
    from nba_engine.learning.value.written import (
        MODEL_FILE,
        figures,
        model_toml,
        write_customers,
        write_text,
    )

    for option, path in (("--report", report), ("--customers", customers)):
        if path is not None and not path.absolute().parent.is_dir():
            raise click.BadParameter(
                f"there is no folder {path.absolute().parent}", param_hint=option
            )
    day = None if until is None else _day(until)
    source = _of_store(settings) if file is None else _of_file(file, returns)
    _check_inside(day, source)
    ahead = horizon or (91.0 if source.terms is None else source.terms.horizon)
    with progress_bar() as bar:
        task = bar.add_task("fitting", total=_STEPS)
        fit = fit_value(
            source.purchases,
            until=day,
            horizon=ahead,
            tick=lambda word: bar.update(task, advance=1, description=f"fitting: {word}"),
        )
    report_value(fit, source=source.about, horizon=ahead, terms=source.terms).write(report)
    if customers is not None:
        write_customers(customers, fit, source.names, horizon=ahead, terms=source.terms)
    written = None
    if source.folder is not None:
        written = source.folder / MODEL_FILE
        about = f"{len(fit.buyers.customer):,} customers until {_date(fit.end - 1.0)}"
        write_text(written, model_toml(fit, types=source.types, amount=source.amount, about=about))
    if as_json:
        found = figures(fit, days_per_unit=_UNITS[unit], horizon=ahead)
        found |= {"report": str(report), "model_file": None if written is None else str(written)}
        output.print_json(json.dumps(found))
        return 0
    _print(fit, unit)
    if source.told:
        say(source.told)
    say(f"report: {report}")
    if customers is not None:
        say(f"{customers}: {counted(len(fit.buyers.customer), 'customers')}")
    if written is not None:
        say(f"{written}: put it in force with nba catalog publish")
    if source.uncounted:
        say("purchases from before [value] was published are not counted yet: run nba rebuild")
    return 0


def _day(text: str) -> float:
    """The days since 1970 at which what is held out begins."""
    try:
        if "T" not in text and " " not in text.strip():
            return float((dt.date.fromisoformat(text.strip()) - dt.date(1970, 1, 1)).days + 1)
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no date; write 2025-09-30 or 2025-09-30T18:00:00Z", param_hint="--until"
        ) from None
    moment = moment.replace(tzinfo=moment.tzinfo or dt.UTC)
    return moment.timestamp() / DAY


def _check_inside(day: float | None, source: _Source) -> None:
    begin, last = float(source.purchases.time.min()), float(source.purchases.time.max())
    if day is not None and not begin < day <= last:
        raise NbaError(
            f"{source.about}: the purchases, {_date(begin)} to {_date(last)}, are not on both sides "
            f"of --until {_date(day - 1.0)}: choose a day among them"
        )


def _of_file(file: Path, returns: Returns) -> _Source:
    import numpy as np

    from nba_engine.learning.tables import read_columns
    from nba_engine.learning.value import Purchases, settle_returns

    columns = read_columns(
        file, {"customer": "text", "time": "time", "amount": "number"}, blank=("amount",)
    )
    names, customer = np.unique(columns["customer"], return_inverse=True)
    purchases = Purchases(
        customer.reshape(-1).astype(np.intp), columns["time"] / DAY, columns["amount"]
    )
    settled = settle_returns(purchases, returns, source=str(file))
    return _Source(settled.purchases, names.tolist(), file.name, told=settled.told)


def _of_store(settings: Path) -> _Source:
    from nba_engine.app.learning import open_learnable
    from nba_engine.learning.value import read_purchases

    with open_learnable(settings) as found, progress_bar() as bar:
        days, terms = _declared(found.catalog)
        task = bar.add_task("reading purchases", total=None)
        purchases, happened = read_purchases(
            found.store,
            types=days.types,
            amount=days.property,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
        some = dict.fromkeys(happened.customer[-5_000:].tolist())
        return _Source(
            purchases,
            happened.customer_ids,
            "the purchases in the store",
            days.types,
            days.property,
            terms,
            found.settings.catalog.path,
            _uncounted(found.store, [happened.customer_ids[one] for one in some]),
            _negative(purchases, days.types),
        )


def _negative(purchases: Purchases, types: Sequence[str]) -> str:
    """What to do about negative amounts in a store, where aggregates count them as they are."""
    count = int((purchases.amount < 0.0).sum())
    if not count:
        return ""
    return (
        f"warning: {counted(count, 'purchases')} of {', '.join(types)} have negative amounts, and count "
        "as purchases: record what is sent back as a type of its own"
    )


def _declared(catalog: CatalogView) -> tuple[AggregateSpec, ValueTerms]:
    budget, days = catalog.aggregates.get("ad_budget"), catalog.aggregates.get(PURCHASE_DAYS)
    if budget is None or budget.value is None or days is None:
        raise FailedPrecondition(
            "the catalog in force does not say what customers are worth: add the table [value] "
            "(docs/catalog.md) and publish it, or name a file"
        )
    return days, budget.value.terms


def _uncounted(store: Store, customer_ids: Sequence[str]) -> bool:
    """Whether purchases of some of these were recorded before the catalog counted them."""
    for customer_id in customer_ids[:_LOOKED_AT]:
        found = store.history(customer_id)
        if found is not None and PURCHASE_DAYS not in found.state.aggregates:
            return True
    return False


def _print(fit: ValueFit, unit: str) -> None:
    from nba_engine.learning.value.report import MODELS, verdict

    choice = fit.choice
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("model", "deviance", "correlation", "mean error", "purchases"):
        table.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
    for name, told in sorted(choice.held_out.items(), key=lambda one: one[1].deviance):
        table.add_row(
            MODELS[name],
            f"{told.deviance:.4f}",
            f"{told.correlation:.3f}",
            f"{told.error:.3f}",
            f"{told.expected:,.0f}",
            style="bold" if name == choice.best else "",
        )
    table.add_row("what happened", "", "", "", f"{choice.actual.sum():,.0f}")
    output.print(table)
    for name, why in choice.refused.items():
        say(f"  {MODELS[name]}: {why}", style="dim")
    for line in verdict(fit):
        say(line)
    fits = (
        ("fitted to the time before", choice.models[choice.best], fit.spend_before),
        ("fitted to everything", fit.purchases, fit.spend),
    )
    for when, purchases, spend in fits:
        model = purchases.fitted()
        shown = {"r": model.r, f"alpha ({unit}s)": model.alpha / _UNITS[unit]}
        shown |= {"a": model.a, "b": model.b} if model.a else {}
        words = ", ".join(f"{key} {value:.4g}" for key, value in shown.items())
        if spend is not None:
            words += f"; Gamma-Gamma: p {spend.p:.4g}, q {spend.q:.4g}, gamma {spend.gamma:.4g}"
        say(f"{when}: {MODELS[model.kind]} {words}", style="dim")


def _date(day: float) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()

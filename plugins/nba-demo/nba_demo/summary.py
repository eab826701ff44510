"""The summary for people: what was learned, decided, bought, spent, and whether to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from nba_demo.assumptions import HORIZON_DAYS, MARGIN, REQUIRED_MARGIN
from nba_demo.campaigns import Response
from nba_demo.checks import Explained
from nba_demo.hits import Chosen
from nba_demo.measures import Measures
from nba_demo.results import Results
from nba_demo.summary_habits import told_habits, told_personas
from nba_demo.summary_plan import told_plan
from nba_engine.learning.evaluation import Estimate

__all__ = ["WIDTH", "print_summary", "seconds_line"]

WIDTH = 100
_CHANNELS = {"app": "App", "email": "E-mail", "letter": "Letter", "call": "Call"}


def print_summary(console: Console, results: Results) -> None:
    """Print everything, at most 100 columns wide."""
    console = Console(
        file=console.file,
        width=min(console.width, WIDTH),
        force_terminal=console.is_terminal,
        highlight=False,
    )
    for title, parts in (
        ("Propensity, on weeks the model has not seen", _offline(results)),
        ("What households are worth", _worth(results)),
        ("What households like, and when they need it again", told_habits(results)),
        ("Target groups", told_personas(results)),
        ("Eight weeks replayed through the server", _replay(results)),
        ("Letters and e-mails, with and without a plan", told_plan(results)),
        ("Did they buy what was recommended?", _hits(results)),
        ("What would another policy have found?", _policies(results)),
        ("Spend per limit", _limits(results)),
        ("Where the candidates went", _funnel(results)),
        ("One decision, explained", _explained(results)),
        ("Can it be trusted?", _checks(results)),
        ("What these numbers cannot support", _cannot(results)),
    ):
        console.print()
        console.print(Rule(Text(title, style="bold"), align="left", style="dim", characters="─"))
        for part in parts:
            console.print(Padding(part, (0, 0, 0, 2)))


def _table(*columns: str) -> Table:
    """A plain table; a heading that ends in ``>`` is a column of numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        heading = column.removesuffix(">")
        table.add_column(heading, justify="right" if column.endswith(">") else "left")
    return table


def _offline(results: Results) -> Iterable[RenderableType]:
    offline = results.offline
    yield Text(
        f"Will a household buy in a category within 14 days? {results.training_rows:,} rows of 12 "
        f"fortnights to train, the four fortnights from {results.first_day} on to test."
    )
    table = _table("", "log-loss>", "AUC>", "ECE>", "R@10>")
    for heading, measures in (
        ("all 150 categories" if results.offers == 150 else "all categories", offline.everything),
        ("cross-sell: not bought within 91 days", offline.cross_sell),
    ):
        table.add_row(Text(heading, style="italic"))
        for name, one in measures.items():
            table.add_row(*_measured(name, one), style="bold" if name == "model" else "")
    yield table
    yield Text(
        f"In a basket of which half is known, the complement table finds "
        f"{offline.in_session_ease:.1%} of the rest in ten guesses; popularity "
        f"{offline.in_session_popularity:.1%}."
    )
    if offline.response is not None:
        yield _response(offline.response)
    gates = _table("gate", "value>", "95% interval*>", "bound>", "")
    for gate in offline.gates:
        share = "log-loss" in gate.name
        gates.add_row(
            gate.name,
            f"{gate.value:.1%}" if share else f"{gate.value:.4f}",
            f"{gate.low:.1%} – {gate.high:.1%}" if share else f"{gate.low:.4f} – {gate.high:.4f}",
            f"{'≥' if gate.at_least else '≤'} {gate.bound:.0%}"
            if share
            else f"{'≥' if gate.at_least else '≤'} {gate.bound:g}",
            Text("passed", style="green") if gate.passed else Text("FAILED", style="bold red"),
        )
    yield gates
    yield Text("*Households drawn again with replacement, 500 times.", style="dim")
    yield Text(
        f"Trained in {results.train_seconds:.0f} s; the ONNX graph differs from the model by at "
        f"most {results.parity:.0e} on the validation rows.",
        style="dim",
    )


def _response(response: Response) -> Text:
    return Text(
        f"Who redeems a coupon of a campaign? Of {response.contacts:,} contacts of campaigns 16 to "
        f"19, {response.redeemed:.1%} redeemed one, and {response.top_lift:.1f} times as many of "
        f"the tenth that the model puts first; AUC {response.auc.value:.3f}, of the household's own "
        f"past {response.own_auc.value:.3f}. The contacts were targeted: this says who redeems, not "
        "what a contact changes."
    )


def _measured(name: str, one: Measures) -> tuple[str, ...]:
    return (
        f"  {name}",
        "" if one.log_loss is None else f"{one.log_loss:.4f}",
        f"{one.auc:.3f}",
        "" if one.ece is None else f"{one.ece:.4f}",
        f"{one.recall:.3f}",
    )


_MODELS = {
    "recent_rate": "days with a purchase lately, shrunk to the mean",
    "gamma_poisson": "Gamma-Poisson rate",
    "bg_nbd": "BG/NBD",
    "mbg_nbd": "MBG/NBD",
}


def _worth(results: Results) -> Iterable[RenderableType]:
    worth = results.worth
    table = _table("purchases of eight held-out weeks, by", "deviance>", "correlation>", "")
    for name, one in sorted(worth.candidates.items(), key=lambda item: item[1].deviance):
        best = name == worth.chosen
        table.add_row(
            _MODELS.get(name, name),
            f"{one.deviance:.2f}",
            f"{one.correlation:.3f}",
            "serves" if best else "",
            style="bold" if best else "",
        )
    yield table
    if not worth.slipping:
        yield Text(
            "No model of who slips away beats that nobody does: these households come every week, "
            "so a win-back waits for three weeks without a visit."
        )
    low, median, high = worth.budgets.values()
    yield Text(
        f"{worth.households:,} households are expected to spend {worth.expected_revenue:,.0f} USD in "
        f"{HORIZON_DAYS} days. Of {MARGIN:.0%} margin {REQUIRED_MARGIN:.0%} must be left over: "
        f"{worth.budget:,.0f} USD may be spent on advertising, {low:.2f} on a household at the tenth "
        f"percentile, {median:.2f} in the middle, {high:.2f} at the ninetieth. The margins are "
        "assumptions."
    )


def _replay(results: Results) -> Iterable[RenderableType]:
    speed = results.speed
    table = _table("", ">")
    table.show_header = False
    table.add_row("decisions, one before every shopping trip", f"{results.decisions:,}")
    table.add_row("candidates weighed", f"{results.sums.weighed:,}")
    table.add_row("recommended (without doing nothing)", f"{results.recommended:,}")
    table.add_row("decisions with a degraded stage", f"{results.degraded:,}")
    table.add_row(
        f"latency over gRPC, {speed.in_flight} calls in flight: p50 / p99",
        f"{speed.client_p50:.1f} / {speed.client_p99:.1f} ms",
    )
    table.add_row(
        "  of it in the stages: p50 / p99", f"{speed.engine_p50:.1f} / {speed.engine_p99:.1f} ms"
    )
    table.add_row(
        "decisions per second, each with its purchase recorded durably", f"{speed.per_second:.0f}"
    )
    yield table
    kinds = ("offer", "loyalty", "win_back", "nothing")
    shown = _table("recommended on", *(f"{kind.replace('_', '-')}>" for kind in kinds))
    for channel, name in _CHANNELS.items():
        counts = results.contacts.get(channel, {})
        shown.add_row(name, *(f"{counts.get(kind, 0):,}" for kind in kinds))
    yield shown


def _hits(results: Results) -> Iterable[RenderableType]:
    hits = results.hits
    yield Text(
        f"{hits.decisions:,} decisions before 18 December 2017 (later labels are cut off). The "
        "others chose as many offers per placement among the same survivors of rules and limits."
    )
    table = _table(
        "\nchosen by",
        "all\noffers>",
        "bought in\n14 days>",
        "offers of what was\nnot bought in 91 days>",
        "bought in\n14 days>",
        "margin of\nthe hits*, USD>",
    )
    for name, one in hits.choosers.items():
        table.add_row(*_chosen(name, one), style="bold" if name == "engine" else "")
    yield table
    yield Text(
        "The engine and the baselines rank by money (propensity * value - cost); ranking by "
        "propensity alone finds more purchases, and less margin. *Assumed margin, in USD; a "
        "purchase is not an acceptance.",
        style="dim",
    )


def _policies(results: Results) -> Iterable[RenderableType]:
    policies = results.policies
    yield Text(
        f"app_discover draws what it shows, each with a logged probability. So the log of "
        f"{policies.decisions:,} decisions tells what other policies would have found there; "
        "a hit is bought within 14 days. Drawing costs hits, and is what learning costs."
    )
    table = _table("hits per decision", "value>", "95% interval>", "effective sample>")
    table.add_row("as logged", *_estimated(policies.logged), f"{policies.decisions:,}")
    for one in policies.others:
        told = ("not enough support", "") if one.value is None else _estimated(one.value)
        table.add_row(one.name, *told, f"{one.effective_sample_size:,.0f}")
    yield table
    for one in policies.others:
        yield Text(f"• {one.name.capitalize()}: {one.verdict}")
        for note in one.notes:
            yield Text(f"    {note}", style="dim")


def _estimated(one: Estimate) -> tuple[str, str]:
    return f"{one.value:.4f}", f"{one.low:.4f} – {one.high:.4f}"


def _chosen(name: str, one: Chosen) -> tuple[str, ...]:
    return (
        name,
        f"{one.offers:,}",
        f"{one.share:.1%}",
        f"{one.new_offers:,}",
        f"{one.new_share:.1%}",
        f"{one.value_of_hits:,.0f}",
    )


def _limits(results: Results) -> Iterable[RenderableType]:
    table = _table("limit*", "per", "amount", "accounts>", "used>", "full>")
    for one in results.limits:
        money = one.measure == "money"
        table.add_row(
            one.name,
            one.window,
            f"{one.amount} USD" if money else one.amount,
            f"{one.accounts:,}",
            f"{one.used:,.2f} USD" if money else f"{one.used:,.0f}",
            "" if one.full is None else f"{one.full:,}",
        )
    yield table
    total = dict.fromkeys(_CHANNELS, 0.0)
    for name, line in results.spend.items():
        total[name.partition("/")[2]] += sum(line)
    spent = ", ".join(f"{_CHANNELS[c]} {amount:,.2f} USD" for c, amount in total.items() if amount)
    yield Text(f"Spent: {spent}. *All amounts and costs are assumptions.", style="dim")


def _funnel(results: Results) -> Iterable[RenderableType]:
    table = _table("stage", "dropped for", "candidates>", "share>", "")
    total = results.sums.weighed
    last = ""
    left = total
    table.add_row("", "weighed", f"{total:,}", "100.0%", _bar(1.0))
    for line in results.funnel:
        left -= line.candidates
        share = line.candidates / total
        stage = line.stage if line.stage != last else ""
        last = line.stage
        table.add_row(stage, line.reason, f"{line.candidates:,}", f"{share:.1%}", _bar(share))
    table.add_row("", "recommended", f"{left:,}", f"{left / total:.1%}", _bar(left / total))
    yield table


def _bar(share: float) -> Text:
    return Text("█" * max(1, round(share * 30)) if share > 0.001 else "▏", style="cyan")


def _explained(results: Results) -> Iterable[RenderableType]:
    for sentence in results.explained:
        yield Text(f"• {sentence}")


def _checks(results: Results) -> Iterable[RenderableType]:
    sums, held = results.sums, results.limits_held
    yield Text(
        f"Candidates: {sums.checked:,} decisions weighed the {sums.weighed:,} that the catalog's files "
        f"give for what they asked, all recommended or dropped for a reason; {sums.violations} exceptions."
    )
    yield Text(
        f"Limits: {sum(held.accounts.values()):,} accounts recounted from what was shown, "
        f"{held.violations} above their amount; {results.overruns} overruns in the ledger."
    )
    yield Text(
        f"Survivors reproduced from the raw purchases in {results.hits.decisions:,} decisions, "
        f"{results.hits.mismatches} exceptions."
    )
    yield Text(
        "Explanations: the change they name applied, decided again, seen to pass that stage:"
    )
    table = _table("reason", "passed>", "of>", "", "reason", "passed>", "of>", "")
    rows = [_explanation(code, one) for code, one in results.explanations.items()]
    half = (len(rows) + 1) // 2
    for at in range(half):
        table.add_row(*rows[at], *(rows[at + half] if at + half < len(rows) else ("",) * 4))
    yield table


def _explanation(code: str, one: Explained) -> tuple[str, str, str, str]:
    note = f"({one.later} by two changes)" if one.later else ""
    return code.partition("/")[2], str(one.passed), str(one.tried), note


def _cannot(results: Results) -> Iterable[RenderableType]:
    for sentence in results.cannot_support:
        yield Text(f"• {sentence}")


def seconds_line(seconds: Mapping[str, float]) -> str:
    """Where the time went."""
    parts = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    return f"{sum(seconds.values()):.0f} seconds: {parts}"

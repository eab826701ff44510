"""What `nba affinity fit` found, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from nba_engine.learning.affinity.fitting import Finding
from nba_engine.learning.affinity.score import ScoreFinding
from nba_engine.learning.report import Report, bars, interval_picture

__all__ = ["report_affinities", "verdict"]

_SHOWN = 30  # words


def report_affinities(
    findings: Sequence[Finding], score: ScoreFinding, *, source: str, until: str
) -> Report:
    """The page: what is kept, what is refused, and why."""
    report = Report("Affinities", f"{source}, until {until}")
    report.text(
        "An affinity says how many times as often as others a customer answers a channel, an incentive "
        "or a tone, or takes a kind of goods. Here is what is usual, how much evidence of a customer's "
        "own outweighs it, and whether that predicts what was held out."
    )
    gains = {
        finding.name: (finding.gain.value, finding.gain.low, finding.gain.high)
        for finding in findings
        if finding.gain is not None
    }
    if gains:
        report.picture(
            interval_picture(gains, unit="log-loss saved per contact or purchase", reference=0.0),
            "Against what is usual among all, on the held-out time; 95% intervals over customers.",
            "Log-loss saved by each affinity, with intervals.",
        )
    for finding in findings:
        _section(report, finding)
    _score_section(report, score)
    return report


def verdict(finding: Finding | ScoreFinding) -> str:
    """One sentence."""
    if isinstance(finding, Finding):
        kept, name = finding.fitted is not None, finding.name
    else:
        kept, name = finding.score is not None, "treatment score"
    if not kept:
        return f"{name}: refused: {finding.refusal}"
    gain = finding.gain
    assert gain is not None
    than = "what is usual among all" if isinstance(finding, Finding) else "the propensity alone"
    note = f" ({finding.note})" if isinstance(finding, Finding) and finding.note else ""
    return (
        f"{name}: kept; it saves {gain.value:.4f} ({gain.low:.4f} to {gain.high:.4f}) of log-loss against "
        f"{than}{note}"
    )


def _section(report: Report, finding: Finding) -> None:
    report.section(finding.name)
    report.text(f"{verdict(finding)}.")
    if finding.losses:
        report.table(
            ["method", "log-loss, held out"],
            [[name, loss] for name, loss in sorted(finding.losses.items(), key=lambda one: one[1])],
            f"{finding.held_out:,} of {finding.rows:,} rows of {finding.customers:,} customers",
        )
    ranked = sorted(finding.words, key=lambda one: -one.positive)[:_SHOWN]
    if not ranked:
        return
    contacts = ranked[0].contacts is not None
    header = [
        "word",
        *(["contacts", "responses"] if contacts else ["purchases"]),
        "usual",
        "weight",
    ]
    report.table(
        header,
        [
            [one.word, *([one.contacts] if contacts else []), one.positive, one.mean, one.weight]
            for one in ranked
        ],
        "usual: the response rate of others, or their share; weight: how many "
        + ("contacts" if contacts else "purchases")
        + " of a customer's own it counts as"
        + (f"; {len(finding.words) - _SHOWN} more" if len(finding.words) > _SHOWN else ""),
    )
    if contacts:
        report.picture(
            bars({one.word: one.mean for one in ranked}, unit="response rate of others"),
            "",
            f"Usual response rates by {finding.name}.",
        )


def _score_section(report: Report, score: ScoreFinding) -> None:
    report.section("Treatment score")
    report.text(f"{verdict(score)}.")
    report.text(
        "P(response) = sigmoid(bias + slope · logit(propensity) + Σ exponent · log(affinity)): propensity "
        "times affinities in odds, calibrated on logged contacts and how they ended."
    )
    if score.losses:
        report.table(
            ["method", "log-loss, held out"],
            [[name, loss] for name, loss in sorted(score.losses.items(), key=lambda one: one[1])],
            f"{score.held_out:,} of {score.contacts:,} logged contacts, {score.answered:,} of all answered",
        )
    if score.score is not None:
        rows: list[list[str | float]] = [
            ["bias", score.score.bias],
            ["slope of the propensity", score.score.slope],
        ]
        rows += [[f"exponent of {name}", value] for name, value in score.score.exponents.items()]
        report.table(["", "fitted"], rows)

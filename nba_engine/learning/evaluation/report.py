"""The report of an evaluation: what it found, in pictures and words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba_engine.learning.evaluation.found import ESTIMATORS, Evaluation, Part
from nba_engine.learning.evaluation.picks import Picks, cumulative_weights
from nba_engine.learning.evaluation.support import ENOUGH
from nba_engine.learning.evaluation.words import ASSUMPTIONS, verdict
from nba_engine.learning.report import Report, bars, histogram, interval_picture

__all__ = ["evaluation_report"]

_SHOWN = 20
# heading, field, and how many there must be more than to be told of
_PARTS = (("By action", "actions", 0), ("By channel", "channels", 0), ("By model", "models", 1))


def evaluation_report(found: Evaluation, picks: Picks) -> Report:
    """The report of what was ``found`` about ``picks``; `Report.write` writes it."""
    report = Report("Off-policy evaluation", found.source)
    report.text(verdict(found))
    _values(report, found)
    _support(report, found, picks)
    for heading, name, least in _PARTS:
        if len(parts := getattr(found, name)) > least:
            _parts(report, found, heading, parts)
    report.section("How it was computed")
    report.text(ASSUMPTIONS)
    report.text(
        "IPS: Horvitz and Thompson 1952. SNIPS: Swaminathan and Joachims 2015. DR: Dudík, Langford "
        "and Li 2011. Slates: McInerney et al. 2020, Kiyohara et al. 2022. Effective sample size: "
        f"Kish 1965. Intervals: {found.confidence:.0%}, at each end the wider of the studentized "
        f"bootstrap ({found.resamples:,} resamples of whole {_units(found)}, seed {found.seed}) and "
        "Student's t."
    )
    return report


def _units(found: Evaluation) -> str:
    return "decisions" if found.customers is None else "customers"


def _values(report: Report, found: Evaluation) -> None:
    report.section("What each policy earns")
    known = {"as logged": found.logged}
    known |= {f"under test: {ESTIMATORS[name]}": one for name, one in found.estimates.items()}
    rows: list[list[str | float | None]] = [
        ["as logged", found.logged.value, found.logged.low, found.logged.high, *[None] * 4]
    ]
    for name, one in found.estimates.items():
        gain, better = found.differences[name], found.chance_better[name]
        numbers = (one.value, one.low, one.high, gain.value, gain.low, gain.high)
        rows.append([f"under test: {ESTIMATORS[name]}", *numbers, f"{better:.1%}"])
    report.table(
        ["policy", found.reward, "from", "to", "difference", "from", "to", "better in"],
        rows,
        f"{found.reward}, with {found.confidence:.0%} intervals, and the difference to the logged "
        "policy; the last column: in how many of the resamples it earns more",
    )
    report.picture(
        interval_picture(
            {name: (one.value, one.low, one.high) for name, one in known.items()},
            unit=found.reward,
            reference=found.logged.value,
            reference_name="as logged",
        ),
        "Values with their intervals. Where intervals overlap, look at the difference in the table.",
        "Values of the logged policy and of the policy under test, with intervals",
    )


def _support(report: Report, found: Evaluation, picks: Picks) -> None:
    report.section("What the log supports")
    report.table(
        ["place", "picks", "effective sample size", "mean weight", "left out because"],
        [
            [
                one.place,
                one.picks,
                round(one.effective_sample_size),
                f"{one.mean_weight:.3f} ± {one.mean_weight_error:.3f}",
                one.refused or "–",
            ]
            for one in found.places
        ],
        f"Below an effective sample size of {ENOUGH:.0f} there is no number. The mean weight (with its "
        "standard error) is 1 but for chance, when the probabilities are right and the logged policy "
        "tried all that the other does.",
    )
    for reason, count in found.left_out.items():
        report.text(f"{count:,} decisions left out: {reason}.")
    for note in found.notes:
        report.text(f"Note: {note}.")
    report.picture(
        bars(
            {one.place: one.effective_sample_size for one in found.places},
            unit="effective sample size (equally weighted picks)",
            reference=ENOUGH,
            reference_name="needed",
        ),
        "How many equally weighted picks the weights are worth.",
        "Effective sample size of each place, against the 100 that are needed",
    )
    weights, _, _ = cumulative_weights(picks, clip=found.clip)
    report.picture(
        histogram(
            np.minimum(weights, np.quantile(weights, 0.999) * 1.05),
            x_label="weight: how often under test, in parts of how often as logged",
            y_label="picks",
            log=True,
        ),
        f"Weights of the picks; the largest is {found.largest_weight:,.3g}. A few large ones among "
        "many small ones mean that few picks decide the outcome.",
        "Histogram of the weights on a logarithmic scale",
    )


def _parts(report: Report, found: Evaluation, heading: str, parts: Sequence[Part]) -> None:
    report.section(heading)
    what = heading.removeprefix("By ")
    report.table(
        [what, "picks", "share logged", "share under test", "logged", "under test", "from", "to"],
        [
            [
                part.name,
                part.picks,
                f"{part.logged_share:.1%}",
                f"{part.target_share:.1%}",
                part.logged,
                *(
                    (part.target.value, part.target.low, part.target.high)
                    if part.target
                    else [None] * 3
                ),
            ]
            for part in parts
        ],
        f"Reward per pick of each {what}; empty where the effective sample size is below "
        f"{ENOUGH:.0f}.",
    )
    told = {part.name: part.target for part in parts[:_SHOWN] if part.target is not None}
    if told:
        report.picture(
            bars(
                {name: one.value for name, one in told.items()},
                unit="reward per pick, under test",
                intervals={name: (one.low, one.high) for name, one in told.items()},
                reference=found.logged.value if len(found.places) == 1 else None,
                reference_name="all, as logged" if len(found.places) == 1 else "",
            ),
            f"Reward per pick by {what}, with intervals.",
            f"Reward per pick of each {what}",
        )

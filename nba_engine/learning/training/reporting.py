"""The report of a training run: does it beat the baselines, can it be believed, what changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from nba_engine.learning.report import (
    Report,
    bars,
    gain_picture,
    interval_picture,
    reliability_picture,
    roc_picture,
)
from nba_engine.learning.training.drift import SHIFTED
from nba_engine.learning.training.examples import Examples
from nba_engine.learning.training.run import Trained

__all__ = ["refit_words", "report_of"]

_SHOWN = 20  # inputs in a picture
_ACTIONS = 200  # rows of a table


def report_of(trained: Trained, *, name: str, label: str) -> Report:
    """The page; `Report.write` writes it."""
    fitted = trained.choice.fitted
    report = Report(f"Model {name}", label)
    report.text(trained.verdict.words)
    split = trained.split
    report.table(
        ("period", "from", "until", "examples", "positive"),
        [
            (what, _day(part.time.min()), _day(part.time.max()), len(part), _share(part))
            for what, part in (
                ("train", split.train),
                ("validation", split.validation),
                ("held out", trained.test),
            )
        ],
        "Split by time: trained on the first, chosen and calibrated on the second, shown on the last",
    )
    if split.between or split.train.left_out:
        report.table(
            ("left out", "examples"),
            [
                *((why, count) for why, count in split.train.left_out.items()),
                ("outcome known only in the held-out period", split.between),
            ],
        )
    for warning in trained.warnings:
        report.text(f"Warning: {warning}.")
    _figures(report, trained)
    _pictures(report, trained)
    _importance(report, trained)
    _actions(report, trained)
    _drift(report, trained)
    report.section("How it was trained")
    tried = ", ".join(f"{method} {loss:.5f}" for method, loss in trained.choice.tried.items())
    report.text(
        f"Kept: {fitted.method}, calibration {', '.join(_kinds(trained))}. Log-loss on the "
        f"validation period: {tried}. Seed {trained.options.seed}."
    )
    if trained.refitted is not None:
        report.text(f"{refit_words(trained)}.")
    return report


def refit_words(trained: Trained) -> str:
    """What is kept, and what the figures are of, where these are two."""
    again = trained.refitted
    assert again is not None
    return (
        f"What is kept was trained once more, with all that was held out, on outcomes up to "
        f"{_day(again.validation.known.max())}; the figures are of the same kind of model trained until "
        f"{_day(trained.split.validation.known.max())}"
    )


def _figures(report: Report, trained: Trained) -> None:
    report.section("Held-out figures")
    rows: list[tuple[Any, ...]] = [
        (who, one.log_loss, one.auc, one.ece, one.lift) for who, one in trained.figures.items()
    ]
    if trained.last is not None and trained.last.figures is not None:
        last = trained.last.figures
        rows.append(
            (f"last model ({trained.last.version})", last.log_loss, last.auc, last.ece, last.lift)
        )
    report.table(
        ("scorer", "log-loss", "AUC", "calibration error", "lift of the best tenth"),
        rows,
        "popularity: the action's share of positives before; own frequency: the customer's own "
        "share with the action, drawn to that",
    )
    gains = trained.verdict.gains
    report.picture(
        interval_picture(
            {name: (100 * one.value, 100 * one.low, 100 * one.high) for name, one in gains.items()},
            unit="log-loss saved against the baseline, %",
            reference=0.0,
            reference_name="no better",
        ),
        "With 95% intervals, by resampling customers.",
        "Log-loss saved against each baseline, with intervals",
    )


def _pictures(report: Report, trained: Trained) -> None:
    label, scores = trained.test.label, trained.scores
    report.section("Can the probabilities be believed?")
    report.picture(
        reliability_picture(label, {"model": scores["model"]}),
        "Held-out examples by predicted probability, in ten groups of equal size.",
        "Observed share of positives against predicted probability",
    )
    report.section("Does it find the right ones?")
    report.picture(
        gain_picture(label, scores),
        "Positives reached when the best-scored are taken first.",
        "Share of positives reached against share of rows",
    )
    report.picture(roc_picture(label, scores), "", "True against false positive rate")


def _importance(report: Report, trained: Trained) -> None:
    report.section("What it goes by")
    shown = dict(list(trained.importance.items())[:_SHOWN])
    report.picture(
        bars(shown, unit="log-loss that shuffling the input costs, nats"),
        "Inputs that tell the same share what they save between them.",
        "Importance of each input",
    )


def _actions(report: Report, trained: Trained) -> None:
    actions = trained.test.actions
    if len(actions) < 2:
        return
    report.section("Evidence by action")
    known = (trained.split.train, trained.split.validation)
    count = len(actions)
    shown = np.sum([np.bincount(part.action, minlength=count) for part in known], axis=0)
    taken = np.sum(
        [np.bincount(part.action, weights=part.label, minlength=count) for part in known], axis=0
    )
    held = np.bincount(trained.test.action, minlength=count)
    hits = np.bincount(trained.test.action, weights=trained.test.label, minlength=count)
    mean = np.bincount(trained.test.action, weights=trained.scores["model"], minlength=count)
    order = np.argsort(-shown, kind="stable")[:_ACTIONS]
    rows = [
        (
            actions[at],
            int(shown[at]),
            int(taken[at]),
            _rate(taken[at], shown[at]),
            int(held[at]),
            _rate(hits[at], held[at]),
            _rate(mean[at], held[at]),
        )
        for at in order.tolist()
    ]
    header = (
        "action",
        "examples",
        "positive",
        "base rate",
        "held out",
        "observed there",
        "predicted there",
    )
    report.table(header, rows, f"The {len(rows)} actions with most examples")


def _drift(report: Report, trained: Trained) -> None:
    last = trained.last
    if last is None:
        return
    report.section("Since the last model")
    if not last.drift:
        report.text(f"The last model ({last.version}) kept no distributions to compare with.")
        return
    shifted = [name or "score" for name, index in last.drift.items() if index >= SHIFTED]
    told = ", ".join(shifted) if shifted else "none"
    report.text(
        "Population stability index of each input and of the score, against the held-out period of "
        f"the last model ({last.version}). Below 0.1 is stable; shifted ({SHIFTED} or more): {told}."
    )
    shown = {name or "score": index for name, index in list(last.drift.items())[:_SHOWN]}
    if "score" not in shown and "" in last.drift:
        shown["score"] = last.drift[""]
    report.picture(
        bars(
            shown,
            unit="population stability index",
            reference=SHIFTED,
            reference_name="shifted",
        ),
        "",
        "Drift of each input and of the score",
    )


def _kinds(trained: Trained) -> list[str]:
    return sorted({one.kind for one in trained.choice.fitted.calibrations})


def _rate(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None


def _share(examples: Examples) -> float | None:
    return float(examples.label.mean()) if len(examples) else None


def _day(time: float) -> str:
    return datetime.fromtimestamp(float(time), UTC).date().isoformat()

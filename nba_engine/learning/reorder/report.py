"""What `nba reorder fit` found, as a page."""

from __future__ import annotations

from nba_engine.learning.reorder.fitting import AHEAD, ReorderFinding
from nba_engine.learning.report import Report, bars, interval_picture

__all__ = ["report_reorder", "verdict"]

_SHOWN = 30  # categories


def report_reorder(found: ReorderFinding, *, source: str, until: str, share: float) -> Report:
    """The page: which categories have a cycle, and what waiting for it is worth."""
    report = Report("Reorder", f"{source}, until {until}")
    report.text(
        "When a bought thing becomes worth offering again. A category has a cycle when how long ago it "
        "was bought says when it is bought again: its shape is above 1, and on the held-out time it "
        "predicts better than chance. A customer's own gaps outweigh those of others the more there "
        "are of them."
    )
    report.text(f"{verdict(found)}.")
    if found.hits:
        report.picture(
            bars(found.hits, unit=f"bought within {AHEAD:g} days of the offer (share)"),
            f"{found.offers:,} offers in the held-out time by each policy.",
            "Share of offers that were in time, by policy.",
        )
        report.table(
            ["policy", "bought within a week of the offer"],
            [[name, value] for name, value in sorted(found.hits.items(), key=lambda one: -one[1])],
            "All policies offer equally often.",
        )
    kept = sorted(
        (one for one in found.categories if not one.refusal), key=lambda one: -one.purchases
    )
    if kept:
        report.section("Categories with a cycle")
        report.table(
            [
                "category",
                "purchases",
                "shape",
                "worth offering after (days)",
                "usually again (days)",
            ],
            [
                [one.category, one.purchases, one.shape, f"{one.wait:.1f}", f"{one.usual:.1f}"]
                for one in kept[:_SHOWN]
            ],
            f"of a customer without gaps of their own; worth offering: when {share:.0%} have bought again"
            + (f"; {len(kept) - _SHOWN} more" if len(kept) > _SHOWN else ""),
        )
        gains = {
            one.category: (one.gain.value, one.gain.low, one.gain.high)
            for one in kept[:_SHOWN]
            if one.gain is not None
        }
        report.picture(
            interval_picture(gains, unit="log-likelihood per gap over chance", reference=0.0),
            "On the held-out time; 95% intervals over customers.",
            "How much better than chance each category's cycle predicts.",
        )
    refused = [one for one in found.categories if one.refusal]
    if refused:
        report.section("Categories without one")
        report.table(
            ["category", "purchases", "why"],
            [[one.category, one.purchases, one.refusal] for one in refused[:_SHOWN]],
            "" if len(refused) <= _SHOWN else f"{len(refused) - _SHOWN} more",
        )
    return report


def verdict(found: ReorderFinding) -> str:
    """One sentence."""
    if found.fitted is None or found.gain is None:
        return f"refused: {found.refusal}"
    gain = found.gain
    kept = sum(1 for one in found.categories if not one.refusal)
    return (
        f"kept: {kept} of {len(found.categories)} categories have a cycle; of as many offers, "
        f"{gain.value:+.1%} ({gain.low:+.1%} to {gain.high:+.1%}) more are in time than with the best "
        "window that is the same for all"
    )

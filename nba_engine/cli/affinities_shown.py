"""A customer's affinities and reorder times, as `nba identity show --affinities` says them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from nba_engine.cli.output import output, say
from nba_engine.domain import AggregateSpec, CatalogView, CustomerState, CustomerView
from nba_engine.domain.affinity_words import said_affinity
from nba_engine.domain.fitted import DAY, FITTED, ReorderPrior, wait_of

__all__ = ["show_affinities"]

_SHOWN = 8  # per aggregate, the strongest


def show_affinities(state: CustomerState, catalog: CatalogView, now: float) -> None:
    """Print what is known, aggregate by aggregate; sensitive ones are left out."""
    output.print()
    shown = False
    view = CustomerView(state, catalog.aggregates, now)
    for name, spec in catalog.aggregates.items():
        if spec.kind not in FITTED or spec.sensitive:
            continue
        shown = True
        say(name, style="bold")
        if spec.prior is None:
            kind = "reorder" if spec.kind == "reorder" else "affinity"
            say(f"  not fitted, or customers are alike in it: nba {kind} fit")
            continue
        lines = (
            _reordered(state, spec, now) if spec.kind == "reorder" else _said(view, spec, catalog)
        )
        told = list(lines)
        for line in told[:_SHOWN]:
            say(f"  {line}")
        if not told:
            say("  nothing is known yet: like others")
        elif len(told) > _SHOWN:
            say(f"  and {len(told) - _SHOWN} more")
    if not shown:
        say("The catalog declares no affinities.")


def _said(view: CustomerView, spec: AggregateSpec, catalog: CatalogView) -> Iterator[str]:
    """The words that are not as with everybody, the most different first."""
    found = view.get(spec.name) or {}
    unlike = [(word, times) for word, times in found.items() if abs(math.log(times)) > 1e-9]
    for word, times in sorted(unlike, key=lambda one: -abs(math.log(one[1]))):
        yield said_affinity(catalog, spec, word, times)


def _reordered(state: CustomerState, spec: AggregateSpec, now: float) -> Iterator[str]:
    """What was bought and has a cycle, the most overdue first."""
    cells = state.aggregates.get(spec.name)
    if not isinstance(spec.prior, ReorderPrior) or not isinstance(cells, dict):
        return
    found = []
    for word, cell in cells.items():
        wait = wait_of(spec.prior, word, cell)
        if wait is not None:
            elapsed = max(0.0, now - cell[1]) / DAY
            found.append((elapsed / wait.usual, word, elapsed, wait))
    for _, word, elapsed, wait in sorted(found, reverse=True):
        yield (
            f"“{word}” was bought {elapsed:.0f} days ago, usually again after {wait.usual:.0f}, and is "
            f"worth offering after {wait.offered:.0f}"
        )

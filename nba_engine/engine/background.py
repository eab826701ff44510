"""What explanations tell beside the story: the customer's worth and control groups, further numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from nba_engine.domain import VALUE_NAMES, CandidateTrace, CatalogView, Deciding, Value
from nba_engine.domain.words import enumerated, spoken_money

__all__ = ["background_sentences", "customer_value", "with_columns"]


def customer_value(catalog: CatalogView, deciding: Deciding) -> dict[str, Value]:
    """What the catalog's ``[value]`` makes of the customer at that time, by name.

    Empty without it, and where the catalog calls it sensitive.
    """
    found: dict[str, Value] = {}
    for name in VALUE_NAMES:
        spec = catalog.aggregates.get(name)
        if spec is None or spec.sensitive or (spec.value is None and spec.kind != "days"):
            continue
        value = deciding.customer.get(name)
        if value is not None:
            found[name] = value
    return found


def with_columns(
    traces: Sequence[CandidateTrace], deciding: Deciding
) -> tuple[CandidateTrace, ...]:
    """Traces of what is recommended with all that stages computed of it, as dropped ones have it."""
    candidates = deciding.candidates
    names = [name for name in candidates.columns if name not in candidates.words]
    treatments, placements = deciding.catalog.treatments, deciding.placements
    place = {
        (treatments[unit].id, placements[slot].placement): at
        for at, (unit, slot) in enumerate(
            zip(candidates.index.tolist(), candidates.slot.tolist(), strict=True)
        )
    }

    def whole(trace: CandidateTrace) -> CandidateTrace:
        at = None if trace.stage else place.get((trace.treatment, trace.placement))
        if at is None:
            return trace
        further = {name: candidates.number(name, at) for name in names}
        return msgspec.structs.replace(trace, columns={**further, **trace.columns})

    return tuple(map(whole, traces))


def background_sentences(
    catalog: CatalogView, deciding: Deciding, traces: Sequence[CandidateTrace]
) -> Iterator[str]:
    """The same, as a marketer reads it."""
    yield from _scores(catalog, traces)
    yield from _worth(catalog, deciding)
    yield from _held_back(catalog, deciding)


def _scores(catalog: CatalogView, traces: Sequence[CandidateTrace]) -> Iterator[str]:
    """How likely the customer answers what is recommended in this form, where that did not decide."""
    for trace in traces:
        score = trace.columns.get("treatment_score")
        if trace.stage or score is None or score == trace.columns.get("propensity"):
            continue
        action = catalog.actions[catalog.action_index[trace.action]]
        if action.kind == "nothing":
            continue
        treatment = catalog.treatments[catalog.treatment_index[trace.treatment]]
        channel = catalog.channels[treatment.channel].name
        yield (
            f"By its treatment score this customer answers “{action.name}” by {channel} in "
            f"{trace.placement} with {score:.1%}."
        )


def _held_back(catalog: CatalogView, deciding: Deciding) -> Iterator[str]:
    """Which control groups of some actions the customer is in."""
    names = {group.id: group.name or group.id for group in catalog.control_groups}
    found = [f"“{names[one]}”" for one in deciding.control_groups if one in names]
    if found:
        groups = "control group" if len(found) == 1 else "control groups"
        yield f"The customer is in the {groups} {enumerated(found)}, and never gets what that is about."


def _worth(catalog: CatalogView, deciding: Deciding) -> Iterator[str]:
    found = customer_value(catalog, deciding)
    spec = catalog.aggregates["ad_budget"].value if "ad_budget" in found else None
    if spec is None:
        return

    def number(name: str) -> float:
        value = found[name]
        return float(value) if isinstance(value, int | float) else 0.0

    def money(name: str) -> str:
        return spoken_money(number(name), catalog.currency)

    days = found.get("purchase_days")
    parts = ["bought on 1 day" if days == 1 else f"bought on {days} days"]
    if "p_alive" in found:
        parts.append(f"is still a customer with {number('p_alive'):.1%} (P(alive))")
    text = f"The customer {enumerated(parts)}" if days else "No purchase of the customer is known"
    horizon = f"within {spec.terms.horizon:g} days"
    told = []
    if "expected_purchases" in found:
        each = f" of {money('expected_spend')} each" if "expected_spend" in found else ""
        told.append(f"{number('expected_purchases'):.2f} purchases{each} are expected {horizon}")
    told.append(f"advertising may cost {money('ad_budget')} {horizon}")
    if found.get("win_back"):
        told.append("to be won back: has probably slipped away")
    yield f"{text}; {'; '.join(told)}."

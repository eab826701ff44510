"""Outcomes and features: checks, and which treatments an outcome is about."""

from __future__ import annotations

import msgspec

from nba_engine.catalog.draft import Draft
from nba_engine.catalog.feature_sources import flaws_of_source
from nba_engine.catalog.findings import Entry, Findings
from nba_engine.catalog.learning_schema import FeatureEntry, OutcomeEntry
from nba_engine.catalog.read import Tables
from nba_engine.catalog.schema import Selector
from nba_engine.domain import CatalogView, Feature, OutcomeSpec, flaws_of_feature

__all__ = ["check_features", "make_features", "make_outcomes"]

_DEFAULT = OutcomeSpec()
_MISSING = -1.0  # of a category, where no default is written


def make_outcomes(draft: Draft) -> tuple[OutcomeSpec, ...]:
    """The outcome of every treatment, (T,); where none is declared, `OutcomeSpec`'s defaults."""
    outcome = [_DEFAULT] * len(draft.treatments)
    entries = draft.tables.outcomes.values()
    # that of all first: those that name theirs replace it
    for general in (True, False):
        taken: dict[int, str] = {}
        for entry in entries:
            if (entry.table.applies_to == Selector()) is not general:
                continue
            spec = _outcome(entry, draft.findings)
            place = f"{entry.place}.applies_to"
            matched = draft.matcher.match(entry.table.applies_to, entry.file, place, draft.findings)
            for index in matched.tolist():
                other = taken.setdefault(index, entry.id)
                if other != entry.id:
                    message = f"{draft.treatments[index].id} has the outcome {other!r} already"
                    remedy = "narrow one of the two"
                    draft.findings.mistake(entry.file, place, message, remedy, once=True)
                outcome[index] = spec
    return tuple(outcome)


def _outcome(entry: Entry[OutcomeEntry], findings: Findings) -> OutcomeSpec:
    table = entry.table
    both = sorted({*table.positive} & {*table.negative})
    if both:
        message, remedy = f"{both[0]!r} is positive, too", "keep it in one of the two"
        findings.mistake(entry.file, f"{entry.place}.negative", message, remedy)
    return OutcomeSpec(
        id=entry.id,
        positive=table.positive,
        negative=table.negative,
        within=table.within,
        by=table.by,
        key=table.key,
        shown_by=table.shown_by,
    )


def make_features(tables: Tables, findings: Findings) -> dict[str, Feature]:
    """The features as declared, in order; flaws of a declaration are noted."""
    features = {}
    for name, entry in tables.features.items():
        if findings.is_wrong(entry.file, entry.place):
            continue
        feature = _feature(name, entry.table)
        for key, message, remedy in flaws_of_feature(feature):
            findings.mistake(entry.file, f"{entry.place}.{key}", message, remedy)
        features[name] = feature
    return features


def _feature(name: str, table: FeatureEntry) -> Feature:
    feature = Feature(name=name, **msgspec.structs.asdict(table))
    if feature.transform == "category" and feature.default == 0.0:
        return msgspec.structs.replace(feature, default=_MISSING)
    return feature


def check_features(
    tables: Tables, catalog: CatalogView, broken: frozenset[str], findings: Findings
) -> None:
    """Note features and outcomes that name what this catalog does not have, or of another type."""
    for name, entry in tables.features.items():
        feature = catalog.features.get(name)
        if feature is None or findings.is_wrong(entry.file, entry.place):
            continue
        if feature.source in broken or feature.key in broken:
            continue  # a consequence of what is told already
        for key, message, remedy in flaws_of_source(feature, catalog):
            findings.missing(entry.file, f"{entry.place}.{key}", message, remedy)
    _check_keys(tables, catalog, broken, findings)


def _check_keys(
    tables: Tables, catalog: CatalogView, broken: frozenset[str], findings: Findings
) -> None:
    """Note the outcomes that look for an attribute that no action has."""
    for entry in tables.outcomes.values():
        path = f"action.{entry.table.key}"
        if not entry.table.by or path in broken or findings.is_wrong(entry.file, entry.place):
            continue
        probe = Feature(name="key", source="customer.customer_id", key=path)
        for key, message, remedy in flaws_of_source(probe, catalog):
            if key == "key":
                findings.missing(entry.file, f"{entry.place}.key", message, remedy)

"""Examples from logged decisions: what was shown, as it was known then, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec
import numpy as np

from nba_engine.catalog import values_of
from nba_engine.domain import (
    CatalogView,
    ComplementTable,
    CustomerState,
    CustomerView,
    DecisionRecord,
    Feature,
    Store,
)
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.as_read import FittedOf
from nba_engine.learning.decisions import LoggedDecisions, read_decisions
from nba_engine.learning.interactions import Progress
from nba_engine.learning.training.examples import Examples, fill_categories
from nba_engine.models.values import word_of
from nba_engine.settings import suggest, write_duration

__all__ = [
    "chosen_features",
    "examples_of_decisions",
    "label_words",
    "refuse_unknowable",
    "with_categories_of_actions",
]

_decode = msgspec.msgpack.Decoder(CustomerState).decode

Records = Callable[[], Iterable[DecisionRecord]]


def examples_of_decisions(
    records: Records,
    store: Store,
    catalog: CatalogView,
    *,
    catalog_of: Callable[[str], CatalogView | None],
    tables: Mapping[str, ComplementTable],
    fitted_of: FittedOf | None = None,
    names: Sequence[str] = (),
    assumed: Collection[str] = (),
    until: float | None = None,
    progress: Progress | None = None,
) -> Examples:
    """One example per recommendation that was seen and whose window is over.

    ``records`` gives the decisions, each time it is called. ``names``: only these features.
    Inputs are as serving read them for the decision, so that nothing is seen that came later, with
    what was fitted of affinities then (``fitted_of``, see `AsRead`); a complement table is an
    exception, and refused unless ``assumed`` names the feature.
    Raises `FailedPrecondition`.
    """
    features = chosen_features(catalog, names)
    refuse_unknowable(
        {
            feature.name: f"the table {feature.table!r} may have been learned from what came later"
            for feature in features
            if feature.transform == "table"
        },
        assumed,
    )
    features = with_categories_of_actions(features, catalog)
    features = _with_categories_of_customers(features, records, catalog_of)
    found = read_decisions(
        records(),
        store,
        catalog,
        catalog_of,
        until=until,
        features=features,
        tables=tables,
        fitted_of=fitted_of,
        assumed=assumed,
        progress=progress,
    )
    chosen = found.usable & found.readable
    left_out = _left_out(found)
    if not chosen.any():
        told = "; ".join(f"{why}: {count:,}" for why, count in left_out.items())
        raise FailedPrecondition(f"no decision can be learned from ({told or 'the log is empty'})")
    return Examples(
        source="decisions",
        features=features,
        rows=found.features[chosen],
        label=found.label[chosen],
        time=found.time[chosen],
        known=(found.time + found.window)[chosen],
        action=found.action.code[chosen].astype(np.int32),
        actions=found.action.names,
        customer=found.customer.code[chosen].astype(np.int32),
        left_out=left_out,
        warnings=_assumed_words(features, assumed),
    )


def label_words(catalog: CatalogView, actions: Collection[str]) -> str:
    """What is learned, in words: for the manifest and the report."""
    specs = dict.fromkeys(
        spec
        for treatment, spec in zip(catalog.treatments, catalog.outcomes, strict=True)
        if treatment.action in actions
    )
    told = [
        f"{' or '.join(spec.positive)} within {write_duration(spec.within)}"
        + (f" ({spec.by} holds the action's {spec.key})" if spec.by else "")
        for spec in specs
    ]
    return "; ".join(told)


def chosen_features(catalog: CatalogView, names: Sequence[str]) -> tuple[Feature, ...]:
    """The catalog's features, or those of these names. Raises `FailedPrecondition`."""
    if not catalog.features:
        raise FailedPrecondition(
            "the catalog declares no [features.<name>]: say there what a model may go by"
        )
    for name in names:
        if name not in catalog.features:
            remedy = suggest(name, catalog.features, "features")
            raise FailedPrecondition(f"the catalog declares no feature {name!r} ({remedy})")
    return tuple(catalog.features[name] for name in names or catalog.features)


def refuse_unknowable(reasons: Mapping[str, str], assumed: Collection[str]) -> None:
    """Raise `FailedPrecondition` for features that may see the future, but for ``assumed`` ones."""
    refused = {name: why for name, why in reasons.items() if name not in assumed}
    if refused:
        told = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise FailedPrecondition(
            f"nothing on record says that these features were known at the time: {told}. Leave "
            "them out (--features), or say that they were known (--assume-known)"
        )


def with_categories_of_actions(
    features: Sequence[Feature], catalog: CatalogView
) -> tuple[Feature, ...]:
    """Categories of actions and treatments that declare none: those that this catalog has."""
    return tuple(
        fill_categories(
            feature,
            np.array(
                [
                    word_of(one)
                    for one, nothing in zip(
                        values_of(catalog, feature.source), catalog.is_nothing, strict=True
                    )
                    if not nothing
                ],
                dtype=object,
            ),
        )
        if _open(feature) and feature.source.startswith(("action.", "treatment."))
        else feature
        for feature in features
    )


def _with_categories_of_customers(
    features: Sequence[Feature],
    records: Records,
    catalog_of: Callable[[str], CatalogView | None],
) -> tuple[Feature, ...]:
    """Categories of customers and contexts that declare none: those that decisions read."""
    wanted = {feature.name: feature for feature in features if _open(feature)}
    if not wanted:
        return tuple(features)
    words: dict[str, list[str]] = {name: [] for name in wanted}
    for record in records():
        catalog = catalog_of(record.catalog_version)
        if catalog is None:
            continue
        state = _decode(record.profile) if record.profile else CustomerState(customer_id="")
        view = CustomerView(state, catalog.aggregates, record.time, known=record.known)
        for name, feature in wanted.items():
            of, _, attribute = feature.source.partition(".")
            values = view if of == "customer" else record.request.context
            words[name].append(word_of(values.get(attribute)))
    return tuple(
        fill_categories(feature, np.array(words[feature.name], dtype=object))
        if feature.name in wanted
        else feature
        for feature in features
    )


def _open(feature: Feature) -> bool:
    return feature.transform == "category" and not feature.categories


def _left_out(found: LoggedDecisions) -> dict[str, int]:
    real = ~found.is_nothing
    counts = {
        "nothing was recommended": found.is_nothing,
        "not seen by the customer": real & ~found.seen,
        "its time is not over": real & found.seen & found.censored,
        "inputs no longer on record": found.usable & ~found.readable,
    }
    return {why: int(which.sum()) for why, which in counts.items() if which.any()}


def _assumed_words(features: Sequence[Feature], assumed: Collection[str]) -> tuple[str, ...]:
    names = [feature.name for feature in features if feature.name in assumed]
    return (f"assumed to have been known at the time: {', '.join(names)}",) if names else ()

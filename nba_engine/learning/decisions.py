"""Logged decisions with their outcomes, as columns: what is learned from, and evaluated on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import (
    BoolArray,
    CatalogView,
    ComplementTable,
    DecisionRecord,
    Feature,
    FloatArray,
    OutcomeSpec,
    Recommendation,
    Store,
)
from nba_engine.learning.as_read import AsRead, FittedOf
from nba_engine.learning.interactions import Interactions, Progress, read_interactions
from nba_engine.learning.outcomes import Shown, find_outcomes, types_of

__all__ = ["Coded", "LoggedDecisions", "read_decisions", "whose"]

N = TypeVar("N", bound=str)


class Coded(NamedTuple, Generic[N]):
    """A column of words: ``code`` (n,) counts ``names``, in the order of their first appearance."""

    code: NDArray[np.intp]
    names: tuple[N, ...]

    def words(self) -> NDArray[np.object_]:
        """The words themselves, (n,) objects."""
        return np.array(self.names, dtype=np.object_)[self.code]


class LoggedDecisions(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What was recommended and how it ended: one element per recommendation, as it was logged.

    A decision's recommendations stand together; *nothing*, where it was recommended, too
    (``is_nothing``). ``outcome`` is 1 (positive), -1 (negative) or 0 (none) within the window of the
    action's `OutcomeSpec`, ``outcome_time`` when (NaN: none). ``censored``: the window was not over
    at ``until``: what the outcome will be is not known, leave it out. ``seen``: whether it was
    presented, as far as the outcome asks for that. ``position`` counts from 0 within the placement;
    ``selection_probability`` is that of the policy; money is in the catalog's currency.

    ``features`` (n, f): the model inputs named by ``feature_names``, as serving read them then; NaN
    rows where they are not on record (``readable``).
    """

    until: float
    decision: Coded[str]
    recommendation_id: tuple[str, ...]
    time: FloatArray
    customer: Coded[str]
    action: Coded[str]
    treatment: Coded[str]
    channel: Coded[str]
    placement: Coded[str]
    catalog_version: Coded[str]
    models: Coded[str]  # JSON of the decision's model versions
    position: NDArray[np.intp]
    propensity: FloatArray
    selection_probability: FloatArray
    score: FloatArray
    value: FloatArray
    cost: FloatArray
    is_nothing: BoolArray
    outcome: NDArray[np.int8]
    outcome_time: FloatArray
    window: FloatArray  # seconds
    censored: BoolArray
    seen: BoolArray
    feature_names: tuple[str, ...]
    features: NDArray[np.float32]
    readable: BoolArray

    @property
    def label(self) -> FloatArray:
        """1.0 for a positive outcome, else 0.0."""
        return (self.outcome > 0).astype(np.float64)

    @property
    def usable(self) -> BoolArray:
        """What a model may learn from: shown, not *nothing*, its window over."""
        return self.seen & ~self.censored & ~self.is_nothing


def read_decisions(
    records: Iterable[DecisionRecord],
    store: Store,
    catalog: CatalogView,
    catalog_of: Callable[[str], CatalogView | None],
    *,
    until: float | None = None,
    features: Sequence[Feature] = (),
    tables: Mapping[str, ComplementTable] | None = None,
    fitted_of: FittedOf | None = None,
    assumed: Collection[str] = (),
    progress: Progress | None = None,
) -> LoggedDecisions:
    """Read logged decisions and look up in the store how each recommendation ended.

    ``catalog`` says what counts as an outcome (`CatalogView.outcomes`; of treatments that it does
    not have any more, the catalog that decided says it). ``catalog_of`` gives the catalog of a
    version, None when it is gone: features of its decisions cannot be read then. ``until``: up to
    when outcomes are known; None is now or, in a simulated store, the last thing that happened.

    ``features`` are computed as serving did, from the customer as it was read for the decision, by
    the catalog that decided. Aggregates that this catalog declared otherwise, or not at all, are
    computed from the interactions before the decision: no feature sees what came later. What is
    usual (affinities, shares, waits) is taken as ``fitted_of`` says of then, but for the features
    ``assumed``.
    """
    rows = _Rows(catalog, catalog_of)
    as_read = AsRead(features, catalog, catalog_of, tables or {}, fitted_of, assumed)
    for record in records:
        if until is None or record.time < until:
            rows.add(record)
            as_read.add(record)
    specs = list(dict.fromkeys(rows.specs)) or [OutcomeSpec()]
    fields = {spec.by for spec in specs if spec.by}
    interactions = read_interactions(
        store, types=types_of(specs), fields=fields, until=until, progress=progress
    )
    times = np.array(rows.time, dtype=np.float64)
    if until is None:
        latest = float(max(times.max(initial=0.0), interactions.time.max(initial=0.0)))
        until = latest if store.simulated else time.time()
    spec_of = {spec: number for number, spec in enumerate(specs)}
    window = np.array([spec.within for spec in rows.specs], dtype=np.float64)
    ended = find_outcomes(
        Shown(
            recommendation_id=rows.recommendation_id,
            time=times,
            customer=whose(rows.words["customer"], rows.identity, store, interactions),
            spec=np.array([spec_of[spec] for spec in rows.specs], dtype=np.intp),
            specs=specs,
            word=rows.word,
        ),
        interactions,
    )
    inputs, readable = as_read.features(store)
    columns: dict[str, Any] = {name: _coded(words) for name, words in rows.words.items()}
    for name, values in rows.numbers.items():
        columns[name] = np.array(values, dtype=np.float64)
    return LoggedDecisions(
        until=until,
        recommendation_id=tuple(rows.recommendation_id),
        time=times,
        position=np.array(rows.position, dtype=np.intp),
        is_nothing=np.array(rows.is_nothing, dtype=np.bool_),
        outcome=ended.outcome,
        outcome_time=ended.time,
        window=window,
        censored=times + window > until,
        seen=ended.seen,
        feature_names=tuple(feature.name for feature in features),
        features=inputs,
        readable=readable,
        **columns,
    )


class _Rows:
    """The columns that the records alone fill."""

    def __init__(
        self, catalog: CatalogView, catalog_of: Callable[[str], CatalogView | None]
    ) -> None:
        self._catalog = catalog
        self._catalog_of = catalog_of
        self.recommendation_id: list[str] = []
        self.time: list[float] = []
        self.words: dict[str, list[str]] = {name: [] for name in (*_OF_DECISION, *_WORDS)}
        self.numbers: dict[str, list[float]] = {name: [] for name in _NUMBERS}
        self.position: list[int] = []
        self.is_nothing: list[bool] = []
        self.specs: list[OutcomeSpec] = []
        self.word: list[str] = []
        self.identity: dict[str, str] = {}  # customer id as logged → identity that was asked for

    def add(self, record: DecisionRecord) -> None:
        shared = {
            "decision": record.decision_id,
            "customer": record.customer_id,
            "catalog_version": record.catalog_version,
            "models": _encode(record.model_versions).decode(),
        }
        self.identity[record.customer_id] = record.request.identity
        for one in record.recommendations:
            self.recommendation_id.append(one.recommendation_id)
            self.time.append(record.time)
            for name, word in shared.items():
                self.words[name].append(word)
            for name in _WORDS:
                self.words[name].append(getattr(one, name))
            for name in _NUMBERS:
                self.numbers[name].append(getattr(one, name))
            self.position.append(one.position)
            self._add_outcome(record.catalog_version, one)

    def _add_outcome(self, version: str, one: Recommendation) -> None:
        catalog: CatalogView | None = self._catalog
        if one.treatment not in self._catalog.treatment_index:
            catalog = self._catalog_of(version)
        at = None if catalog is None else catalog.treatment_index.get(one.treatment)
        if catalog is None or at is None:  # neither knows it
            self.specs.append(OutcomeSpec())
            self.word.append("")
            self.is_nothing.append(one.treatment.startswith("nothing."))
            return
        spec = catalog.outcomes[at]
        action = catalog.actions[int(catalog.action_of[at])]
        word = action.attributes.get(spec.key) if spec.by else ""
        self.specs.append(spec)
        self.word.append(word if isinstance(word, str) else "")
        self.is_nothing.append(bool(catalog.is_nothing[at]))


_OF_DECISION = ("decision", "customer", "catalog_version", "models")
_WORDS = ("action", "treatment", "channel", "placement")
_NUMBERS = ("propensity", "selection_probability", "score", "value", "cost")
_encode = msgspec.json.Encoder(order="sorted").encode


def _coded(words: Sequence[str]) -> Coded[Any]:
    names = {name: code for code, name in enumerate(dict.fromkeys(words))}
    return Coded(np.array([names[word] for word in words], dtype=np.intp), tuple(names))


def whose(
    names: Sequence[str], identities: Mapping[str, str], store: Store, interactions: Interactions
) -> NDArray[np.intp]:
    """Whose interactions to look at, (n,), -1: nobody's. Customers may have been merged, or known, since.

    ``names`` (n,) are customer ids as logged, ``identities`` those that were asked for, by such an id.
    """
    place = {name: code for code, name in enumerate(interactions.customer_ids)}
    found: dict[str, int] = {}
    for name, identity in identities.items():
        at = place.get(name)
        if at is None:
            known = store.customer(identity)
            at = -1 if known is None else place.get(known[0].customer_id, -1)
        found[name] = at
    return np.array([found[name] for name in names], dtype=np.intp)

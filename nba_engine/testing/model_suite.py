"""What every model must do: one that is code, and one that is a folder."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nba_engine.app import load_plugins
from nba_engine.catalog import Catalog
from nba_engine.domain import (
    CatalogView,
    CustomerState,
    CustomerView,
    FloatArray,
    IntArray,
    Manifest,
    ModelFactory,
    ModelRuntime,
    Scorer,
)
from nba_engine.models import load_manifest, open_scorer
from nba_engine.testing.deciding import FakeResources
from nba_engine.testing.samples import sample_context, sample_customers
from nba_engine.testing.threads import in_threads
from nba_engine.testing.world import NOW, make_catalog, shop

__all__ = ["ModelSuite", "catalog_for", "open_model"]

_EXTREME: Mapping[str, Any] = {
    "string": "",
    "int": 2**62,
    "double": 1e300,
    "bool": True,
    "timestamp": 0.0,
}


class ModelSuite:
    """Inherit, and give the fixture ``model``; override ``catalog`` where yours needs it."""

    @pytest.fixture
    def model(self) -> ModelFactory | Path:
        """What your plugin offers: the factory, or the folder of a trained model."""
        raise NotImplementedError("give a fixture `model`: a ModelFactory or the model's folder")

    @pytest.fixture
    def catalog(self, model: ModelFactory | Path) -> CatalogView:
        """The catalog; for a folder, one that declares what the model's features need."""
        if isinstance(model, ModelFactory):
            return make_catalog()
        return catalog_for(load_manifest(model))

    @pytest.fixture
    def runtimes(self) -> Mapping[str, ModelRuntime]:
        """The runtimes that may load it: those of the plugins installed here."""
        offered = load_plugins().register.model_runtimes
        return {name: factory() for name, factory in offered.items()}

    @pytest.fixture
    def customers(self, catalog: CatalogView) -> list[CustomerState]:
        """Who is scored for; the last of them has nothing at all."""
        return sample_customers(catalog)

    @pytest.fixture
    def scorer(
        self,
        model: ModelFactory | Path,
        catalog: CatalogView,
        runtimes: Mapping[str, ModelRuntime],
    ) -> Scorer:
        """The model, bound to the catalog as the engine binds it."""
        return open_model(model, catalog, runtimes)

    def test_it_says_its_version_and_keeps_to_it(
        self,
        scorer: Scorer,
        model: ModelFactory | Path,
        catalog: CatalogView,
        runtimes: Mapping[str, ModelRuntime],
    ) -> None:
        assert isinstance(scorer.version, str)
        assert scorer.version, "the version is empty; it is part of every decision"
        assert open_model(model, catalog, runtimes).version == scorer.version

    def test_every_candidate_gets_a_probability_or_no_answer(
        self, scorer: Scorer, catalog: CatalogView, customers: list[CustomerState]
    ) -> None:
        index = _everything(catalog)
        answered = 0
        for seed, state in enumerate(customers):
            scores = _scores(scorer, catalog, index, state, seed)
            check_scores(scores, index)
            answered += int(np.isfinite(scores).sum())
        assert answered, "the model has no answer for anything"

    def test_no_candidates_get_no_scores(
        self, scorer: Scorer, catalog: CatalogView, customers: list[CustomerState]
    ) -> None:
        index = np.empty(0, dtype=np.intp)
        check_scores(_scores(scorer, catalog, index, customers[0], 0), index)

    def test_a_candidate_has_the_same_score_among_others(
        self, scorer: Scorer, catalog: CatalogView, customers: list[CustomerState]
    ) -> None:
        index = _everything(catalog)
        everything = _scores(scorer, catalog, index, customers[0], 0)
        for some in (index[::2], index[::-1].copy(), np.repeat(index, 2), index[-1:]):
            scores = _scores(scorer, catalog, some, customers[0], 0)
            check_scores(scores, some)
            assert np.allclose(scores, everything[some], atol=1e-6, equal_nan=True), (
                "a score depends on which other candidates there are"
            )

    def test_the_same_question_gets_the_same_answer_from_a_model_opened_anew_too(
        self,
        scorer: Scorer,
        model: ModelFactory | Path,
        catalog: CatalogView,
        runtimes: Mapping[str, ModelRuntime],
        customers: list[CustomerState],
    ) -> None:
        again = open_model(model, catalog, runtimes)
        index = _everything(catalog)
        for seed, state in enumerate(customers):
            first, second, third = (
                _scores(one, catalog, index, state, seed) for one in (scorer, scorer, again)
            )
            assert np.array_equal(first, second, equal_nan=True), "a second answer differs"
            assert np.array_equal(first, third, equal_nan=True), "opened anew, it differs"

    def test_four_threads_get_the_scores_of_one(
        self, scorer: Scorer, catalog: CatalogView, customers: list[CustomerState]
    ) -> None:
        index = _everything(catalog)

        def score(number: int) -> list[float]:
            state = customers[number % len(customers)]
            scores = _scores(scorer, catalog, index, state, number)
            return [float(score) for score in np.nan_to_num(scores, nan=-1.0)]

        numbers = range(3 * len(customers))
        assert in_threads(score, numbers) == [score(number) for number in numbers]

    def test_it_answers_for_customers_with_nothing_and_with_extreme_values(
        self, scorer: Scorer, catalog: CatalogView
    ) -> None:
        index = _everything(catalog)
        extreme = {
            name: _EXTREME[attribute.type]
            for name, attribute in catalog.attributes.items()
            if attribute.type in _EXTREME
        }
        for attributes in ({}, extreme):
            state = CustomerState(customer_id="web:1", attributes=attributes)
            view = CustomerView(state, catalog.aggregates, NOW, known=False)
            check_scores(scorer.propensities(index, view, {}, NOW), index)

    def test_it_changes_nothing_of_what_it_sees(
        self, scorer: Scorer, catalog: CatalogView, customers: list[CustomerState]
    ) -> None:
        index = _everything(catalog)
        context = sample_context(catalog, share=1.0)
        before = deepcopy((customers[0], context, index))
        view = CustomerView(customers[0], catalog.aggregates, NOW)
        scorer.propensities(index, view, context, NOW)
        assert (customers[0], context) == before[:2], "the model changed the customer or context"
        assert np.array_equal(index, before[2]), "the model changed the candidates"

    def test_its_features_can_be_looked_at(
        self, scorer: Scorer, catalog: CatalogView, customers: list[CustomerState]
    ) -> None:
        index = _everything(catalog)
        view = CustomerView(customers[0], catalog.aggregates, NOW)
        rows = scorer.features(index, view, sample_context(catalog), NOW)
        assert rows.shape == (len(index), len(scorer.feature_names))
        assert rows.dtype == np.float32


def open_model(
    model: ModelFactory | Path, catalog: CatalogView, runtimes: Mapping[str, ModelRuntime]
) -> Scorer:
    """A model bound to a catalog. A folder's tables are made up."""
    if isinstance(model, ModelFactory):
        return model.build(catalog)
    names = {feature.table for feature in load_manifest(model).features if feature.table}
    resources = FakeResources(catalog)
    tables = {name: resources.complements(name) for name in names}
    return open_scorer(model, catalog, runtimes, tables)


def catalog_for(manifest: Manifest, offers: int = 12) -> Catalog:
    """The shop without its rules, with everything declared that the features of a model name."""
    tables = {name: table for name, table in shop(offers).items() if name != "rules"}
    for action in tables["actions"].values():
        if "value" in action:
            action["value"] = 1.0
    declared = {"customer": tables["attributes"], "context": tables["context"]}
    for feature in manifest.features:
        of, _, name = feature.source.partition(".")
        texts = {"days_since": "timestamp", "equals": "string", "category": "string"}
        element = texts.get(feature.transform, "double")
        if feature.transform == "equals" and not isinstance(feature.value, str):
            element = "bool" if isinstance(feature.value, bool) else "double"
        if of in declared and name not in ("known", "customer_id", "consents"):
            if of == "customer":
                tables["aggregates"].pop(name, None)
            kind = (
                f"map<string,{element}>" if feature.key or feature.transform == "table" else element
            )
            declared[of][name] = {"type": kind}
        for path in (feature.source, feature.key):
            _give(tables, path, "text" if path == feature.key or element == "string" else 1.0)
    return make_catalog(base=tables)


def _give(tables: dict[str, Any], path: str, value: object) -> None:
    """Give actions or treatments an attribute that a feature names, if they have none so called."""
    of, _, name = path.partition(".")
    own = ("id", "name", "kind", "group", "campaign", "prior", "lever", "action", "channel", "cost")
    if name in own:
        return
    if of == "action":
        for action in tables["actions"].values():
            if action.get("kind") != "nothing":
                action.setdefault("attributes", {}).setdefault(name, value)
    if of == "treatment":
        for treatment in tables["treatment_sets"]["standard"].values():
            treatment.setdefault("attributes", {}).setdefault(name, value)


def check_scores(scores: FloatArray, index: IntArray) -> None:
    """Probabilities, or NaN, one per candidate. Raises `AssertionError`."""
    assert isinstance(scores, np.ndarray), f"the scores are {type(scores).__name__}, not an array"
    assert scores.shape == index.shape, f"{scores.shape} scores for {len(index)} candidates"
    assert scores.dtype == np.float64, f"the scores are {scores.dtype}, not float64"
    wrong = scores[~(np.isnan(scores) | ((scores >= 0.0) & (scores <= 1.0)))]
    assert not len(wrong), f"{wrong[:1]} is no probability"


def _everything(catalog: CatalogView) -> IntArray:
    return np.arange(len(catalog.treatments), dtype=np.intp)


def _scores(
    scorer: Scorer, catalog: CatalogView, index: IntArray, state: CustomerState, seed: int
) -> FloatArray:
    view = CustomerView(state, catalog.aggregates, NOW)
    return scorer.propensities(index, view, sample_context(catalog, seed=seed), NOW)

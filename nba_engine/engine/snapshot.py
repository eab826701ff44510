"""What a reload swaps as one: catalog, pipeline, and everything derived from the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nba_engine.domain import CatalogView, Fold, Merge
from nba_engine.domain.algebra import fold_for
from nba_engine.domain.merging import merge_for
from nba_engine.engine.attribution import facts_of
from nba_engine.engine.requests import RequestReader
from nba_engine.engine.types import Reader, readers_of
from nba_engine.pipeline import Pipeline

__all__ = ["Snapshot"]


class Snapshot:
    """A catalog, the pipeline built over it, and the models it uses. Never changed once made.

    ``rebuild`` builds the same pipeline over a changed copy of the catalog, for what-if questions.
    """

    __slots__ = (
        "attributes",
        "catalog",
        "facts",
        "fold",
        "merge",
        "model_versions",
        "pipeline",
        "rebuild",
        "requests",
    )

    def __init__(
        self,
        catalog: CatalogView,
        pipeline: Pipeline,
        *,
        model_versions: Mapping[str, str] | None = None,
        rebuild: Callable[[CatalogView], Pipeline],
    ) -> None:
        self.catalog = catalog
        self.pipeline = pipeline
        self.model_versions = dict(model_versions or {})
        self.rebuild = rebuild
        self.requests = RequestReader(catalog)
        self.attributes: dict[str, Reader] = readers_of(catalog.attributes)
        self.facts = facts_of(catalog)
        self.fold: Fold = fold_for(catalog.aggregates)
        rules = {name: attribute.merge for name, attribute in catalog.attributes.items()}
        self.merge: Merge = merge_for(rules, catalog.aggregates)

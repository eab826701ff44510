"""A model's features against a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nba_engine.catalog import flaws_of_source
from nba_engine.domain.catalog import CatalogView
from nba_engine.domain.features import Feature
from nba_engine.domain.model import Manifest
from nba_engine.domain.tables import ComplementTable
from nba_engine.errors import Mistake

__all__ = ["Half", "binding_mistakes", "half_of"]

Half = Literal["request", "treatment", "cross"]


def half_of(feature: Feature) -> Half:
    """What a feature depends on: the request, the treatment, or both at once."""
    if feature.key:
        return "cross"
    return "treatment" if feature.source.startswith(("action.", "treatment.")) else "request"


def binding_mistakes(
    manifest: Manifest, catalog: CatalogView, tables: Mapping[str, ComplementTable], file: str
) -> list[Mistake]:
    """Everything that keeps these features from being computed for this catalog."""
    mistakes = []
    for position, feature in enumerate(manifest.features):
        for key, message, remedy in flaws_of_source(feature, catalog, tables):
            place = f"features[{position}].{key}"
            text = f"{feature.name!r}: {message}"
            mistakes.append(Mistake(file=file, place=place, message=text, remedy=remedy))
    unknown = [action for action in manifest.outputs if action not in catalog.action_index]
    if manifest.outputs and len(unknown) == len(manifest.outputs):
        mistakes.append(
            Mistake(
                file=file,
                place="outputs",
                message="names no action of this catalog",
                remedy="outputs hold action ids",
            )
        )
    return mistakes

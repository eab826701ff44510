"""The catalog: read, validate and compile ``catalog/*.toml``."""

from nba_engine.catalog.catalog import Catalog
from nba_engine.catalog.declare import aggregate_type
from nba_engine.catalog.feature_sources import flaws_of_source, values_of
from nba_engine.catalog.json_schema import catalog_schema
from nba_engine.catalog.load import Vocabulary, load, load_leniently, version_of
from nba_engine.catalog.read import read_folder, read_leniently

__all__ = [
    "Catalog",
    "Vocabulary",
    "aggregate_type",
    "catalog_schema",
    "flaws_of_source",
    "load",
    "load_leniently",
    "read_folder",
    "read_leniently",
    "values_of",
    "version_of",
]

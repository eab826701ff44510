"""nba-engine: a self-hosted next-best-action engine."""

from importlib.metadata import version as _version

__all__ = ["__version__"]

__version__ = _version("nba-engine")

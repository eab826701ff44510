"""The model registry: versions of models in a folder, and which of them are promoted."""

from nba_engine.models.registry.registry import ModelRegistry
from nba_engine.models.registry.versions import ModelVersion, Promotion, Refusal, Status

__all__ = ["ModelRegistry", "ModelVersion", "Promotion", "Refusal", "Status"]

"""Models as they serve: manifests, ONNX sessions, feature assembly, complement tables."""

from nba_engine.models.columns import predict_columns
from nba_engine.models.fitted import load_fitted, save_fitted
from nba_engine.models.manifest import MANIFEST_FILE, load_manifest, write_manifest
from nba_engine.models.runtime import OnnxRuntime
from nba_engine.models.scorer import check_model, open_scorer
from nba_engine.models.tables import CsrTable, load_table, save_table

__all__ = [
    "MANIFEST_FILE",
    "CsrTable",
    "OnnxRuntime",
    "check_model",
    "load_fitted",
    "load_manifest",
    "load_table",
    "open_scorer",
    "predict_columns",
    "save_fitted",
    "save_table",
    "write_manifest",
]

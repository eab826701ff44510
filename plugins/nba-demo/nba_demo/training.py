"""What training leaves behind for the server: the model's folder and the complement table."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from nba_demo.data import TIME_ZONE
from nba_demo.features import ASSORTMENT, CYCLE, FEATURES
from nba_demo.model import graph
from nba_demo.offline import Offline, Trained, anchors
from nba_demo.panel import HORIZON
from nba_engine.domain import Manifest
from nba_engine.domain.fitted import Fitted, FittedTable
from nba_engine.learning.export import publish
from nba_engine.models import OnnxRuntime, load_manifest, save_fitted, save_table

__all__ = ["parity_of", "publish_model"]

NAME = "propensity"


def publish_model(
    folder: Path,
    trained: Trained,
    offline: Offline,
    data_hash: str,
    *,
    cycles: Fitted | None = None,
) -> Manifest:
    """Write ``models/propensity`` and its tables below ``folder``: complements, affinities, cycles.

    Raises `FailedPrecondition` when the graph differs from the model by more than 1e-5 on the
    held-out rows: nothing is published then.
    """
    figures = {
        f"{task}.{figure}": round(value, 5)
        for task, measures in (
            ("all", offline.everything["model"]),
            ("cross_sell", offline.cross_sell["model"]),
        )
        for figure in ("log_loss", "auc", "ece", "recall")
        if (value := getattr(measures, figure)) is not None
    }
    exported = graph(trained.model)
    manifest = Manifest(
        name=NAME,
        version=f"logistic-{hashlib.sha256(exported).hexdigest()[:12]}",
        signature="row",
        features=FEATURES,
        trained_from=_day(anchors("train")[0]),
        trained_until=_day(anchors("train")[-1] + HORIZON),
        label="the household buys in the action's category within 14 days",
        metrics=figures,
        data_hash=data_hash,
    )
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    save_table(folder / "tables" / "complements.npz", trained.table)
    fitted = {ASSORTMENT.name: trained.tastes.fitted()}
    if cycles is not None:
        fitted[CYCLE.name] = cycles
    save_fitted(folder / "tables" / "affinities.json", FittedTable(aggregates=fitted))
    return publish(
        folder / "models" / NAME,
        manifest,
        exported,
        trained.held_out,
        trained.model.predict,
    )


def parity_of(folder: Path, trained: Trained) -> float:
    """The largest difference between the published graph and the model on the held-out rows."""
    manifest = load_manifest(folder / "models" / NAME)
    run = OnnxRuntime().load(folder / "models" / NAME, manifest)
    served = np.asarray(run(trained.held_out), np.float64).reshape(-1)
    return float(np.abs(served - trained.model.predict(trained.held_out)).max())


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, ZoneInfo(TIME_ZONE)).date().isoformat()

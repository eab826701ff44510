"""What training leaves behind for the server: the model's folder and the complement table."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from nba_demo.data import CUT_OFF, TIME_ZONE
from nba_demo.features import FEATURES
from nba_demo.model import graph
from nba_demo.offline import Offline, Trained, anchors
from nba_demo.panel import HORIZON

from nba_engine.domain import Manifest
from nba_engine.learning.export import publish
from nba_engine.models import save_table

__all__ = ["publish_model"]

NAME = "propensity"


def publish_model(folder: Path, trained: Trained, offline: Offline, data_hash: str) -> Manifest:
    """Write ``models/propensity`` and ``tables/complements.npz`` below ``folder``.

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
    manifest = Manifest(
        name=NAME,
        version=f"logistic-{data_hash}",
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
    return publish(
        folder / "models" / NAME,
        manifest,
        graph(trained.model, entry=manifest.input, output=manifest.output),
        trained.held_out,
        trained.model.predict,
    )


def cut_off_day() -> str:
    """The cut-off as a local day."""
    return _day(CUT_OFF)


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, ZoneInfo(TIME_ZONE)).date().isoformat()

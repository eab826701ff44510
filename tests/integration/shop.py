"""A made-up shop, opened and served as a user would: `nba serve` on a free port."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from nba_engine.domain import Feature
from nba_engine.learning import LogisticModel, export_logistic

SHOP = Path(__file__).parent / "shop"
FEATURES = (
    Feature(name="prior", source="action.prior"),
    Feature(name="bought", source="customer.purchases", key="action.category"),
)


def make_shop(folder: Path) -> Path:
    """Copy the shop and export its model (weights made up); the settings file."""
    shutil.copytree(SHOP, folder, dirs_exist_ok=True)
    model = LogisticModel(
        weights=np.array([10.0, 0.25]),
        bias=-3.0,
        calibration=(1.0, 0.0),
        strength=1.0,
        validation_log_loss=0.0,
    )
    rows = np.random.default_rng(7).random((64, len(FEATURES)), dtype=np.float32)
    export_logistic(
        folder / "models" / "propensity",
        model,
        name="propensity",
        version="made-up",
        features=FEATURES,
        held_out=rows,
    )
    return folder / "nba.toml"


class Shop(NamedTuple):
    """A served shop: where it listens, and its process. Standard output holds the log."""

    address: str
    process: subprocess.Popen[bytes]
    folder: Path

    def line(self) -> dict[str, Any]:
        """The next line of the log."""
        assert self.process.stdout is not None
        found: dict[str, Any] = orjson.loads(self.process.stdout.readline())
        return found


@contextmanager
def serving_shop(folder: Path, *, stages: Sequence[str] = (), **environ: str) -> Iterator[Shop]:
    """Make the shop and run `nba serve` until the block ends.

    ``stages`` come after the slate. What the shop stored in the folder before is there again.
    """
    settings = make_shop(folder)
    with settings.open("a", encoding="utf-8") as file:
        file.writelines(f'[[pipeline]]\nstage = "{stage}"\n' for stage in stages)
    ready = folder / f"ready-{os.urandom(4).hex()}"
    nba = Path(sysconfig.get_path("scripts")) / "nba"
    command: list[str | Path] = [nba, "serve", "--settings", settings, "--ready-file", ready]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **environ})
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, f"nba serve ended with {process.wait()}"
        while not ready.exists():  # it is written right after the first line
            assert process.poll() is None
        yield Shop(ready.read_text("utf-8"), process, folder)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

from __future__ import annotations

import datetime as dt
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

from nba_engine.learning.value import Purchases

_FIRST = dt.date(1997, 1, 1)


@pytest.fixture(scope="session")
def cdnow_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CDNOW: purchases of 2,357 customers who first bought in early 1997, as a plain file."""
    source = distribution("lifetimes").locate_file("lifetimes/datasets/CDNOW_sample.txt")
    rows = ["customer,time,amount"]
    for line in Path(str(source)).read_text().splitlines():
        if line.strip():
            _, customer, day, _, amount = line.split()
            rows.append(f"{customer},{day[:4]}-{day[4:6]}-{day[6:]},{amount}")
    file = tmp_path_factory.mktemp("cdnow") / "cdnow.csv"
    file.write_text("\n".join(rows))
    return file


@pytest.fixture(scope="session")
def cdnow(cdnow_file: Path) -> Purchases:
    """The same as columns; days count from the first of January 1997."""
    rows = [line.split(",") for line in cdnow_file.read_text().splitlines()[1:]]
    days = [(dt.date.fromisoformat(day) - _FIRST).days for _, day, _ in rows]
    return Purchases(
        np.array([int(customer) - 1 for customer, _, _ in rows]),
        np.array(days, dtype=np.float64),
        np.array([float(amount) for _, _, amount in rows]),
    )

"""Arrays in ``.npz`` files, read without pickle; whatever is wrong is a mistake with a remedy."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_engine.errors import Mistake, MistakesFound

__all__ = ["read_arrays", "wrong"]


def wrong(file: Path, place: str, message: str, remedy: str = "") -> MistakesFound:
    """One mistake, ready to raise."""
    return MistakesFound([Mistake(file=str(file), place=place, message=message, remedy=remedy)])


def read_arrays(file: Path, names: Sequence[str], remedy: str) -> dict[str, NDArray[Any]]:
    """The named arrays of an ``.npz``. Raises `MistakesFound`; never unpickles."""
    try:
        # np.load leaves a file open that it opened itself and cannot read
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise wrong(file, missing[0], "the array is missing", remedy)
            return {name: archive[name] for name in names}
    except OSError as error:
        reason = error.strerror or "not an .npz file"
        raise wrong(file, "", f"cannot be read: {reason}", remedy) from error
    except (ValueError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise wrong(file, "", "is not an .npz file of plain arrays", remedy) from error

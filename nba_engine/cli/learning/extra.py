"""Commands that learn need `pip install nba-engine[learn]`: without it, one sentence says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nba_engine.errors import NbaError

__all__ = ["learn_extra"]

_PACKAGES = frozenset({"lightgbm", "matplotlib", "onnx", "pyarrow", "scipy", "sklearn"})


@contextmanager
def learn_extra() -> Iterator[None]:
    """Around the body of a command, or as its decorator below `click.command` and its options.

    The import of `nba_engine.learning` belongs inside, so that all other commands start without
    it. Raises `NbaError` (exit code 1) when a package of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _PACKAGES:
            raise
        raise NbaError(
            f"this command needs {missing}, which is not installed; "
            "install what learns with: pip install 'nba-engine[learn]'"
        ) from None

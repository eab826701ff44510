"""Runs the kit on one plugin, in a process of its own that may hang, crash or exit."""

from __future__ import annotations

import difflib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec.structs import replace

from nba_engine.errors import NotFound
from nba_engine.testing.conformance.examples import loaded, promises_of
from nba_engine.testing.conformance.recorder import Checked, Ended, Lines, Measured, Started
from nba_engine.testing.conformance.report import Report
from nba_engine.testing.conformance.worker import LINES

__all__ = ["check"]


def check(name: str, *, seconds: float = 300.0) -> Report:
    """Hold an installed plugin to the contracts of everything it offers, and measure it.

    ``seconds`` is how long that may take; a plugin that hangs has failed. Raises `NotFound` with
    a suggestion when no plugin of this name is installed.
    """
    plugins = loaded()
    status = next((one for one in plugins.statuses if one.name == name), None)
    if status is None:
        known = [one.name for one in plugins.statuses]
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"installed: {', '.join(known)}"
        raise NotFound(f"no plugin {name!r} is installed; {remedy}", metadata={"plugin": name})
    report = Report(
        plugin=name,
        distribution=status.distribution,
        version=status.version,
        api=status.api,
        hooks=status.hooks,
        requires=_requires(status.distribution),
        promises=tuple(promises_of(plugins.register, name)),
    )
    if not status.loaded:
        return replace(report, problem=f"it is not loaded: {status.problem}")
    with tempfile.TemporaryDirectory(prefix="nba-conformance-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        died = _run(name, folder, seconds)
        lines = Lines(folder / LINES).read()
    checks = tuple(line.check for line in lines if isinstance(line, Checked))
    costs = tuple(line.cost for line in lines if isinstance(line, Measured))
    problem = ""
    if lines and isinstance(lines[-1], Ended):
        problem = lines[-1].problem
    else:
        began = [line.what for line in lines if isinstance(line, Started)]
        problem = died + (f", in the middle of: {began[-1]}" if began else "")
    return replace(report, checks=checks, costs=costs, problem=problem)


def _requires(distribution: str) -> tuple[str, ...]:
    """What its distribution needs, without what only its extras need."""
    try:
        needed = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return ()
    return tuple(one for one in needed if "extra ==" not in one)


def _run(name: str, folder: Path, seconds: float) -> str:
    """Run the worker; how it ended, in case it did not say so itself."""
    command = [sys.executable, "-m", "nba_engine.testing.conformance.worker", name, str(folder)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with (folder / "output.txt").open("wb") as output:
        try:
            done = subprocess.run(  # noqa: S603 - this Python, this package's module
                command,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not end within {seconds:g} seconds"
    said = (folder / "output.txt").read_text(errors="replace").strip().splitlines()
    last = f" after saying {said[-1]!r:.200}" if said else ""
    return f"the process that checked it ended with code {done.returncode}{last}"

"""How far a run has come, on stderr: bars on a terminal, a line every minute elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Self

from rich import progress
from rich.console import Console

from nba_engine.cli.output import errors, progress_bar

__all__ = ["Progress", "State"]

REDRAWN, SAID = 0.5, 60.0  # seconds between two looks: bars, lines


class State(NamedTuple):
    """What there is so far. ``doing``: what the run waits for now."""

    doing: str
    reservations: int
    faults: int
    problems: int


class Progress:
    """A context manager; ``look`` is called in a thread of its own, and must be quick."""

    def __init__(
        self, reservations: int, faults: int, look: Callable[[], State], console: Console = errors
    ) -> None:
        self._reservations = reservations
        self._faults = faults
        self._look = look
        self._console = console
        self._began = time.monotonic()
        self._ended = threading.Event()
        show = self._draw if console.is_terminal else self._say
        self._thread = threading.Thread(target=show, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _draw(self) -> None:
        with progress.Progress(*progress_bar().columns, console=self._console) as bars:
            reserved = bars.add_task("", total=self._reservations)
            struck = bars.add_task("", total=self._faults)
            ended = False
            while not ended:
                ended = self._ended.wait(REDRAWN)
                state = self._look()
                bars.update(
                    reserved, completed=state.reservations, description="reservations acknowledged"
                )
                told = f"kills and other faults; {_problems(state.problems)}; {state.doing}"
                bars.update(struck, completed=state.faults, description=told)

    def _say(self) -> None:
        while not self._ended.wait(SAID):
            self._console.print(self.line(self._look()), markup=False, highlight=False)

    def line(self, state: State) -> str:
        """The state as a line for a log."""
        return (
            f"after {time.monotonic() - self._began:.0f} s: {state.reservations:,} of "
            f"{self._reservations:,} reservations acknowledged, {state.faults} of {self._faults} "
            f"kills and other faults, {_problems(state.problems)}; {state.doing}"
        )


def _problems(count: int) -> str:
    return f"{count} problem{'s' if count != 1 else ''}"

"""Progress: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

__all__ = ["Steps", "Tick"]

Tick = Callable[[int], None]
_QUARTERS = 4


class Steps:
    """Shows one step after the other and remembers how long each took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, text: str, total: int) -> Iterator[Tick]:
        """A step of ``total`` units; the tick says how many were done since the last one."""
        began = time.perf_counter()
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                TaskProgressColumn(),
                TimeElapsedColumn(),
            )
            with Progress(*columns, console=self.console) as progress:
                task = progress.add_task(f"{text:<52}", total=total)
                yield lambda units: progress.advance(task, units)
                progress.update(task, completed=total)
        else:
            self.console.print(f"{text} ...")
            yield self._lines(total)
        self.seconds[name] = round(time.perf_counter() - began, 2)
        if not self.console.is_terminal:
            self.console.print(f"  done in {self.seconds[name]:.1f} s")

    def _lines(self, total: int) -> Tick:
        done = 0

        def tick(units: int) -> None:
            nonlocal done
            quarter = done * _QUARTERS // total if total else 0
            done += units
            now = done * _QUARTERS // total if total else 0
            if quarter < now < _QUARTERS:
                self.console.print(f"  {now * 100 // _QUARTERS}%")

        return tick

"""Whether what is planned for periods fits into the windows of a limit; knows nothing of spans."""

from __future__ import annotations

from collections.abc import Sequence

Times = tuple[float, float]


def carried_out(
    planned: Sequence[Sequence[int]],
    periods: Sequence[Times],
    windows: Sequence[tuple[float, float, int]],
) -> bool:
    """Whether earliest period first gives every contact a window, and none takes more than it has.

    ``planned``: per period the amounts of its contacts; ``windows``: start, end, what is left. A
    window that a period overlaps by less than a tenth (of the shorter) is not counted on.
    """

    def may_use(period: Times, window: tuple[float, float, int]) -> bool:
        shared = min(period[1], window[1]) - max(period[0], window[0])
        shorter = min(period[1] - period[0], window[1] - window[0])
        return shared > 0.0 and shared >= 0.1 * shorter

    waiting = [
        (k, amount) for k, amounts in enumerate(planned) for amount in sorted(amounts, reverse=True)
    ]
    for window in windows:
        left, rest, blocked = window[2], [], False
        for k, amount in waiting:
            if not blocked and may_use(periods[k], window):
                if amount <= left:
                    left -= amount
                    continue
                blocked = True
            rest.append((k, amount))
        waiting = rest
    return not waiting

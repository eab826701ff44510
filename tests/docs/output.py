"""What a page shows as output, held against what really came out."""

from __future__ import annotations

import re

__all__ = ["difference"]

# what differs from run to run: ids, times and durations
_CHANGES = [
    (re.compile(r"\b[0-9a-f]{32}(\.\d+)*\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "VERSION"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d on \d{1,2} \w+ \d{4}"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|µs|s)\b"), "DURATION"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"[ \t]+"), " "),
]


def _plain(text: str) -> list[str]:
    for pattern, word in _CHANGES:
        text = pattern.sub(word, text)
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def difference(shown: str, real: str) -> str:
    """The first line that the page shows and that did not come out; empty when all did.

    ``…`` alone on a line stands for any lines, within a line for any text. Lines must come in the
    order shown, and none may be left out silently.
    """
    wanted, got = _plain(shown), _plain(real)
    at = 0
    skipping = False
    for line in wanted:
        if line == "…":
            skipping = True
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")))
        while skipping and at < len(got) and not pattern.fullmatch(got[at]):
            at += 1
        if at == len(got):
            return f"not printed: {line}"
        if not pattern.fullmatch(got[at]):
            return f"shown:   {line}\nprinted: {got[at]}"
        at += 1
        skipping = False
    if not skipping and at < len(got):
        return f"printed, not shown: {got[at]}"
    return ""

"""Put what `make demo` printed into docs/demo.md, and a part of it into README.md.

    make demo | tee /dev/stderr | python scripts/show_demo.py

Of `make demo-full` the second replay goes there, too. Run it on a machine that does nothing else: the times go in as they are.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST = "Propensity, on weeks the model has not seen"
REPLAY = "Eight weeks replayed through the server"
TRUST = "Can it be trusted?"
AGAIN = "The replay with the plan and its prices, and without"


def sections(printed: str) -> dict[str, list[str]]:
    """The summary by its headings, without trailing spaces; the progress before it is left out."""
    found: dict[str, list[str]] = {}
    over = False  # behind the last line of a summary comes the progress of what follows it
    for line in map(str.rstrip, printed.splitlines()):
        heading = re.fullmatch(r"(\S.*?) ─{3,}", line)
        if heading and heading[1].startswith("nba "):
            break  # what `make demo-full` goes on with
        if heading:
            found[heading[1]], over = [], False
        if found and not over:
            list(found.values())[-1].append(line)
        over = over or bool(re.match(r"\d+ seconds: read", line))
    return found


def replaced(page: str, first_line: str, lines: list[str]) -> str:
    """The page with other text in the block that begins with ``first_line``."""
    pattern = re.compile(rf"(?<=```text\n){re.escape(first_line)}.*?(?=^```)", re.S | re.M)
    text, count = pattern.subn(lambda _: "\n".join(lines).strip() + "\n", page)
    if count != 1:
        sys.exit(f"no block that begins with {first_line!r}")
    return text


def excerpt(found: dict[str, list[str]]) -> list[str]:
    """What the README shows of it: the replay in numbers, and whether limits and sums held."""
    replay, trust = found[REPLAY], found[TRUST]
    last = next(n for n, line in enumerate(replay) if "per second" in line)
    end = next(n for n, line in enumerate(trust) if "Survivors" in line)
    return [*replay[: last + 1], "…", *trust[:end]]


def main() -> int:
    """From standard input into both pages."""
    found = sections(sys.stdin.read())
    if not {FIRST, REPLAY, TRUST} <= set(found):
        sys.exit("this is not what `make demo` prints")
    again = found.pop(AGAIN, None)
    everything = [line for lines in found.values() for line in lines]
    shown = [("docs/demo.md", FIRST, everything), ("README.md", REPLAY, excerpt(found))]
    if again is not None:
        shown.append(("docs/demo.md", AGAIN, again))
    for name, first, lines in shown:
        page = ROOT / name
        page.write_text(replaced(page.read_text("utf-8"), first, lines), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

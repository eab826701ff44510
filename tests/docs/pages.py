"""The pages of the documentation and their code blocks.

How a block is marked, for authors of pages (tests/docs runs all of them, no list to extend):

| fence | what the tests do with it |
|---|---|
| ```` ```python ```` | run: the blocks of a page share their names, in order, in an empty folder |
| ```` ```bash ````, ```` ```sh ```` | run in the same folder, line by line; every line must succeed. A line with `make` only has to name a target, one with `pip install` extras that there are, one with `.venv/bin/` files that there are |
| ```` ```toml ````, `json`, `jsonl`, `csv`, `ini` | parsed; with a `title="catalog/shop.toml"` or a first line `# catalog/shop.toml` also written to that file, where later blocks find it |
| ```` ```cel ```` | every line is parsed as a rule |
| ```` ```proto ```` | every line stands in a file under proto/ |
| ```` ```js ````, `mjs` | stands in a file under docs/examples/, which has a test of its own |
| ```` ```text ```` or no word | output. Directly below a block that was run it is compared with what that printed: `…` stands for anything, ids, times and durations need not agree |
| ```` ```mermaid ```` | a picture |

A comment on the line above a fence changes that:

* `<!-- fragment -->`: part of something larger (a table of nba.toml, a body of a class): parsed where
  it can be, not run, not written;
* `<!-- not run: WHY -->`: as `fragment`, for what cannot run in a test; the reason is needed;
* `<!-- fails -->`: a shell block that must fail; what it says in doing so may be shown as output;
* `<!-- second terminal -->`: goes on running while the blocks below run (`nba serve`).

A page that needs more than an empty folder (a server, a catalog) gets it in `worlds.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

__all__ = ["PAGES", "ROOT", "Block", "blocks", "links", "without_code"]

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("plugins/*/README.md"),
        *ROOT.glob("examples/**/*.md"),
        *(page for page in ROOT.glob("docs/examples/**/*.md") if "node_modules" not in page.parts),
    ]
)
_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=ticks) *$", re.M | re.S)
_TITLE = re.compile(r'title="([^"]+)"')
_FILE = re.compile(r"(?:#|//) ?([\w./-]+\.(?:toml|py|jsonl?|csv|ini))$", re.M)
_MARK = re.compile(r"<!-- (fragment|fails|second terminal|not run: .+) -->$")
_LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One fenced block: where it stands, what it is, what it says."""

    page: str
    line: int  # of the fence, from 1
    language: str
    title: str
    mark: str  # "" when it is to be run
    text: str
    follows: bool  # nothing but white space between the block before and this one

    @property
    def place(self) -> str:
        """``docs/rules.md:12``."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str:
        """The file the block says it is: its title, or its first line if that is a file's name."""
        if re.search(r"\.\w+$", self.title):
            return self.title
        found = _FILE.match(self.text)
        return found[1] if found else ""


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    found: list[Block] = []
    end = 0
    for match in _FENCE.finditer(text):
        between = text[end : match.start()]
        above = between.rstrip("\n").rpartition("\n")[2]
        mark = _MARK.match(above)
        title = _TITLE.search(match["info"])
        found.append(
            Block(
                page=str(page.relative_to(ROOT)),
                line=text.count("\n", 0, match.start()) + 1,
                language=match["info"].split(" ")[0].strip(),
                title=title[1] if title else "",
                mark=mark[1] if mark else "",
                text=match["text"],
                follows=bool(found) and not between.strip(),
            )
        )
        end = match.end()
    return found


def without_code(page: Path) -> str:
    """The text of a page, its fenced blocks blanked line by line."""
    return _FENCE.sub(lambda match: "\n" * match.group().count("\n"), page.read_text("utf-8"))


def links(page: Path) -> list[str]:
    """Where the page's links lead, as written."""
    return _LINK.findall(without_code(page))

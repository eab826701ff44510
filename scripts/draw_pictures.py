"""Draw the pictures of the documentation: docs/pictures/*.svg.

    python scripts/draw_pictures.py           write them
    python scripts/draw_pictures.py --check   fail when they are not what this script draws

The layers come from the import contract in pyproject.toml, so the picture cannot say anything else.
"""

from __future__ import annotations

import sys
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"

LAYERS = {
    "cli": "the command nba",
    "app": "wires everything; the only place that knows all",
    "planning": "contact plans for all customers, prices of limits",
    "server": "the gRPC shell",
    "learning": "training and export",
    "processes": "several servers, and who watches over them",
    "engine": "decides, records, explains",
    "stages": "",  # four in a row: there is room for the name alone
    "sinks": "",
    "sources": "",
    "batch": "",
    "pipeline": "builds, runs and guards the stages",
    "plugin": "hooks and register",
    "store": "customers, ledger, decision log in SQLite",
    "models": "ONNX, features",
    "chains": "best contacts",
    "catalog": "reads and checks catalog/*.toml",
    "rules": "CEL: parse, check, compile, explain",
    "settings": "nba.toml",
    "domain": "values and protocols",
    "errors": "one tree; each knows its reason",
}
STAGES = {
    "profile": "who is asking?",
    "eligibility": "rules and seasons",
    "contact_policy": "consent, limits, pauses",
    "propensity": "how likely is a yes?",
    "cross_sell": "what goes with what",
    "value": "chance × value − cost",
    "arbitration": "better than nothing?",
    "slate": "fill, render, reserve",
}

NAMESPACE = "http://www.w3.org/2000/svg"
TIP = (
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0 10 5 0 10z" fill="#4b5563"/></marker></defs>'
)
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2937 }
  .name { font: 600 14px ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace }
  .note { fill: #4b5563; font-size: 12px }
  .paper { fill: #ffffff; stroke: #e5e7eb }
  .box { fill: #eef2ff; stroke: #6366f1 }
  .yours { fill: #ecfdf5; stroke: #059669 }
  .kept { fill: #fff7ed; stroke: #ea580c }
  .frame { fill: none; stroke: #9ca3af; stroke-dasharray: 5 4 }
  .line { fill: none; stroke: #4b5563; stroke-width: 1.5; marker-end: url(#tip) }
  .dashed { stroke-dasharray: 4 4 }
"""


def box(x: int, y: int, width: int, height: int, kind: str = "box") -> str:
    """A rounded rectangle."""
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>'


def text(x: int, y: int, words: str, kind: str = "", anchor: str = "start") -> str:
    """One line of text."""
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def line(path: str, *, dashed: bool = False) -> str:
    """A line with a tip at its end."""
    return f'<path class="line{" dashed" if dashed else ""}" d="{path}"/>'


def picture(title: str, width: int, height: int, *parts: str) -> str:
    """The whole file."""
    size = f'width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {width} {height}" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            TIP,
            f'<rect class="paper" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="10"/>',
            *parts,
            "</svg>\n",
        ]
    )


def layers_in_force() -> list[list[str]]:
    """The layers of the import contract, top first; those beside each other share a row."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = [c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    return [[name.strip() for name in row.split("|")] for row in contract["layers"]]


def draw_layers() -> str:
    """The layers as a stack, a stranger's plugin beside the built-in stages."""
    rows = layers_in_force()
    left, width, step, high = 54, 470, 38, 30
    parts = [line(f"M26 26 V{20 + step * len(rows)}")]
    middle = 20 + step * len(rows) // 2
    parts.append(
        f'<text class="note" transform="translate(18 {middle}) rotate(-90)" '
        'text-anchor="middle">an import may only point down</text>'
    )
    at: dict[str, int] = {}
    for number, row in enumerate(rows):
        y = 18 + step * number
        share = (width - 10 * (len(row) - 1)) // len(row)
        for position, name in enumerate(row):
            x = left + position * (share + 10)
            at[name] = y + high // 2
            parts += [box(x, y, share, high), text(x + 12, y + 20, name, "name")]
            if note := LAYERS[name]:
                parts.append(text(x + 100, y + 20, note, "note"))
    edge, right = left + width, 586
    top = at["stages"] - 24
    parts += [
        box(right, top, 150, 48, "yours"),
        text(right + 75, top + 20, "your plugin", "name", "middle"),
        text(right + 75, top + 37, "like stages and sinks", "note", "middle"),
    ]
    for number, name in enumerate(("plugin", "domain", "errors")):
        x = right + 30 + 45 * number
        parts.append(line(f"M{x} {top + 48} V{at[name]} H{edge + 3}"))
    parts.append(text(right + 75, at["errors"] + 26, "all it may import", "note", "middle"))
    return picture("The layers of nba-engine", 760, 34 + step * len(rows), *parts)


def draw_decision() -> str:
    """One decision: the request through the stages to the answer, the store and the log below."""
    names = list(STAGES)
    wide, high, gap, left = 176, 50, 22, 34
    parts = [
        box(left, 16, 370, 42, "yours"),
        text(left + 12, 34, "request"),
        text(left + 12, 50, "customer, placements, what happens right now", "note"),
        box(16, 84, 812, 176, "frame"),
        text(810, 103, "pipeline: plugins, in the order of nba.toml", "note", "end"),
    ]
    middle: dict[str, tuple[int, int]] = {}
    for number, name in enumerate(names):
        row, column = divmod(number, 4)
        x, y = left + column * (wide + gap), 116 + row * 78
        middle[name] = (x + wide // 2, y + high)
        parts += [
            box(x, y, wide, high),
            text(x + wide // 2, y + 21, name, "name", "middle"),
            text(x + wide // 2, y + 39, STAGES[name], "note", "middle"),
        ]
        if column < 3:
            parts.append(line(f"M{x + wide} {y + high // 2} h{gap - 2}"))
    parts += [
        line(f"M{middle['profile'][0]} 58 V114"),
        # from the end of the first row to the start of the second
        line(f"M{middle['propensity'][0]} 166 V175 H{middle['cross_sell'][0]} V192"),
    ]
    policy, slate = middle["contact_policy"][0], middle["slate"][0]
    parts += [
        box(left, 304, 410, 42, "kept"),
        text(left + 12, 322, "store"),
        text(left + 12, 338, "customers, interactions, the ledger of limits", "note"),
        box(466, 304, 344, 42, "yours"),
        text(478, 322, "decision"),
        text(478, 338, "ranked in money, with reasons; on record", "note"),
        line(f"M{slate + 40} 244 V302"),
        line("M34 325 H24 V141 H32", dashed=True),
        line(f"M419 304 V186 H{policy - 60} V168", dashed=True),
        line(f"M{slate - 40} 244 V284 H455 V325 H446", dashed=True),
        text(left + 4, 286, "one read", "note"),
        text(414, 286, "room left?", "note", "end"),
        text(slate - 50, 278, "reserve", "note", "end"),
    ]
    return picture("One decision", 844, 362, *parts)


def main() -> int:
    """Write or check."""
    drawn = {"layers.svg": draw_layers(), "decision.svg": draw_decision()}
    if sys.argv[1:] == ["--check"]:
        stale = [n for n, svg in drawn.items() if (PICTURES / n).read_text("utf-8") != svg]
        print(*[f"docs/pictures/{n}: run python scripts/draw_pictures.py" for n in stale], sep="\n")
        return bool(stale)
    for name, svg in drawn.items():
        (PICTURES / name).write_text(svg, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

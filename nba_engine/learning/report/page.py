"""`Report`: what a fit found, as one HTML file to read, print and send on."""

from __future__ import annotations

import io
import math
import os
import re
import sys
import warnings
from collections.abc import Sequence
from html import escape
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from nba_engine.learning.report.style import VARIABLES, styled

__all__ = ["Report"]

Cell = str | float | int | None
_LARGE = 10_000.0  # from here on decimals tell nothing
_MOST_DECIMALS = 6
_LONG = 60  # letters of a cell that is to be read as a text, on a small screen too
_FIGURE = re.compile(r"|–|[+−-]?[\d.,]+\s?%?( ± [\d.,]+)?( \([^a-z]*( to [^a-z]*)?\))?")

_CSS = """
:root { color-scheme: light dark; %(light)s }
@media (prefers-color-scheme: dark) { :root { %(dark)s } }
@media print { :root { color-scheme: light; %(light)s } section, figure, table { break-inside: avoid } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  margin: 2rem auto; max-width: 50rem; padding: 0 1rem }
h1 { line-height: 1.2; margin-bottom: 0 } .subtitle { margin-top: .2rem; opacity: .75 }
h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--grid) }
figure { margin: 1.5rem 0 } figure svg { display: block; fill: var(--ink); height: auto; max-width: 100%% }
figure svg text { font-family: system-ui, sans-serif !important }
figcaption, .above { font-size: .9rem; opacity: .75; margin: .3rem 0 } .above { margin-top: 1.2rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .92rem; margin: .5rem 0 1rem }
th, td { border-bottom: 1px solid var(--grid); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top }
.long { min-width: 16rem } .number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap }
th { vertical-align: bottom !important; white-space: normal !important }
"""


class Report:
    """Headings, paragraphs, tables and pictures in the order they are added.

    The file has no script and no address of another; it follows the reader's light or dark mode
    and prints on white. The same calls write the same bytes.
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self._title = title
        self._pictures = 0
        below = f'<p class="subtitle">{escape(subtitle)}</p>' if subtitle else ""
        self._parts = [f"<h1>{escape(title)}</h1>{below}"]

    def section(self, heading: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{escape(heading)}</h2>")

    def text(self, paragraph: str) -> None:
        """Add a paragraph of plain text; what looks like HTML is shown as it is."""
        self._parts.append(f"<p>{escape(paragraph)}</p>")

    def table(
        self, header: Sequence[str], rows: Sequence[Sequence[Cell]], caption: str = ""
    ) -> None:
        """Add a table; numbers stand right, None is left empty.

        The numbers of a column have as many decimals as the largest below 10,000 needs for four
        digits, and the smallest for two.

        Raises `ValueError` when a row has not as many cells as the header.
        """
        wrong = [len(row) for row in rows if len(row) != len(header)]
        if wrong:
            raise ValueError(f"a row of {wrong[0]} cells under a header of {len(header)}")
        numeric = [
            bool(rows) and all(_is_figure(row[i]) for row in rows) for i in range(len(header))
        ]
        above = f'<p class="above">{escape(caption)}</p>' if caption else ""
        places = [
            _decimals([row[i] for row in rows]) if numeric[i] else 0 for i in range(len(header))
        ]
        shown = [
            [_shown(cell, decimals) for cell, decimals in zip(row, places, strict=True)]
            for row in rows
        ]
        lines = [_row("th", header, numeric), *(_row("td", row, numeric) for row in shown)]
        self._parts.append(f'{above}<div class="wide"><table>{"".join(lines)}</table></div>')

    def picture(self, figure: Figure, caption: str, alt: str) -> None:
        """Embed a figure as SVG and close it; ``alt`` says what it shows to who cannot see it."""
        self._pictures += 1
        drawn = _svg(figure, f"p{self._pictures}-")
        below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        described = f'<figure role="img" aria-label="{escape(alt)}">'
        self._parts.append(f"{described}{drawn}{below}</figure>")

    def html(self) -> str:
        """The whole page."""
        light = " ".join(f"--{name}: {on_light};" for name, on_light, _ in VARIABLES.values())
        dark = " ".join(f"--{name}: {on_dark};" for name, _, on_dark in VARIABLES.values())
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self._title)}</title>"
            f"<style>{_CSS % {'light': light, 'dark': dark}}</style></head>\n<body>\n"
            + "\n".join(self._parts)
            + "\n</body></html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the page; one that is there is replaced at once or, on an error, stays."""
        draft = path.with_name(f"{path.name}.part")
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(self.html())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _row(tag: str, cells: Sequence[str], numeric: Sequence[bool]) -> str:
    classes = (
        ' class="number"' if right else ' class="long"' if len(cell) > _LONG else ""
        for cell, right in zip(cells, numeric, strict=True)
    )
    return (
        "<tr>"
        + "".join(
            f"<{tag}{kind}>{escape(cell)}</{tag}>"
            for kind, cell in zip(classes, cells, strict=True)
        )
        + "</tr>"
    )


def _is_figure(cell: Cell) -> bool:
    """A number, also one in a text with its sign, percent, error or interval."""
    return not isinstance(cell, str) or bool(_FIGURE.fullmatch(cell))


def _decimals(cells: Sequence[Cell]) -> int:
    numbers = [abs(float(cell)) for cell in cells if cell and not isinstance(cell, str)]
    below = [one for one in numbers if one < _LARGE and math.isfinite(one)]
    if all(one.is_integer() for one in below):
        return 0
    wanted = (3 - math.floor(math.log10(max(below))), 1 - math.floor(math.log10(min(below))))
    return min(max(0, *wanted), _MOST_DECIMALS)


def _shown(cell: Cell, decimals: int) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    shown = f"{cell:,.{decimals if abs(cell) < _LARGE else 0}f}"
    return shown.removeprefix("-") if not shown.strip("-0.") else shown


def _svg(figure: Figure, prefix: str) -> str:
    """A figure as SVG for the inside of a page: own ids, the page's colors, nothing from outside."""
    written = io.StringIO()
    with styled(), mpl.rc_context({"svg.hashsalt": prefix}), warnings.catch_warnings():
        # the reader's fonts draw the text, so it does not matter which glyphs ours have
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(written, format="svg", metadata={"Date": None}, transparent=True)
    if "matplotlib.pyplot" in sys.modules:  # a figure of pyplot's is kept there until closed
        sys.modules["matplotlib.pyplot"].close(figure)
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'(url\(|href=")#', rf"\g<1>#{prefix}", text)
    for color, (name, _, _) in VARIABLES.items():
        text = re.sub(rf"(:\s*){color}\b", rf"\g<1>var(--{name})", text)
    return text.strip()

"""Where in a TOML text something stands, and which word was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

import msgspec

from nba_engine.errors import Mistake

__all__ = ["add_lines", "choose", "join", "line_of", "suggest"]

_BARE = re.compile(r"^[A-Za-z0-9_-]+$")


def join(place: str, key: str) -> str:
    """The place of ``key`` inside the table at ``place``, written as in TOML."""
    word = key if _BARE.match(key) else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{place}.{word}" if place else word


def choose(words: Iterable[object]) -> str:
    """``"a", "b", "c"``: words as they are written in TOML."""
    return ", ".join(f'"{word}"' if isinstance(word, str) else str(word) for word in words)


def suggest(word: str, known: Iterable[str], noun: str) -> str:
    """A remedy for a word nobody knows: the nearest known one, or a list of a few ``noun``."""
    words = list(known)
    folded = {candidate.lower(): candidate for candidate in words}
    near = difflib.get_close_matches(word.lower(), list(folded), n=1, cutoff=0.6)
    if near:
        return f'did you mean "{folded[near[0]]}"?'
    if not words:
        return f"there are no {noun}"
    shown = ", ".join(sorted(words)[:12])
    return f"{noun}: {shown}" + (" …" if len(words) > 12 else "")


def add_lines(mistakes: Iterable[Mistake], texts: Mapping[str, str]) -> list[Mistake]:
    """The mistakes with line numbers: ``file`` becomes ``nba.toml:14`` where the line is found.

    ``texts`` maps file names, as the mistakes name them, to their content.
    """
    indices: dict[str, dict[str, int]] = {}
    result = []
    for mistake in mistakes:
        text = texts.get(mistake.file)
        line = None
        if text is not None:
            if mistake.file not in indices:
                indices[mistake.file] = _index(text)
            line = _find(indices[mistake.file], mistake.place)
        if line is None:
            result.append(mistake)
        else:
            result.append(msgspec.structs.replace(mistake, file=f"{mistake.file}:{line}"))
    return result


def line_of(text: str, place: str) -> int | None:
    """The line (from 1) where ``place`` or the nearest table around it is written."""
    return _find(_index(text), place)


def _find(index: Mapping[str, int], place: str) -> int | None:
    place = re.sub(r"(:\d+)+$", "", place)
    while place:
        if place in index:
            return index[place]
        place = _parent(place)
    return None


def _parent(place: str) -> str:
    quoted = re.search(r'\.?"(?:\\.|[^"\\])*"$', place)
    if quoted:
        return place[: quoted.start()]
    return place[: max(place.rfind("."), place.rfind("["), 0)]


_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')"""
_DOTTED = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*")
_PART = re.compile(_KEY)
_TOKEN = re.compile(r"""\"\"\"|'''|"(?:\\.|[^"\\])*"|'[^']*'|\#.*|[\[\]{}]""")


def _index(text: str) -> dict[str, int]:
    """Place → line of every table header and key that starts a line."""
    index: dict[str, int] = {}
    around: dict[str, int] = {}  # tables that only have tables: the first of these
    counts: dict[str, int] = {}  # arrays of tables: how many so far
    table, closing, depth = "", "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        rest = line
        if not closing and depth == 0:
            header = re.match(r"\s*(\[\[?)", line)
            dotted = _DOTTED.match(line, header.end() if header else 0)
            if dotted is None:
                continue
            parts = _parts(dotted[1])
            if header:
                table = _table(parts, counts, is_array=header[1] == "[[")
                index.setdefault(table, number)
                for end in range(2, len(parts)):
                    around.setdefault(_table(parts[:end], counts, is_array=False), number)
                continue
            if line[dotted.end() : dotted.end() + 1] != "=":
                continue
            place = table
            for part in parts:
                place = join(place, part)
                index.setdefault(place, number)
            rest = line[dotted.end() + 1 :]
        closing, depth = _scan(rest, closing, depth)
    return {**around, **index}


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def _table(parts: list[str], counts: dict[str, int], *, is_array: bool) -> str:
    place = ""
    for position, part in enumerate(parts):
        place = join(place, part)
        if is_array and position == len(parts) - 1:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = f"{place}[{counts[place]}]"
    return place


def _scan(rest: str, closing: str, depth: int) -> tuple[str, int]:
    """Whether a multi-line string or list is still open after this piece of a line."""
    position = 0
    while position < len(rest):
        if closing:
            end = rest.find(closing, position)
            if end < 0:
                return closing, depth
            position, closing = end + 3, ""
            continue
        token = _TOKEN.search(rest, position)
        if token is None:
            break
        position = token.end()
        if token[0] in ('"""', "'''"):
            closing = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return closing, max(depth, 0)

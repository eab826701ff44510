"""Where an expression stands in its text: tokens and balanced spans."""

from __future__ import annotations

import re
from bisect import bisect_right

__all__ = ["Tokens"]

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)
    |(?P<text>[rRbB]{0,2}(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}
        |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>0[xX][0-9a-fA-F]+u?|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?u?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|.)""",
    re.VERBOSE | re.DOTALL,
)
_RAW = re.compile(r"[rR][bB]?(\"{3}.*?\"{3}|'{3}.*?'{3}|\"[^\"\n]*\"|'[^'\n]*')", re.DOTALL)
_CLOSING = {")": "(", "]": "[", "}": "{"}
_OPENING = frozenset(_CLOSING.values())


class Tokens:
    """The tokens of one CEL text, for turning positions of the checked tree into spans."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts: list[int] = []
        self.ends: list[int] = []
        position = 0
        while position < len(text):
            found = _RAW.match(text, position) or _TOKEN.match(text, position)
            assert found is not None  # the last alternative takes any character
            if found.lastgroup != "blank" or found.re is _RAW:
                self.starts.append(found.start())
                self.ends.append(found.end())
            position = found.end()

    def at(self, position: int) -> int:
        """The index of the token at a character position."""
        return max(bisect_right(self.starts, position) - 1, 0)

    def word(self, token: int) -> str:
        return self.text[self.starts[token] : self.ends[token]]

    def end_after(self, position: int, count: int) -> int:
        """The end of the token ``count`` after the one at ``position``."""
        return self.ends[min(self.at(position) + count, len(self.ends) - 1)]

    def closing(self, position: int) -> int:
        """The end of the bracket that closes the one at ``position``."""
        depth = 0
        for token in range(self.at(position), len(self.starts)):
            word = self.word(token)
            depth += (word in _OPENING) - (word in _CLOSING)
            if depth == 0:
                return self.ends[token]
        return self.ends[-1]

    def balanced(self, start: int, end: int) -> tuple[int, int]:
        """The span, widened until every bracket in it is closed in it."""
        first, last = self.at(start), self.at(end - 1)
        depth = lowest = 0
        for token in range(first, last + 1):
            word = self.word(token)
            depth += (word in _OPENING) - (word in _CLOSING)
            lowest = min(lowest, depth)
        missing_left, missing_right = -lowest, depth - lowest
        while missing_left and first > 0:
            first -= 1
            missing_left -= self.word(first) in _OPENING
        while missing_right and last < len(self.starts) - 1:
            last += 1
            missing_right -= self.word(last) in _CLOSING
        return self.starts[first], self.ends[last]

"""Values of the API's enums as words: `INTERACTION_STATUS_RECORDED` is ``recorded``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["word_of"]

_Number = TypeVar("_Number", bound=int)


def word_of(name_of: Callable[[_Number], str], number: _Number, prefix: str) -> str:
    """The word; empty when it was not given, ``unknown_7`` when the server knows more of them."""
    try:
        name = name_of(number)
    except ValueError:
        return f"unknown_{number}"
    word = name.removeprefix(prefix).lower()
    return "" if word == "unspecified" else word

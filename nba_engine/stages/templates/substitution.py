"""Templates that only put attributes into text: filled in without running Jinja2.

Most fields are like ``Dear {{ customer.first_name }}``. Joining their pieces takes a fraction of
the time of a run in the sandbox, and does the same: `nba_engine.stages.templates.sandbox.Root` looks names
up as items, and an output statement prints ``str`` of the value. Whatever is not as simple as that
is left to the sandbox, errors included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from jinja2 import nodes

from nba_engine.domain import Values
from nba_engine.stages.templates.sandbox import MAX_OUTPUT

__all__ = ["Fill", "Piece", "fill_with", "pieces_of"]

# (root, attribute), or ("", text)
Piece: TypeAlias = tuple[str, str]
# what templates see → the text; None where the sandbox has to say what is wrong
Fill: TypeAlias = Callable[[Mapping[str, Any]], str | None]

_MOVING = frozenset({"customer", "context"})


def pieces_of(tree: nodes.Template) -> tuple[Piece, ...] | None:
    """The pieces of a template; None when it holds anything but text and attributes."""
    pieces: list[Piece] = []
    for statement in tree.body:
        if not isinstance(statement, nodes.Output):
            return None
        for node in statement.nodes:
            match node:
                case nodes.TemplateData(data=text):
                    pieces.append(("", text))
                case (
                    nodes.Getattr(node=nodes.Name(name=root), attr=str() as name)
                    | nodes.Getitem(
                        node=nodes.Name(name=root), arg=nodes.Const(value=str() as name)
                    )
                ):
                    pieces.append((root, name))
                case _:
                    return None
    return tuple(pieces)


def fill_with(pieces: tuple[Piece, ...], fixed: Mapping[str, Values]) -> Fill | None:
    """How to fill the pieces in; ``fixed`` roots are the same for everybody and become text.

    None when that is not possible: another root than ``customer`` and ``context`` is left, or a
    fixed attribute is missing.
    """
    parts: list[Piece] = []
    for root, name in pieces:
        if root in fixed:
            if name not in fixed[root]:
                return None
            parts.append(("", str(fixed[root][name])))
        elif root and root not in _MOVING:
            return None
        else:
            parts.append((root, name))

    def fill(seen: Mapping[str, Any]) -> str | None:
        try:
            text = "".join([str(seen[root][name]) if root else name for root, name in parts])
        except Exception:  # most likely a missing attribute
            return None
        return text if len(text) <= MAX_OUTPUT else None

    return fill

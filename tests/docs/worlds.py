"""What a page's blocks find around them, where an empty folder is not enough."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from nba_engine.app import open_app
from nba_engine.domain import DecisionRequest, PlacementRequest
from tests.docs.pages import ROOT, blocks

__all__ = ["WORLDS"]


def the_shop(folder: Path, _stack: contextlib.ExitStack) -> Mapping[str, str]:
    """The shop of the getting-started page, with one decision on record."""
    written: set[str] = set()
    for block in blocks(ROOT / "docs" / "getting-started.md"):
        if block.file in written or not block.file.endswith(("nba.toml", ".toml", ".jsonl")):
            continue
        written.add(block.file)
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    with open_app(folder / "nba.toml", environ={}) as app:
        app.engine.decide(
            DecisionRequest(
                identity="crm:ada", placements=(PlacementRequest(placement="home", slots=2),)
            )
        )
    return {}


WORLDS: Mapping[str, Callable[[Path, contextlib.ExitStack], Mapping[str, str]]] = {
    "docs/decision-log.md": the_shop,
}

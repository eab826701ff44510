"""What a page's blocks find around them, where an empty folder is not enough."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from nba_engine.app import open_app
from nba_engine.cli.importing_command import import_command
from nba_engine.domain import DecisionRequest, PlacementRequest
from tests.docs.pages import ROOT, blocks

__all__ = ["WORLDS"]


def the_shop(folder: Path, _stack: contextlib.ExitStack) -> Mapping[str, str]:
    """The shop of the getting-started page and its customers, with one decision on record."""
    written: set[str] = set()
    for block in blocks(ROOT / "docs" / "getting-started.md"):
        if block.file in written or not block.file.endswith((".toml", ".jsonl")):
            continue
        written.add(block.file)
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    settings = str(folder / "nba.toml")
    import_command.main(
        ["profiles", str(folder / "customers.jsonl"), "-s", settings], standalone_mode=False
    )
    with open_app(Path(settings), environ={}) as app:
        app.engine.decide(
            DecisionRequest(
                identity="crm:ada", placements=(PlacementRequest(placement="home", slots=2),)
            )
        )
    return {}


WORLDS: Mapping[str, Callable[[Path, contextlib.ExitStack], Mapping[str, str]]] = {
    "README.md": the_shop,
    "docs/decision-log.md": the_shop,
    "docs/settings.md": the_shop,
}

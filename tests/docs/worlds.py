"""What a page's blocks find around them, where an empty folder is not enough."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from nba_engine.app import open_app
from nba_engine.cli.importing_command import import_command
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.server import Server, make_logger
from tests.docs.pages import ROOT, blocks
from tests.learning.evaluation.on_disk import explored_shop

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


def the_explored_shop(folder: Path, _stack: contextlib.ExitStack) -> Mapping[str, str]:
    """A shop whose placement explores, 600 decisions and what came of them, a changed catalog."""
    explored_shop(folder)
    return {}


def the_served_shop(folder: Path, stack: contextlib.ExitStack) -> Mapping[str, str]:
    """The same shop behind a server, which the page believes at its usual address."""
    the_shop(folder, stack)
    app = stack.enter_context(open_app(folder / "nba.toml", environ={}))
    settings = msgspec.structs.replace(app.settings.server, listen="127.0.0.1:0")
    logger = make_logger(app.settings.logging, stream=io.BytesIO())
    server = Server(app.engine, settings, logger)
    port = server.start()
    stack.callback(server.stop, 0)
    return {"127.0.0.1:50051": f"127.0.0.1:{port}"}


WORLDS: Mapping[str, Callable[[Path, contextlib.ExitStack], Mapping[str, str]]] = {
    "README.md": the_shop,
    "docs/api.md": the_served_shop,
    "docs/client.md": the_served_shop,
    "docs/decision-log.md": the_shop,
    "docs/evaluation.md": the_explored_shop,
    "docs/identities.md": the_shop,
    "docs/interactions.md": the_shop,
    "docs/models.md": the_shop,
    "docs/operations.md": the_shop,
    "docs/privacy.md": the_shop,
    "docs/settings.md": the_shop,
}

"""The getting-started page, followed literally from an empty folder.

The environment has Python and nothing of ours; what `pip install` finds in it is told in
``environment.py``. The one thing a test changes is the port, which another server may have.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from tests.docs.environment import fresh_environ
from tests.docs.output import difference
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.shell import Shell

PAGE = ROOT / "docs" / "getting-started.md"
BLOCKS = blocks(PAGE)
ADDRESS = "127.0.0.1:50051"  # the default of the settings, and what the page says


def _free_address() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def _steps(block: Block) -> int:
    """How many commands or snippets the reader types or saves."""
    if block.language == "bash":
        return len(block.text.strip().splitlines())
    return int(block.language != "text")


def test_the_page_takes_less_than_thirty_commands_or_snippets() -> None:
    assert 15 < sum(map(_steps, BLOCKS)) < 30


def test_every_file_and_every_output_says_what_it_is() -> None:
    assert {block.language for block in BLOCKS} == {"bash", "toml", "jsonl", "python", "text"}
    assert [b.place for b in BLOCKS if b.language not in {"bash", "text"} and not b.file] == []
    assert [b.place for b in BLOCKS if b.language == "text" and not b.follows] == []
    assert {block.mark for block in BLOCKS} == {"", "second terminal"}


@pytest.mark.timeout(300)
def test_whoever_follows_the_page_sees_what_it_shows(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    machine = tmp_path / "machine"
    machine.mkdir()
    address = _free_address()
    environ = {**fresh_environ(machine), "NBA_SERVER__LISTEN": address}
    printed = ""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(Shell(empty, environ, tmp_path / "first"))
        for block in BLOCKS:
            text = block.text.replace(ADDRESS, address)
            if block.language == "text":
                wrong = difference(text, printed)
                assert not wrong, f"{block.place}: {wrong}\nall of it:\n{printed}"
            elif block.mark == "second terminal":
                second = Shell(first.folder, environ, tmp_path / "second")
                stack.enter_context(second)
                second.leave_running(text, until='"serving"')
            elif block.language == "bash":
                printed = first.run(text)
            else:
                (first.folder / block.file).write_text(text)

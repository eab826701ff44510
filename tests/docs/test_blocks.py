"""Every code block of the documentation runs, is parsed, or is declared as output.

How blocks are marked: the table at the top of ``pages.py``.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks
from tests.docs.running import LANGUAGES, Reader
from tests.docs.worlds import WORLDS

# followed literally, in an environment of its own, by test_getting_started.py
BY_ITSELF = "docs/getting-started.md"
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("name", NAMES)
def test_every_block_says_what_it_is(name: str) -> None:
    words = {block.place: block.language for block in blocks(ROOT / name)}
    assert {place: word for place, word in words.items() if word not in LANGUAGES} == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_block_that_is_not_run_has_a_reason_that_is_true(name: str) -> None:
    reasons = [block.mark for block in blocks(ROOT / name) if block.mark.startswith("not run")]
    named = [path for reason in reasons for path in re.findall(r"[\w./-]+/[\w./-]+\.\w+", reason)]
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != BY_ITSELF])
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("uncovered")
def test_the_blocks_of_a_page_do_what_they_show(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    with contextlib.ExitStack() as stack:
        prepare = WORLDS.get(name)
        changes = prepare(folder, stack) if prepare else {}
        reader = Reader(folder, changes, stack)
        for block in blocks(ROOT / name):
            reader.follow(block)


def test_no_world_is_made_for_a_page_that_is_not_there() -> None:
    assert set(WORLDS) <= set(NAMES)

"""The README shows a part of what docs/demo.md shows, from the same run."""

from __future__ import annotations

from scripts.show_demo import FIRST, REPLAY, excerpt, replaced, sections
from tests.docs.pages import ROOT, blocks


def test_the_readme_shows_a_part_of_the_page_of_the_demo() -> None:
    (whole,) = [b.text for b in blocks(ROOT / "docs" / "demo.md") if b.text.startswith(FIRST)]
    (part,) = [b.text for b in blocks(ROOT / "README.md") if b.text.startswith(REPLAY)]
    assert part.splitlines() == excerpt(sections(f"Reading the year ...\n  50%\n{whole}"))


def test_what_is_printed_replaces_what_the_page_showed() -> None:
    page = "Before\n\n```text\nold ───\n  1\n```\n\nAfter\n"
    assert replaced(page, "old", ["new ───", "  2", ""]) == page.replace("old", "new").replace(
        "1", "2"
    )

"""The site builds strictly, and what pages name is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.site_hooks import rewritten, slug
from tests.docs.pages import PAGES, ROOT, links, without_code

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"build", "dist"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: one broken link or anchor and there is none."""
    folder = tmp_path_factory.mktemp("site")
    # not with --quiet: what is not logged does not count as a warning
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_on_the_site(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / f"{page.stem}.html").is_file()
    for name in ("index", "benchmarks", "contributing", "changelog"):
        assert (site / f"{name}.html").is_file()


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = re.compile(
        r"<(?:script|img|link rel=\"stylesheet\")[^>]*(?:src|href)=\"(https?:[^\"]+)"
    )
    found = {url for page in site.glob("*.html") for url in fetched.findall(page.read_text())}
    assert found == set()


def _anchors(page: Path) -> set[str]:
    return {slug(words) for words in re.findall(r"^#+ +(.+?)\s*$", without_code(page), re.M)}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_a_page_leads_somewhere_in_the_repository(name: str) -> None:
    page = ROOT / name
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = page if not path else (page.parent / path).resolve()
        if not target.exists() or (anchor and slug(anchor) not in _anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_a_page_names_is_there(name: str) -> None:
    named = re.findall(r"`([\w.-]+/[\w./-]*)`", without_code(ROOT / name))
    mine = [path for path in named if path.split("/")[0] in FOLDERS]
    assert [path for path in mine if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("page", "written", "read"),
    [
        ("api.md", "[a](rules.md#types)", "[a](rules.md#types)"),
        ("api.md", "[a](../README.md)", "[a](index.md)"),
        ("index.md", "[a](docs/rules.md#types)", "[a](rules.md#types)"),
        ("benchmarks.md", "[a](rules.py)", "[a](https://x/blob/main/benchmarks/rules.py)"),
        ("api.md", "[a](../proto/nba/v1)", "[a](https://x/tree/main/proto/nba/v1)"),
        ("api.md", "[a](examples/node)", "[a](https://x/tree/main/docs/examples/node)"),
        ("api.md", "[a](https://x.org)", "[a](https://x.org)"),
        ("api.md", "[a](nowhere.md)", "[a](nowhere.md)"),
        ("api.md", "```md\n[a](../README.md)\n```\n", "```md\n[a](../README.md)\n```\n"),
    ],
)
def test_links_are_rewritten_for_the_site(page: str, written: str, read: str) -> None:
    assert rewritten(written, page, "https://x") == read


def test_the_pictures_are_what_the_script_draws() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "draw_pictures.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "")

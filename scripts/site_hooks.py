"""Hooks of the site (mkdocs.yml): pages that live outside of docs/, and links that leave it.

The pages are written for a reader of the repository, so every link is a path relative to its file.
On the site a link to another page becomes a link to that page, and a link to any other file that
exists leads to the repository. What leads nowhere is left as it is, and MkDocs refuses it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# page of the site -> file of the repository; what lies in docs/ is a page by itself
ELSEWHERE = {
    "index.md": "README.md",
    "benchmarks.md": "benchmarks/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
PROGRAMS = "docs/examples"  # not on the site
_FENCE = re.compile(r"(^ *(`{3,}|~{3,}).*?^ *\2 *$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(?=(?:#[^)\s]*)?\))")


def source_of(page: str) -> str:
    """The file of the repository behind a page of the site."""
    return ELSEWHERE.get(page, f"docs/{page}")


def rewritten(markdown: str, page: str, repository: str) -> str:
    """``markdown`` of ``page`` with links as the site needs them."""
    pages = {source: name for name, source in ELSEWHERE.items()}
    folder = os.path.dirname(source_of(page))  # noqa: PTH120 (paths of links, not of the disk)

    def replace(match: re.Match[str]) -> str:
        target = os.path.normpath(f"{folder}/{match.group()}").lstrip("/")
        if target in pages or (target.startswith("docs/") and not target.startswith(PROGRAMS)):
            name = pages.get(target, target.removeprefix("docs/"))
            if (ROOT / target).is_file():
                return os.path.relpath(name, os.path.dirname(page) or ".")  # noqa: PTH120
        elif (ROOT / target).exists():
            kind = "tree" if (ROOT / target).is_dir() else "blob"
            return f"{repository.rstrip('/')}/{kind}/main/{target}"
        return match.group()

    parts = _FENCE.split(markdown)
    # split() gives text, fence, the fence's marker, text, …
    text = [_LINK.sub(replace, part) for part in parts[0::3]]
    return "".join(
        piece for at, part in enumerate(text) for piece in (part, *parts[3 * at + 1 : 3 * at + 2])
    )


def slug(heading: str, separator: str = "-") -> str:
    """The anchor of a heading as GitHub makes it, so that one link is right in both places."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def on_config(config: Any) -> Any:
    """Anchors as on GitHub."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that live outside of docs/."""
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001
    """Turn links for a reader of the repository into links of the site."""
    return rewritten(markdown, page.file.src_uri, config.repo_url)

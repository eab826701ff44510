"""A client that is not ours: the example in Node loads proto/ and gets a decision."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

from tests.integration.shop import serving_shop

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "node"
CACHE = ROOT / "build" / "node"
PAGE = (EXAMPLE / "README.md").read_text("utf-8")
MANIFESTS = ("package.json", "package-lock.json")


@pytest.fixture(scope="module")
def node_client() -> Path:
    """The folder with the locked packages, installed once per lock file."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        text = "NOT TESTED: Node is not installed, so no client in another language was tried"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn(text, stacklevel=1)
        pytest.skip(text)
    lock = b"".join((EXAMPLE / name).read_bytes() for name in MANIFESTS)
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in MANIFESTS:
            shutil.copy(EXAMPLE / name, folder)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            check=True,
            timeout=150,
        )
        (folder / "installed").touch()
    return folder


@pytest.mark.timeout(200)  # the first run installs 33 packages
def test_the_example_prints_what_its_page_shows(node_client: Path, tmp_path: Path) -> None:
    # beside the packages, which are installed elsewhere so that the repository stays clean
    (tmp_path / "node_modules").symlink_to(node_client / "node_modules")
    for file in EXAMPLE.glob("*.mjs"):
        shutil.copy(file, tmp_path)
    with serving_shop(tmp_path / "shop") as shop:
        done = subprocess.run(
            ["node", tmp_path / "decide.mjs", shop.address, "banner", ROOT / "proto"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == shown  # bread is in the cart, so there is one banner


def test_the_page_runs_what_is_tested_here() -> None:
    (commands,) = re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert commands == "npm install\nnode decide.mjs 127.0.0.1:50051 app_banner\n"


def test_the_lock_names_no_address() -> None:
    lock = json.loads((EXAMPLE / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 20
    assert all("integrity" in entry for entry in packages.values())
    assert "http" not in json.dumps(lock)

"""A client that is not ours: Node's @grpc/grpc-js loads proto/ and gets a decision."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

from tests.integration.shop import serving_shop

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / "build" / "node"
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
    lock = b"".join((HERE / name).read_bytes() for name in MANIFESTS)
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in MANIFESTS:
            shutil.copy(HERE / name, folder)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            check=True,
            timeout=150,
        )
        (folder / "installed").touch()
    return folder


@pytest.mark.timeout(200)  # the first run installs 33 packages
def test_a_node_client_gets_a_decision(node_client: Path, tmp_path: Path) -> None:
    with serving_shop(tmp_path) as shop:
        done = subprocess.run(
            ["node", HERE / "decide.mjs", shop.address],
            env={**os.environ, "NODE_CLIENT": str(node_client)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    decision = answer["decision"]
    assert [r["action"] for r in decision["recommendations"]] == ["milk"]  # bread is in the cart
    assert decision["recommendations"][0]["content"] == {"text": "Milk today"}
    assert decision["currencyCode"] == "EUR"
    assert decision["recommendations"][0]["costMicros"] == "0"
    (result,) = answer["results"]
    assert result["status"] == "INTERACTION_STATUS_RECORDED"
    assert answer["kinds"] == ["decision", "status", "decision"]
    assert answer["streamed"] == [["a", "decision"], ["b", "status"], ["c", "decision"]]
    assert answer["refusal"] == {"code": "INVALID_ARGUMENT", "details": 1}


def test_the_lock_names_no_address() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 20
    assert all("integrity" in entry for entry in packages.values())
    assert "http" not in json.dumps(lock)

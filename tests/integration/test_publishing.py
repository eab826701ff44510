"""Several processes at one address switch catalogs together, whoever publishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from nba_engine.catalog import read_folder, version_of
from nba_engine.client import Client
from tests.integration.shop import make_shop

NBA = Path(sysconfig.get_path("scripts")) / "nba"


@contextmanager
def processes(settings: Path, number: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`nba serve --processes`, and its address."""
    ready = settings.parent / "ready"
    command: list[str | Path] = [NBA, "serve", "-s", settings, "--ready-file", ready]
    command += ["--processes", str(number)]
    served = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        line(served, "all processes ready")
        while not ready.exists():
            assert served.poll() is None
        yield served, ready.read_text("utf-8")
    finally:
        served.terminate()
        served.wait()
        assert served.stdout is not None
        served.stdout.close()


def line(served: subprocess.Popen[bytes], event: str) -> dict[str, Any]:
    """The next line about an event."""
    assert served.stdout is not None
    while text := served.stdout.readline():
        found: dict[str, Any] = orjson.loads(text)
        if found["event"] == event:
            return found
    raise AssertionError(f"the log ended before {event!r}")


def test_processes_start_with_one_publication_and_switch_together(tmp_path: Path) -> None:
    settings = make_shop(tmp_path)
    folder = tmp_path / "catalog"
    with processes(settings, 3) as (served, address), Client(address) as client:
        (folder / "more.toml").write_text("# one\n")
        subprocess.run([NBA, "catalog", "publish", "-s", settings], check=True)
        told = [line(served, "catalog in force") for _ in range(3)]
        assert {one["process"] for one in told} == {1, 2, 3}
        assert {one["sequence"] for one in told} == {2}  # three starts were one publication
        assert client.get_catalog().catalog_version == version_of(read_folder(folder))

        (folder / "more.toml").write_text("# two\n")
        os.kill(served.pid, signal.SIGHUP)
        told = [line(served, "catalog in force") for _ in range(3)]
        assert {(one["process"], one["sequence"]) for one in told} == {(1, 3), (2, 3), (3, 3)}
        assert client.get_catalog().catalog_version == version_of(read_folder(folder))

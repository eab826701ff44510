"""Catalogs published by both clients to `nba serve`; SIGHUP, and what a restart finds."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from nba_engine.catalog import read_folder, version_of
from nba_engine.client import (
    Client,
    FailedPrecondition,
    InvalidRequest,
    NotAllowed,
    NotFound,
)
from tests.client.both import KINDS, connected
from tests.integration.shop import Shop, serving_shop

ADMIN = {"NBA_SERVER__ADMIN": "true"}


def changed(files: dict[str, str]) -> dict[str, str]:
    """The same catalog with another content hash."""
    return {**files, "more.toml": "# another\n"}


def line(shop: Shop, event: str) -> dict[str, Any]:
    """The next line of the log about an event."""
    found: dict[str, Any] = shop.line()
    while found["event"] != event:
        found = shop.line()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_catalog_is_published_listed_and_rolled_back(kind: str, tmp_path: Path) -> None:
    with serving_shop(tmp_path, **ADMIN) as shop, connected(kind, shop.address) as client:
        files = read_folder(tmp_path / "catalog")
        first = client.get_catalog().catalog_version
        done = client.publish_catalog(changed(files), author="ada", comment="why", timeout=20)
        assert done.published
        assert done.version.status == "in_force"
        assert client.get_catalog().catalog_version == done.version.catalog_version
        with pytest.raises(InvalidRequest) as refused:
            client.publish_catalog({"shop.toml": "[actions"}, timeout=20)
        assert refused.value.reason == "INVALID_CATALOG"
        assert refused.value.violations[0].field.startswith("shop.toml")
        with pytest.raises(FailedPrecondition, match="published last"):
            client.publish_catalog(files, expected_version=first, timeout=20)
        with pytest.raises(NotFound):
            client.rollback_catalog("never", timeout=20)
        assert client.rollback_catalog(timeout=20).version.catalog_version == first
        assert not client.publish_catalog(timeout=20).published  # its folder: in force again
        versions = list(client.list_catalog_versions(page_size=2))
    assert [(one.sequence, one.origin, one.status) for one in versions] == [
        (3, "rollback", "in_force"),
        (2, "files", "past"),
        (1, "folder", "past"),
    ]
    assert (versions[1].author, versions[1].comment) == ("ada", "why")
    assert versions[0].model_versions == {"propensity": "made-up"}
    assert versions[1].publish_time < versions[1].switch_time


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_administration_refuses(kind: str, tmp_path: Path) -> None:
    with serving_shop(tmp_path) as shop, connected(kind, shop.address) as client:
        for call in (client.publish_catalog, client.rollback_catalog):
            with pytest.raises(NotAllowed, match=r"server\.admin = true") as refused:
                call()
            assert refused.value.reason == "ADMIN_DISABLED"
        with pytest.raises(NotAllowed):
            list(client.list_catalog_versions())


def test_sighup_reloads_the_folder_and_a_broken_one_stays_out(tmp_path: Path) -> None:
    with serving_shop(tmp_path) as shop, Client(shop.address) as client:
        more = tmp_path / "catalog" / "more.toml"
        more.write_text("[actions.tea\n[rules")
        os.kill(shop.process.pid, signal.SIGHUP)
        told = line(shop, "catalog folder not published")
        assert any("more.toml" in mistake for mistake in told["mistakes"])
        before = client.get_catalog().catalog_version
        more.write_text("# another\n")
        os.kill(shop.process.pid, signal.SIGHUP)
        told = line(shop, "catalog folder reloaded")
        now = version_of(read_folder(tmp_path / "catalog"))
        assert told["catalog_version"] == now != before
        assert client.get_catalog().catalog_version == now


def test_what_was_published_is_in_force_after_a_restart(tmp_path: Path) -> None:
    with serving_shop(tmp_path, **ADMIN) as shop, Client(shop.address) as client:
        files = changed(read_folder(tmp_path / "catalog"))
        version = client.publish_catalog(files, timeout=20).version.catalog_version
        decision = client.decide("crm:1", ["banner"])
        shop.process.terminate()
        shop.process.wait()
    with serving_shop(tmp_path) as shop, Client(shop.address) as client:
        assert client.get_catalog().catalog_version == version
        explained = client.explain_decision(decision.decision_id)
    assert explained.decision.catalog_version == version

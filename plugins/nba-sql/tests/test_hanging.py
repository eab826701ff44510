"""A server that says nothing: decisions keep their deadline, and the source comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from nba_engine.app import open_app
from nba_engine.domain import DecisionRequest, PlacementRequest
from nba_engine.testing import make_catalog
from nba_sql.source import SqlSource

Make = Callable[..., SqlSource]
SilentServer = Callable[[bool], AbstractContextManager[int]]

WANTED = {"segment": "string"}


def url_of(port: int) -> str:
    return f"postgresql+psycopg://reader:secret@127.0.0.1:{port}/crm?sslmode=disable"


@pytest.mark.parametrize("greets", [False, True], ids=["connecting", "asking"])
def test_a_call_of_a_server_that_says_nothing_ends(
    make_source: Make, silent_server: SilentServer, greets: bool
) -> None:
    with silent_server(greets) as port:
        source = make_source(
            url=url_of(port), statement_timeout_ms=100.0, connect_timeout_seconds=2.0
        )
        start = time.monotonic()
        with pytest.raises(SQLAlchemyError):
            source.fetch(["1"], WANTED, seconds=0.05)
        # without an end, a driver would wait for as long as the server is up
        assert time.monotonic() - start < 20.0


SETTINGS = """
[[pipeline]]
stage = "profile"
[[pipeline]]
stage = "eligibility"
[[pipeline]]
stage = "value"
[[pipeline]]
stage = "arbitration"
[[pipeline]]
stage = "slate"
[profile_sources.crm]
kind = "sql"
namespace = "crm"
attributes = ["segment"]
timeout_ms = 60000
[profile_sources.crm.settings]
url = "{url}"
query = "SELECT segment FROM customers WHERE number = :identity"
"""


@pytest.mark.parametrize("greets", [False, True], ids=["connecting", "asking"])
def test_a_decision_keeps_its_deadline_before_a_server_that_says_nothing(
    tmp_path: Path, silent_server: SilentServer, greets: bool
) -> None:
    (tmp_path / "catalog").mkdir()
    for name, text in make_catalog().files.items():
        (tmp_path / "catalog" / name).write_text(text)
    request = DecisionRequest(identity="crm:1", placements=(PlacementRequest("banner"),))
    with silent_server(greets) as port:
        (tmp_path / "nba.toml").write_text(SETTINGS.replace("{url}", url_of(port)))
        with open_app(tmp_path / "nba.toml", environ={}) as app:
            for _ in range(2):
                start = time.monotonic()
                decision = app.engine.decide(request, deadline=start + 1.0)
                assert 0.45 < time.monotonic() - start < 1.0
                assert decision.recommendations
                assert decision.degraded == ("profile_sources.crm",)
            threads = [t for t in threading.enumerate() if t.name == "nba-profile-source-crm"]
            assert len(threads) == 1  # both decisions waited for one call

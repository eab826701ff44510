from __future__ import annotations

import threading
from pathlib import Path

import pytest

from nba_engine.app import open_app
from nba_engine.app.reaper import Reaper
from nba_engine.domain import DecisionRequest, Hold, PlacementRequest, ReservationRequest
from nba_engine.errors import FailedPrecondition, MistakesFound, Unavailable
from nba_engine.store import open_store
from tests.app.folder import SETTINGS, write
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

REQUEST = DecisionRequest(identity="crm:1", placements=(PlacementRequest("banner"),))


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_an_opened_app_decides_and_closes_without_a_trace(
    tmp_path: Path, distributions: Distributions
) -> None:
    path = write(tmp_path, distributions)
    with open_app(path, environ={}) as app:
        decision = app.engine.decide(REQUEST)
        assert "nba-reaper" in threads()
        assert "prior" in app.register.stages
        assert app.settings.store.url.startswith("sqlite:/")
        app.engine.explain(decision.decision_id)
    app.close()  # twice is fine
    assert "nba-reaper" not in threads()
    assert (tmp_path / "data" / "nba.db").exists()
    with open_app(path, environ={}) as again:
        assert again.engine.explain(decision.decision_id).decision == decision


def test_a_simulated_store_has_no_reaper(tmp_path: Path, distributions: Distributions) -> None:
    path = write(tmp_path, distributions)
    open_store(tmp_path / "data" / "nba.db", simulated=True).close()
    with open_app(path, environ={}) as app:
        assert app.engine.store.simulated
        assert "nba-reaper" not in threads()


def test_mistakes_stop_the_start_before_anything_is_created(
    tmp_path: Path, distributions: Distributions
) -> None:
    path = write(tmp_path, distributions, settings=SETTINGS.replace('"value"', '"vlaue"'))
    with pytest.raises(MistakesFound, match="vlaue"):
        open_app(path, environ={})
    assert not (tmp_path / "data").exists()


def test_a_store_that_does_not_open_leaves_nothing_open(
    tmp_path: Path, distributions: Distributions
) -> None:
    path = write(tmp_path, distributions)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nba.db").write_bytes(b"not a database" * 100)
    with pytest.raises((FailedPrecondition, Unavailable)):
        open_app(path, environ={})
    assert not (tmp_path / "data" / "decisions.db").exists()
    assert "nba-reaper" not in threads()


def test_a_log_that_does_not_open_closes_the_store(
    tmp_path: Path, distributions: Distributions
) -> None:
    path = write(tmp_path, distributions)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "decisions.db").write_bytes(b"not a database" * 100)
    before = threads()
    with pytest.raises((FailedPrecondition, Unavailable)):
        open_app(path, environ={})
    assert threads() <= before
    assert "nba-reaper" not in threads()


def test_the_environment_overrides_settings(tmp_path: Path, distributions: Distributions) -> None:
    path = write(tmp_path, distributions)
    elsewhere = tmp_path / "elsewhere.db"
    with open_app(path, environ={"NBA_STORE__URL": f"sqlite:{elsewhere}"}):
        assert elsewhere.exists()


def test_a_broken_plugin_stops_the_start_unless_it_is_optional(
    tmp_path: Path, distributions: Distributions
) -> None:
    path = write(tmp_path, distributions)
    distributions.install("nba-broken", "raise SystemExit(1)", plugin="broken")
    with pytest.raises(MistakesFound, match="plugin broken"):
        open_app(path, environ={})
    path.write_text('[plugins]\noptional = ["broken"]\n' + SETTINGS)
    with open_app(path, environ={}) as app:
        (status,) = [s for s in app.plugins.statuses if s.name == "broken"]
        assert "SystemExit" in status.problem


def test_the_reaper_ends_reservations_that_are_due(tmp_path: Path) -> None:
    hold = Hold(account="a", limit="l", amount=1, ceiling=1)
    store = open_store(tmp_path / "s.db", simulated=True)
    request = ReservationRequest(
        reservation_id="r", decision_id="d", customer_id="c", holds=(hold,), expires=50.0
    )
    assert store.reserve([request], now=10.0)[0].granted
    reaped = threading.Event()
    failing = threading.Event()

    class Expiring:
        """The store, telling when it expired; the first time it cannot."""

        def expire(self, *, now: float) -> int:
            if not failing.is_set():
                failing.set()
                raise Unavailable("busy")
            ended = store.expire(now=now)
            reaped.set()
            return ended

    reaper = Reaper(Expiring(), seconds=0.001, clock=lambda: 60.0)  # type: ignore[arg-type]
    reaper.start()
    assert reaped.wait(30)
    reaper.stop()
    reaper.stop()
    assert store.usage(["a"]).get("a", 0) == 0
    store.close()

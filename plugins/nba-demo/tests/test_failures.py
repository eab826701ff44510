"""What the demo says when something does not work: one clear sentence, nothing half-done."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from nba_demo.catalog_files import ASKED
from nba_demo.checks import check_limits, check_sums
from nba_demo.data import CUT_OFF
from nba_demo.demo import enforce_gates
from nba_demo.importing import Baskets
from nba_demo.replay import Replayed, Shown, replay
from nba_demo.serving import ServerProcess
from nba_engine.errors import FailedPrecondition, Unavailable

from .small import Small


def test_a_missed_gate_ends_the_whole_run_but_not_a_quick_look(small: Small) -> None:
    gate = next(one for one in small.offline.gates if one.name.startswith("in session"))
    gates = (msgspec.structs.replace(gate, value=0.2),)
    missed = msgspec.structs.replace(small.offline, gates=gates)
    with pytest.raises(FailedPrecondition, match=r"in session: R@10 of the complement table 0\.2"):
        enforce_gates(missed, whole=True)
    enforce_gates(missed, whole=False)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    settings = tmp_path / "nba.toml"
    settings.write_text("[serverr]\n")
    server = ServerProcess(settings, log=tmp_path / "server.log")
    with pytest.raises(Unavailable, match="serverr"):
        server.__enter__()


def test_a_server_that_is_gone_ends_the_replay(small: Small) -> None:
    baskets = Baskets(small.year, small.offers)
    with pytest.raises(Unavailable, match="refused a call"):
        replay(small.year, baskets, ("127.0.0.1:1",), start=CUT_OFF)


def test_candidates_that_do_not_add_up_are_counted(folder: Path) -> None:
    expected = sum(check_sums(folder, ()).per_placement.values())
    good = _decision(candidates=expected, dropped={"slate/outranked": expected - 1})
    lost = _decision(candidates=expected, dropped={"slate/outranked": expected - 2})
    wrong = _decision(candidates=expected + 1, dropped={"slate/outranked": expected})
    assert check_sums(folder, (good, lost, wrong)).violations == 2


def test_a_third_email_in_a_week_is_counted(small: Small) -> None:
    email = Shown("newsletter", 0, "milk", "milk.email", "email", 1, 0.5, 20_000, reserved=True)
    three = [_decision(shown=(email,), basket=7) for _ in range(3)]
    assert check_limits(small.year, small.offers, three[:2]).violations == 0
    assert check_limits(small.year, small.offers, three).violations == 1


def _decision(
    *,
    candidates: int = 1,
    dropped: dict[str, int] | None = None,
    shown: tuple[Shown, ...] = (),
    basket: int = 0,
) -> Replayed:
    nothing = Shown("phone", 0, "nothing", "nothing.call", "call", 0, 0.0, 0, reserved=False)
    return Replayed(
        decision_id="d",
        basket=basket,
        asked=tuple(ASKED),
        time=CUT_OFF,
        seconds=0.001,
        candidates=candidates,
        dropped=dropped or {},
        stage_micros={},
        shown=shown or (nothing,),
        degraded=(),
        overruns=0,
    )

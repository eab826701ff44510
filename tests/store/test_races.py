from __future__ import annotations

from pathlib import Path

from tests.store.racing import in_file, race

SEED = 20171106


def test_confirm_release_and_expire_race_for_5000_reservations_and_each_ends_once(
    tmp_path: Path,
) -> None:
    ended, wrong = race(in_file(tmp_path / "nba.db"), 5_000, SEED)
    assert wrong == []
    assert sum(ended.values()) == 5_000
    assert ended["reserved"] == 0
    # a race that one of them always wins shows nothing
    assert min(ended[word] for word in ("confirmed", "released", "expired")) > 100, ended

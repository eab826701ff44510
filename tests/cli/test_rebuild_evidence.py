"""`nba rebuild --evidence` on a shop whose outcomes were changed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from nba_engine.app import open_app
from nba_engine.domain import Interaction, Tally
from nba_engine.engine.evidence import MARK, EvidenceBook, decision_times

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

OUTCOME = '[outcomes.all]\npositive = ["{word}"]\nwithin = "3d"\nshown_by = ["impression"]\n'


def counted_shop(shop: Path) -> None:
    """Two were shown something and clicked; clicks count for nothing yet."""
    catalog = shop.parent / "catalog" / "evidence.toml"
    catalog.write_text("[evidence]\n" + OUTCOME.format(word="accept"))
    with open_app(shop, publish=True) as app:
        store = app.engine.store
        app.engine.record(
            [
                Interaction(
                    interaction_id=f"{kind}{number}",
                    identity=f"crm:{number}",
                    type=kind,
                    time=time.time(),
                    properties={"action": "bread", "treatment": "bread.banner", "channel": "app"},
                    recommendation_id=f"d{number}.0.1",
                )
                for number in range(2)
                for kind in ("impression", "click")
            ]
        )
        book = EvidenceBook(store, clock=time.time, decided=decision_times(store, app.engine.log))
        while not book.current.actions:
            book.step(app.engine.catalog)
        assert book.current.actions == {"bread": Tally(2, 0)}
    catalog.write_text("[evidence]\n" + OUTCOME.format(word="click"))
    with open_app(shop, publish=True):
        pass


def test_what_counts_now_is_counted_again(shop: Path, nba: Nba) -> None:
    counted_shop(shop)
    assert nba("rebuild", "--evidence", "--check", "-s", shop) == 1
    assert nba.out == (
        "  bread: 2 of 2 contacts ended well, 0 of 2 were kept\n"
        "1 actions, 2 contacts, 2 with a positive outcome: 1 differ\n"
    )
    assert nba("rebuild", "--evidence", "-s", shop) == 0
    assert nba("rebuild", "--evidence", "--check", "-s", shop) == 0
    assert nba.out == "1 actions, 2 contacts, 2 with a positive outcome: 0 differ\n"
    with open_app(shop) as app:
        assert '"bread":[2,2,' in (app.engine.store.progress(MARK) or "")
        app.engine.store.forget_interactions(before=time.time() + 60.0)
    assert nba("rebuild", "--evidence", "-s", shop) == 1
    assert "--from-what-is-kept" in nba.err


def test_without_evidence_there_is_nothing_to_count(shop: Path, nba: Nba) -> None:
    assert nba("rebuild", "--evidence", "-s", shop) == 1
    assert "the catalog has no [evidence]" in nba.err
    assert nba("rebuild", "--evidence", "--customer", "crm:1", "-s", shop) == 2

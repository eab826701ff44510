from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nba_engine.domain import Decision
from tests.engine.world import CATALOG, ask, shop

DEARER = CATALOG.replace("prior = 0.30", "prior = 0.90")


def test_a_decision_sees_one_catalog_while_others_are_put_in_force(tmp_path: Path) -> None:
    best = {}
    stop = threading.Event()
    with shop(tmp_path, queue=100_000) as engine:
        for text in (CATALOG, DEARER):
            engine.reload({"a.toml": text})
            best[engine.catalog.version] = engine.decide(ask()).recommendations[0].action

        def decide(_number: int) -> list[Decision]:
            return [engine.decide(ask()) for _ in range(60)]

        def swap() -> None:
            while not stop.is_set():
                engine.reload({"a.toml": CATALOG})
                engine.reload({"a.toml": DEARER})

        swapping = threading.Thread(target=swap)
        swapping.start()
        with ThreadPoolExecutor(4) as pool:
            decisions = [one for many in pool.map(decide, range(4)) for one in many]
        stop.set()
        swapping.join()
    assert len(best) == 2
    assert len({one.decision_id for one in decisions}) == len(decisions)
    for one in decisions:
        assert one.recommendations[0].action == best[one.catalog_version]


def test_a_shared_limit_is_never_exceeded_by_concurrent_decisions(tmp_path: Path) -> None:
    catalog = CATALOG.replace('scope = ["customer"]', "scope = []").replace(
        "amount = 1\n", "amount = 5\n"
    )
    with shop(tmp_path, catalog=catalog) as engine:
        with ThreadPoolExecutor(8) as pool:
            decisions = list(
                pool.map(lambda n: engine.decide(ask("crm:1", "newsletter", seed=n)), range(24))
            )
        (usage,) = engine.store.usage_report()
    sent = [one for one in decisions if one.recommendations[0].action != "nothing"]
    assert len(sent) == 5
    assert usage.reserved + usage.spent == 5

"""A plan that another process puts in force is followed by an app that is open, without a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from nba_engine.app import open_app
from nba_engine.domain import PLAN_MARK, PlanMark, encode_plan_mark
from nba_engine.store import open_store

SETTINGS = """
[store]
url = "sqlite:nba.db"
decision_log = "decisions.db"
""" + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n'
    for stage in ("profile", "value", "contact_plan", "arbitration", "slate")
)
CATALOG = """
[channels.post]
direction = "outbound"
[placements.letter]
channel = "post"
[actions.nothing]
kind = "nothing"
[actions.milk]
value = 4.0
prior = 0.2
treatments.post = { channel = "post" }
[contact_plan]
period = "7d"
periods = 4
"""


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def test_a_plan_is_taken_over_while_serving_and_so_is_the_next(tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "shop.toml").write_text(CATALOG)
    (tmp_path / "nba.toml").write_text(SETTINGS)
    with open_app(tmp_path / "nba.toml", environ={}) as app:
        plans, spec = app.engine.plans, app.engine.catalog.contact_plan
        assert spec is not None
        assert plans.mark is None
        other = open_store(tmp_path / "nba.db")
        try:
            for name in ("first", "second"):
                mark = PlanMark(
                    id=name, made=1.0, starts=1.0, catalog_version="c", terms=spec.terms
                )
                other.bulk(now=1.0, progress=(PLAN_MARK, encode_plan_mark(mark)))
                until(lambda: plans.mark is not None and plans.mark == mark)  # noqa: B023
        finally:
            other.close()

"""What a catalog asks of the pipeline, beyond what its stages find out for themselves."""

from __future__ import annotations

from nba_engine.domain import CatalogView
from nba_engine.errors import Mistake
from nba_engine.settings import Settings

__all__ = ["objective_mistakes", "order_mistakes"]


def objective_mistakes(settings: Settings, catalog: CatalogView, file: str) -> list[Mistake]:
    """Actions that count by their uplift, where no stage tells it before their value is taken."""
    wanted = [one.id for one in catalog.actions if one.objective == "uplift"]
    stages = [one.stage for one in settings.pipeline]
    if not wanted or "value" not in stages or "uplift" in stages[: stages.index("value")]:
        return []
    late = "uplift" in stages
    return [
        Mistake(
            file=file,
            place="pipeline",
            message=f'action {wanted[0]!r} has objective = "uplift", and '
            + ("the stage uplift comes after value" if late else "there is no stage uplift"),
            remedy='put [[pipeline]] stage = "uplift" before the stage value',
        )
    ]


def order_mistakes(settings: Settings, file: str) -> list[Mistake]:
    """The stage contact_plan where it has nothing to say any more: prices are charged already."""
    stages = [one.stage for one in settings.pipeline]
    for stage in ("arbitration", "slate"):
        if "contact_plan" in stages and stage in stages[: stages.index("contact_plan")]:
            return [
                Mistake(
                    file=file,
                    place="pipeline",
                    message=f"the stage contact_plan comes after {stage}",
                    remedy=f'put [[pipeline]] stage = "contact_plan" before the stage {stage}',
                )
            ]
    return []

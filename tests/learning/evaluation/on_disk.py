"""A shop on disk that has explored: settings, a catalog, a changed one, two models, a log."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nba_engine.app import open_app
from nba_engine.domain import DecisionRequest, Feature, Interaction, PlacementRequest
from nba_engine.learning import export_logistic, train_logistic
from nba_engine.store import open_store

__all__ = ["RATE", "explored_shop"]

NOW, DAY = 1_700_000_000.0, 86_400.0
# how many say yes, by action
RATE = {"bread": 0.10, "coffee": 0.30, "cheese": 0.45}
PRICE = {"bread": 1.0, "coffee": 2.0, "cheese": 3.0}
VALUE = {"bread": 3.0, "coffee": 2.0, "cheese": 1.0}

SETTINGS = """
[store]
url = "sqlite:data/nba.db"
decision_log = "data/decisions.db"
[catalog]
path = "catalog"
[models]
propensity = "models/propensity"
""" + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n'
    + ('settings = { model = "propensity" }\n' if stage == "propensity" else "")
    for stage in (
        *("profile", "eligibility", "contact_policy", "propensity"),
        *("value", "arbitration", "slate"),
    )
)


def catalog(*, changed: bool = False, exploration: bool = True) -> str:
    """The shop's catalog; the changed one says that cheese is worth more."""
    explores = 'exploration = { method = "plackett_luce", temperature = 0.3 }'
    lines = [
        '[catalog]\ncurrency = "EUR"\ntime_zone = "Europe/Berlin"',
        "[channels.web]",
        '[placements.home]\nchannel = "web"',
        explores if exploration else "",
        '[outcomes.answered]\nwithin = "7d"\n[actions.nothing]\nkind = "nothing"',
    ]
    for action, value in VALUE.items():
        worth = value * 3 if changed and action == "cheese" else value
        lines.append(f"[actions.{action}]\nvalue = {worth}\nprior = 0.3")
        lines.append(f"attributes = {{ price = {PRICE[action]} }}")
        lines.append('treatments.banner = { channel = "web", cost = 0.01 }')
    return "\n".join(lines)


def _model(folder: Path, slope: float) -> None:
    """A model of the price alone: dear things succeed more often, or less often."""
    random = np.random.default_rng(0)
    rows = random.uniform(1.0, 3.0, (600, 1)).astype(np.float32)
    chance = 1 / (1 + np.exp(1.5 - slope * (rows[:, 0] - 2.0)))
    label = (random.random(600) < chance).astype(int)
    model = train_logistic(rows[:400], label[:400], rows[400:], label[400:], strengths=(1.0,))
    export_logistic(
        folder,
        model,
        name="propensity",
        version="1",
        features=(Feature(name="price", source="action.price"),),
        held_out=rows[400:],
    )


def explored_shop(
    folder: Path, *, decisions: int = 600, exploration: bool = True, challenger: bool = False
) -> Path:
    """Write it all and decide; the settings file. A ``challenger`` decides for half of the customers."""
    settings = SETTINGS
    if challenger:
        other = 'challengers = [{ model = "boosted", share = 0.5, shadow = false }]'
        settings = settings.replace('model = "propensity" }', f'model = "propensity", {other} }}')
        settings = settings.replace("[models]\n", '[models]\nboosted = "models/new"\n')
    for name, text in (
        ("nba.toml", settings),
        ("catalog/shop.toml", catalog(exploration=exploration)),
        ("new-catalog/shop.toml", catalog(changed=True, exploration=exploration)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    _model(folder / "models" / "propensity", -0.2)
    _model(folder / "models" / "new", 1.5)
    open_store(folder / "data" / "nba.db", simulated=True).close()
    random = np.random.default_rng(1)
    answers: list[Interaction] = []
    with open_app(folder / "nba.toml", environ={}) as app:
        for seed in range(decisions):
            identity = f"crm:{seed % (decisions // 2)}"
            asked = DecisionRequest(
                identity=identity, placements=(PlacementRequest("home"),), time=NOW, seed=seed
            )
            answers += [
                Interaction(
                    interaction_id=f"i{seed}",
                    identity=identity,
                    type="accept",
                    time=NOW + 60.0,
                    recommendation_id=one.recommendation_id,
                )
                for one in app.engine.decide(asked).recommendations
                if random.random() < RATE.get(one.action, 0.0)
            ]
        # a simulated store has no clock: its last outcome says how late it is
        last = Interaction(interaction_id="z", identity="crm:0", type="reject", time=NOW + 8 * DAY)
        app.engine.record([*answers, last])
    return folder / "nba.toml"

"""A synthetic world for the decision benchmark: 1,000 treatments, 10,000 customers, seeded.

Every number here is made up by a seeded generator; only the speed of the engine on it means
anything.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nba_engine.domain import Consent, Feature, ProfileUpdate
from nba_engine.learning import export_logistic, train_logistic

ACTIONS = 1_000
CUSTOMERS = 10_000
REGIONS = ("north", "east", "south", "west")
NOW = 1_510_000_000.0

_SETTINGS = """
[server]
listen = "127.0.0.1:0"
threads = 8
[store]
url = "sqlite:{catalog}.db"
decision_log = "{catalog}-decisions.db"
[catalog]
path = "{catalog}"
[models]
propensity = "model"
[logging]
level = "warning"
""" + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n'
    for stage in (
        "profile",
        "eligibility",
        "contact_policy",
        "propensity",
        "value",
        "arbitration",
        "slate",
    )
)

_ATTRIBUTES = {
    "age": "int",
    "region": "string",
    "income": "double",
    "children": "int",
    "orders": "int",
    "spend": "double",
    "returns": "int",
    "newsletter": "bool",
    "recency": "double",
    "basket": "double",
}


def write_world(folder: Path, *, capped: bool, seed: int = 7) -> Path:
    """Write ``nba.toml`` and a catalog of 1,000 actions under ``folder``; the settings' path."""
    random = np.random.default_rng(seed)
    name = "catalog-capped" if capped else "catalog"
    catalog = folder / name
    catalog.mkdir(parents=True)
    lines = ['[catalog]\ncurrency = "EUR"\ntime_zone = "UTC"\n']
    lines += [f'[attributes.{n}]\ntype = "{kind}"\n' for n, kind in _ATTRIBUTES.items()]
    lines += [f'[context.{n}]\ntype = "double"\n' for n in ("hour", "sessions")]
    lines.append('[context.device]\ntype = "string"\n')
    lines.append('[channels.web]\nname = "Web"\n[placements.home]\nchannel = "web"\nslots = 3\n')
    lines.append('[actions.nothing]\nname = "Nothing"\nkind = "nothing"\n')
    if capped:
        lines.append(
            '[limits.contacts]\nname = "Contacts a day"\nscope = ["customer"]\n'
            'measure = "contacts"\namount = 1000000\nwindow = "day"\n'
        )
    for i in range(ACTIONS):
        low = int(random.integers(16, 40))
        high = low + int(random.integers(15, 50))
        regions = [str(r) for r in random.choice(REGIONS, size=3, replace=False)]
        listed = ", ".join(f"'{r}'" for r in regions)
        lines.append(
            f"""[actions.a{i}]
name = "Action {i}"
group = "g{i % 20}"
prior = 0.02
value = {random.uniform(1, 20):.2f}
[actions.a{i}.attributes]
price = {random.uniform(1, 100):.2f}
popularity = {random.uniform(0, 1):.4f}
novelty = {random.uniform(0, 1):.4f}
margin = {random.uniform(0, 1):.4f}
[actions.a{i}.treatments.web]
channel = "web"
cost = {random.uniform(0, 0.05):.4f}
content = {{ headline = "Action {i} for {{{{ customer.region }}}}" }}
[rules.r{i}]
tier = "eligibility"
when = "customer.age >= {low} && customer.age <= {high} && customer.region in [{listed}]"
applies_to = {{ actions = ["a{i}"] }}
"""
        )
    lines.append('[rules.sober]\ntier = "suitability"\nwhen = "customer.returns < 9"\n')
    lines.append('[rules.online]\ntier = "applicability"\nwhen = "context.device != \'fax\'"\n')
    (catalog / "world.toml").write_text("\n".join(lines))
    settings = folder / f"{name}.toml"
    settings.write_text(_SETTINGS.format(catalog=name))
    return settings


def profiles(seed: int = 7) -> list[ProfileUpdate]:
    """10,000 customers with 10 attributes and a consent each."""
    random = np.random.default_rng(seed + 1)
    return [
        ProfileUpdate(
            identity=f"crm:{i}",
            attributes={
                "age": int(random.integers(16, 90)),
                "region": REGIONS[int(random.integers(4))],
                "income": float(random.lognormal(10, 0.5)),
                "children": int(random.poisson(1)),
                "orders": int(random.poisson(6)),
                "spend": float(random.lognormal(4, 1)),
                "returns": int(random.poisson(1)),
                "newsletter": bool(random.random() < 0.5),
                "recency": float(random.exponential(40)),
                "basket": float(random.lognormal(3, 0.5)),
            },
            consents={"marketing:web": Consent(granted=True, time=NOW, source="benchmark")},
        )
        for i in range(CUSTOMERS)
    ]


def write_model(folder: Path, seed: int = 7) -> None:
    """Train a logistic model on 20 features and synthetic outcomes; export it to ``folder``."""
    random = np.random.default_rng(seed + 2)
    rows = 20_000
    columns = {
        "age": random.integers(16, 90, rows),
        "income": np.log1p(random.lognormal(10, 0.5, rows)),
        "children": random.poisson(1, rows),
        "orders": np.log1p(random.poisson(6, rows)),
        "spend": np.log1p(random.lognormal(4, 1, rows)),
        "returns": random.poisson(1, rows),
        "newsletter": random.random(rows) < 0.5,
        "recency": random.exponential(40, rows),
        "basket": np.log1p(random.lognormal(3, 0.5, rows)),
        "hour": random.integers(0, 24, rows),
        "sessions": random.poisson(3, rows),
        "price": np.log1p(random.uniform(1, 100, rows)),
        "popularity": random.random(rows),
        "novelty": random.random(rows),
        "margin": random.random(rows),
        "cost": random.uniform(0, 0.05, rows),
    }
    for region in REGIONS:
        columns[f"is_{region}"] = random.random(rows) < 0.25
    x = np.column_stack([np.asarray(c, dtype=np.float32) for c in columns.values()])
    logit = -4 + 0.6 * columns["orders"] + 2 * columns["popularity"] - 0.3 * columns["price"]
    y = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    half = rows // 2
    model = train_logistic(x[:half], y[:half], x[half:], y[half:])
    logged = {"income", "orders", "spend", "basket", "price"}
    features = [_feature(name, log=name in logged) for name in columns]
    export_logistic(
        folder, model, name="synthetic", version="1", features=features, held_out=x[half:]
    )


def _feature(name: str, *, log: bool) -> Feature:
    if name.startswith("is_"):
        return Feature(
            name=name, source="customer.region", transform="equals", value=name.removeprefix("is_")
        )
    if name in ("hour", "sessions"):
        source = f"context.{name}"
    elif name in ("price", "popularity", "novelty", "margin"):
        source = f"action.{name}"
    elif name == "cost":
        source = "treatment.cost"
    else:
        source = f"customer.{name}"
    return Feature(name=name, source=source, transform="log1p" if log else "none")

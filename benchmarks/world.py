"""A synthetic world for the decision benchmark: 1,000 treatments, 10,000 customers, seeded.

Every number here is made up by a seeded generator; only the speed of the engine on it means
anything.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nba_engine.domain import Consent, ProfileUpdate

ACTIONS = 1_000
CUSTOMERS = 10_000
REGIONS = ("north", "east", "south", "west")
NOW = 1_510_000_000.0

_SETTINGS = """
[server]
listen = "127.0.0.1:0"
threads = 8
[store]
url = "sqlite:nba.db"
decision_log = "decisions.db"
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

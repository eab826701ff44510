"""`nba plan`: what it writes is checked by code that knows nothing of the planner."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nba_engine.cli.main import run
from nba_engine.planning.compare import write_changes

_COSTS = {"letter": 0.7, "email": 0.02}
_PERIODS, _MOST, _SPACING, _DIMINISHING = 4, 3, 2, 0.75
_LIMITS = {("letters", "letter", None): 25, ("first_emails", "email", 1): 12}
_MONEY = 20.5


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(5)
    customers = [f"c{i:03d}" for i in range(60)]
    budgets = [
        None if rng.random() < 0.2 else round(float(rng.exponential(1.0)), 2) for _ in customers
    ]
    pq.write_table(
        pa.table({"customer": customers, "budget": budgets}), folder / "customers.parquet"
    )
    rows = [
        {
            "customer": customer,
            "action": f"a{a}",
            "treatment": f"a{a}.{channel}",
            "channel": channel,
            "value": float(np.float32(rng.exponential(2.0 if channel == "letter" else 1.0))),
            "cost": cost,
        }
        for customer in customers
        for a in range(5)
        for channel, cost in _COSTS.items()
        if rng.random() < 0.8
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "candidates.parquet")
    limits = [
        {
            "limit": name,
            "amount": float(n),
            "measure": "contacts",
            "channel": channel,
            "period": period,
        }
        for (name, channel, period), n in _LIMITS.items()
    ]
    money = {
        "limit": "money",
        "amount": _MONEY,
        "measure": "money",
        "channel": None,
        "period": None,
    }
    pq.write_table(pa.Table.from_pylist([*limits, money]), folder / "limits.parquet")
    (folder / "settings.toml").write_text(
        f"periods = {_PERIODS}\nmost_contacts = {_MOST}\n"
        f"spacing = {_SPACING}\ndiminishing = {_DIMINISHING}\n"
    )
    return folder


@pytest.fixture(scope="module")
def out(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    arguments = ["plan", "--input", str(tables), "--out", str(folder), "--compare"]
    assert run([*arguments, "--set", "limit.letters.amount=10"]) == 0
    return folder


def _chains(file: Path) -> dict[str, list[dict[str, Any]]]:
    chains = defaultdict(list)
    for row in pq.read_table(file).to_pylist():
        chains[row["customer"]].append(row)
    return chains


@pytest.mark.parametrize(("plan", "letters"), [("before", 25), (".", 10)])
def test_every_chain_keeps_every_rule(tables: Path, out: Path, plan: str, letters: int) -> None:
    budget = {
        one["customer"]: one["budget"]
        for one in pq.read_table(tables / "customers.parquet").to_pylist()
    }
    offered = {
        (one["customer"], one["action"], one["treatment"]): one
        for one in pq.read_table(tables / "candidates.parquet").to_pylist()
    }
    chains = _chains(out / plan / "plan.parquet")
    total = 0.0
    used: dict[str, int] = defaultdict(int)
    for customer, chain in chains.items():
        periods = [row["period"] for row in chain]
        assert min(periods) >= 1
        assert max(periods) <= _PERIODS
        assert len(chain) <= _MOST
        assert all(b - a >= _SPACING for a, b in pairwise(periods))
        assert len({row["action"] for row in chain}) == len(chain)
        left = None if budget[customer] is None else round(budget[customer] * 100)
        for j, row in enumerate(chain):
            offer = offered[customer, row["action"], row["treatment"]]
            assert row["value"] == pytest.approx(_DIMINISHING**j * offer["value"], rel=1e-6)
            assert row["cost"] == offer["cost"]
            if left is not None:
                left -= round(offer["cost"] * 100)
                assert left >= 0
                assert round(row["budget_left"] * 100) == left
            assert row["reason"] in {"best_at_prices", "made_room", "used_room"}
            total += row["value"]
            used["cents"] += round(offer["cost"] * 100)
            used[offer["channel"]] += 1
            used["first_emails"] += offer["channel"] == "email" and row["period"] == 1
    assert used["letter"] <= letters
    assert used["first_emails"] <= 12
    assert used["cents"] <= round(_MONEY * 100)
    summary = json.loads((out / plan / "summary.json").read_text())
    assert summary["value"] == pytest.approx(total)
    assert (summary["violation"], summary["contacts"]) == (0, sum(map(len, chains.values())))
    assert 0.97 * summary["bound"] <= summary["value"] <= summary["bound"]


def test_comparing_shows_both_and_who_changes(out: Path) -> None:
    before, after = _chains(out / "before" / "plan.parquet"), _chains(out / "plan.parquet")

    def short(chain: list[dict[str, Any]]) -> list[tuple[int, str]]:
        return [(row["period"], row["treatment"]) for row in chain]

    changed = {c for c in before.keys() | after.keys() if short(before[c]) != short(after[c])}
    found = json.loads((out / "compare.json").read_text())
    assert found["customers_changed"] == len(changed) > 0
    rows = pq.read_table(out / "changes.parquet").to_pylist()
    assert [row["customer"] for row in rows] == sorted(changed)
    for row in rows:
        for chains, which in ((before, "before"), (after, "after")):
            chain = chains[row["customer"]]
            words = [f"{one['period']}:{one['action']}/{one['treatment']}" for one in chain]
            assert row[which] == " ".join(words)
            assert row[f"value_{which}"] == pytest.approx(sum(one["value"] for one in chain))
    assert found["limits"]["letters"]["amount"] == [25, 10]
    assert found["figures"]["value"][1] < found["figures"]["value"][0]


def test_who_is_in_one_of_two_plans_alone_changes(tmp_path: Path) -> None:
    names = {"customer": pa.string(), "action": pa.string(), "treatment": pa.string()}
    schema = pa.schema({**names, "period": pa.int32(), "value": pa.float64()})

    def file(name: str, *chains: tuple[str, list[int]]) -> Path:
        rows = [
            {"customer": who, "period": t, "action": "a", "treatment": "a.x", "value": float(t)}
            for who, periods in chains
            for t in periods
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / name)
        return tmp_path / name

    none = file("none")
    some = file("some", ("zoe", [1]), ("anna", [1, 3]), ("ben", [2]))
    other = file("other", ("zoe", [1]), ("ben", [2, 3]), ("cleo", [4]))
    out = tmp_path / "changes.parquet"
    assert write_changes(some, other, out) == 3
    assert pq.read_table(out).to_pylist() == [
        changes("anna", "1:a/a.x 3:a/a.x", "", 4.0, 0.0),
        changes("ben", "2:a/a.x", "2:a/a.x 3:a/a.x", 2.0, 5.0),
        changes("cleo", "", "4:a/a.x", 0.0, 4.0),
    ]
    assert [write_changes(one, some, out) for one in (none, some)] == [3, 0]
    assert write_changes(none, none, out) == 0


def changes(customer: str, before: str, after: str, *values: float) -> dict[str, object]:
    both = dict(zip(("value_before", "value_after"), values, strict=True))
    return {"customer": customer, "before": before, "after": after, **both}


def test_the_report_shows_limits_and_pictures(out: Path) -> None:
    page = (out / "plan.html").read_text()
    assert page.count("<svg") >= 5
    assert "No limit is exceeded" in page
    assert "first_emails" in page


@pytest.mark.parametrize(
    "wrong", ["letters=10", "limit.letters=10", "periods=many", "limit.letters.at_least=10"]
)
def test_what_cannot_be_set_is_wrong_usage(tables: Path, tmp_path: Path, wrong: str) -> None:
    assert run(["plan", "--input", str(tables), "--out", str(tmp_path), "--set", wrong]) in (1, 2)
    assert not (tmp_path / "plan.parquet").exists()


def test_tables_are_planned_on_the_batch_engine_that_is_named(
    tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["plan", "--input", str(tables), "--out", str(tmp_path / "out")]
    assert run([*arguments, "--batch-engine", "cluster"]) == 78
    assert "no plugin offers a batch engine 'cluster'" in capsys.readouterr().err
    settings = tmp_path / "nba.toml"
    (tmp_path / "catalog").mkdir()
    settings.write_text('[batch]\nengine = "nodes"\n[[pipeline]]\nstage = "profile"\n')
    assert run([*arguments, "-s", str(settings)]) == 78
    assert "no plugin offers a batch engine 'nodes'" in capsys.readouterr().err
    assert run([*arguments, "--dry-run"]) == 2
    assert "--dry-run is for plans on the store" in capsys.readouterr().err

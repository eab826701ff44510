"""`nba decide-all`: what `nba decide` would say to each, gone on with after a break, and nothing left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from nba_engine.app import everyone as everyone_module
from nba_engine.app import open_app
from nba_engine.app.everyone import seed_of
from nba_engine.domain import DecisionRequest, PlacementRequest, ProfileUpdate
from nba_engine.store import open_store

if TYPE_CHECKING:
    from tests.cli.conftest import Nba

pytestmark = pytest.mark.xdist_group("decide_all")

NOON = 1_510_056_000.0
CUSTOMERS = 23
THREADS = '\n[batch]\nsettings = { workers = 2, workers_are = "threads" }\n'
LIMIT = """
[limits.banners]
name = "Banners"
scope = []
measure = "contacts"
amount = 5
window = "day"
[limits.each]
name = "Per customer"
scope = ["customer"]
measure = "contacts"
amount = 1
window = "day"
"""


@pytest.fixture
def filled(shop: Path) -> Path:
    """A simulated store with customers, most of whom are grown up."""
    (shop.parent / "data").mkdir()
    open_store(shop.parent / "data" / "nba.db", simulated=True).close()
    shop.write_text(shop.read_text() + THREADS)
    with (shop.parent / "catalog" / "shop.toml").open("a") as file:
        file.write(LIMIT)
    with open_app(shop, environ={}) as app:
        app.engine.load(
            updates=[
                ProfileUpdate(identity=f"crm:{number}", attributes={"age": 10 + number})
                for number in range(CUSTOMERS)
            ]
        )
    return shop


@pytest.fixture(autouse=True)
def _forget_what_is_open() -> Iterator[None]:
    yield
    everyone_module._opened.clear()


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_everybody_gets_what_decide_would_say(filled: Path, nba: Nba, tmp_path: Path) -> None:
    out = tmp_path / "all.parquet"
    arguments = (
        "decide-all",
        "-s",
        filled,
        "--out",
        out,
        "--time",
        "2017-11-07T13:00",
        "--seed",
        3,
    )
    assert nba(*arguments, "--partition", 5) == 0
    found = rows(out)
    assert len({row["customer_id"] for row in found}) == CUSTOMERS
    with open_app(filled, environ={}) as app:
        engine = app.engine
        assert list(engine.store.usage_report()) == []
        for number in range(4, CUSTOMERS, 6):
            customer = engine.profile(f"crm:{number}").customer_id
            request = DecisionRequest(
                identity=f"crm:{number}",
                placements=(PlacementRequest("home"),),
                time=NOON,
                seed=seed_of(3, customer),
            )
            decision = engine.decide(request)
            engine.withdraw(decision)
            expected = [
                (one.treatment, one.position, one.score, one.propensity, one.value, one.cost)
                for one in decision.recommendations
            ]
            got = [
                tuple(
                    row[name]
                    for name in ("treatment", "position", "score", "propensity", "value", "cost")
                )
                for row in found
                if row["customer_id"] == customer
            ]
            assert got == expected


def test_the_summary_tells_treatments_money_and_what_there_is_too_little_of(
    filled: Path, nba: Nba, tmp_path: Path
) -> None:
    out = tmp_path / "all.parquet"
    assert nba("decide-all", "-s", filled, "--channel", "web", "--out", out) == 0
    assert f"{CUSTOMERS} customers" in nba.out
    assert "wine.banner" in nba.out
    assert "expected value" in nba.out
    assert "Banners (banners" in nba.out
    assert "more than there is" in nba.out
    assert "nothing is reserved, nothing logged" in nba.out
    assert nba("decide-all", "-s", filled, "--out", out, "--json") == 0
    summary = json.loads(nba.out)
    assert summary["customers"] == CUSTOMERS
    wine, expected, _ = summary["treatments"]["wine.banner"]
    assert wine == sum(row["action"] == "wine" for row in rows(out)) > 0
    assert summary["expected_value"] >= expected > 0.0
    ((limit, wanted, ceiling),) = summary["accounts"].values()
    assert (limit, wanted, ceiling) == ("banners", CUSTOMERS - summary["nothing"], 5)


def test_what_was_broken_off_goes_on_as_of_the_same_moment_and_gives_the_same(
    filled: Path, nba: Nba, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
    arguments = ("--time", "2017-11-07T13:00", "--partition", 4)
    assert nba("decide-all", "-s", filled, "--out", whole, *arguments) == 0
    decided: list[str] = []
    decide = everyone_module._decided
    limit = 13

    def some(supposing: Any, share: Any, name: str) -> Any:
        if len(decided) >= limit:
            raise OSError("the disk is full")
        decided.append(name)
        return decide(supposing, share, name)

    monkeypatch.setattr(everyone_module, "_decided", some)
    assert nba("decide-all", "-s", filled, "--out", out, *arguments) == 1
    assert "the disk is full" in nba.err
    assert not out.exists()
    assert nba("decide-all", "-s", filled, "--out", out, "--partition", 4, "--seed", 9) == 1
    assert "differs in seed; --fresh begins anew" in nba.err
    before = len(decided)
    limit = CUSTOMERS + before
    assert nba("decide-all", "-s", filled, "--out", out, "--partition", 4) == 0
    assert "going on with" in nba.err
    assert len(decided) - before <= CUSTOMERS - 4  # what was done is not done again
    assert rows(out) == rows(whole)
    assert not out.with_name("out.parquet.parts").exists()


def test_a_list_of_identities_is_decided_for_with_those_unknown(
    filled: Path, nba: Nba, tmp_path: Path
) -> None:
    (tmp_path / "ids.txt").write_text("crm:20\n\ncrm:nobody\n")
    out = tmp_path / "some.parquet"
    assert nba("decide-all", "-s", filled, "--out", out, "--identities", tmp_path / "ids.txt") == 0
    assert rows(out)[0]["identity"] == "crm:20"
    assert {row["identity"] for row in rows(out)} == {"crm:20", "crm:nobody"}
    assert "1 unknown" in nba.out


def test_processes_give_the_same_as_threads(filled: Path, nba: Nba, tmp_path: Path) -> None:
    arguments = ("--time", "2017-11-07T13:00", "--partition", 12)
    assert nba("decide-all", "-s", filled, "--out", tmp_path / "t.parquet", *arguments) == 0
    filled.write_text(filled.read_text().replace('"threads"', '"processes"'))
    assert nba("decide-all", "-s", filled, "--out", tmp_path / "p.parquet", *arguments) == 0
    assert rows(tmp_path / "p.parquet") == rows(tmp_path / "t.parquet")


def test_mistakes_are_told_in_one_sentence(shop: Path, nba: Nba, tmp_path: Path) -> None:
    out = tmp_path / "all.parquet"
    assert nba("decide-all", "-s", shop, "--out", out) == 1
    assert "there is no store at" in nba.err
    open_store(shop.parent / "data" / "nba.db", simulated=True).close()
    assert nba("decide-all", "-s", shop, "--out", out, "--channel", "post") == 2
    assert "no channel 'post': web" in nba.err
    assert nba("decide-all", "-s", shop, "--out", out, "--batch-engine", "clowd") == 78
    assert "batch.engine" in nba.err
    assert nba("decide-all", "-s", shop, "--out", out) == 0
    assert "0 customers" in nba.out
    assert rows(out) == []

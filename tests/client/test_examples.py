"""The programs under examples/, as a user would run them against `nba serve`."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nba_engine.client import Client, Consent, Interaction
from tests.client.both import target_of
from tests.integration.shop import Shop, serving_shop
from tests.server.small import serving

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / f"{example}.py", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serving_shop(tmp_path_factory.mktemp("shop")) as one:
        yield one


@pytest.fixture(scope="module")
def client(shop: Shop) -> Iterator[Client]:
    with Client(shop.address, timeout=10.0) as one:
        yield one


@pytest.fixture(scope="module")
def nowhere() -> str:
    with serving() as served:
        return target_of(served)


def test_each_example_is_run_here_and_says_how_to_run_it() -> None:
    names = {file.stem for file in EXAMPLES.glob("*.py")}
    assert names == {"web_shop", "call_center", "win_back"}
    for name in names:
        text = (EXAMPLES / f"{name}.py").read_text("utf-8")
        assert f"python examples/{name}.py" in text
        assert run(name, "--help").returncode == 0


def test_the_web_shop_shows_banners_and_records_the_visit(shop: Shop, client: Client) -> None:
    visitor = ("--visitor", "cookie:visit")
    done = run(
        "web_shop", "--target", shop.address, "--placement", "banner", "--budget", "20", *visitor
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "MILK         Milk today | Bread today | (empty slot)",
        "BREAD        Bread today | (empty slot) | (empty slot)",
        "WINE         (empty slot) | (empty slot) | (empty slot)",
    ]
    assert client.get_profile("cookie:visit").version > 0


def test_the_web_shop_serves_its_pages_without_a_server_and_tells_what_was_lost(
    nowhere: str,
) -> None:
    done = run("web_shop", "--target", nowhere, "--patience", "0.5")
    assert done.returncode == 1
    assert done.stdout.count("(empty slot) | (empty slot) | (empty slot)") == 3
    lost = re.findall(r"^not delivered: (\w+) of cookie:9f3c \([0-9a-f-]{36}\)$", done.stderr, re.M)
    assert sorted(lost) == ["add_to_cart"] * 3 + ["view"] * 3


def test_the_web_shop_does_not_wait_longer_than_its_budget(shop: Shop) -> None:
    arguments = ("--placement", "banner", "--budget", "0", "--visitor", "cookie:hasty")
    done = run("web_shop", "--target", shop.address, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(empty slot) | (empty slot) | (empty slot)") == 3
    assert done.stderr.count("no banners: Decide: ") == 3


def test_the_call_center_tells_who_calls_what_to_offer_and_why(shop: Shop, client: Client) -> None:
    client.update_profile(
        "crm:7",
        attributes={"age": 44},
        consents=[Consent(purpose="marketing", channel="email", granted=True)],
    )
    bought = datetime.now(UTC) - timedelta(days=1)
    client.record_interactions(
        [
            Interaction(
                identity="crm:7",
                type="purchase",
                properties={"category": "MILK"},
                interaction_time=bought,
            )
        ]
    )
    arguments = ("crm:7", "--target", shop.address, "--placement", "newsletter")
    first = run("call_center", *arguments, "--answer", "reject")
    assert (first.returncode, first.stderr) == (0, "")
    assert "  age: 44\n" in first.stdout
    assert "  agreed to marketing by email\n" in first.stdout
    assert re.search(r"^1\. Wine \(worth 0\.\d\d EUR\)$", first.stdout, re.MULTILINE)
    assert re.search(r"^Why: .*“Wine” by E-mail.*\.$", first.stdout, re.MULTILINE)
    assert first.stdout.endswith("reject: recorded, reservation released\n")
    second = run("call_center", *arguments)
    assert second.stdout.endswith("accept: recorded, reservation confirmed\n")
    third = run("call_center", *arguments)  # one e-mail a week
    assert third.stdout.endswith("Nothing to offer today: just be kind.\n")


def test_the_call_center_goes_on_with_somebody_new(shop: Shop) -> None:
    done = run("call_center", "crm:new", "--target", shop.address, "--placement", "banner")
    assert done.stdout.startswith("crm:new is new to us.\n1. Milk today (worth ")
    assert done.returncode == 0


def test_the_call_center_says_in_one_sentence_that_the_engine_cannot_help(nowhere: str) -> None:
    done = run("call_center", "crm:7", "--target", nowhere)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        rf"The engine cannot help: GetProfile: no server answers at {nowhere} \(.*\)\n",
        done.stderr,
    )


def test_who_slipped_away_is_written_to_once(
    shop: Shop, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["crm:gone", "crm:silent", "crm:child"]
    for name in names:
        client.update_profile(
            name,
            attributes={"age": 9 if name == "crm:child" else 44},
            consents=[
                Consent(purpose="marketing", channel="email", granted=name != "crm:silent"),
            ],
        )
    who = tmp_path / "who.csv"
    who.write_text("customer_id,identity\n" + "".join(f"x,{name}\n" for name in (*names, "")))
    arguments = (str(who), "--target", shop.address, "--placement", "newsletter")
    first = run("win_back", *arguments)
    assert first.returncode == 0, first.stderr
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    again = runpy.run_path(str(EXAMPLES / "win_back.py"))
    requests = list(again["requests_of"](who, "newsletter"))
    assert again["write_to_all"](client, requests) == (2, 0)
    assert capsys.readouterr().out == first.stdout
    assert {line["to"] for line in lines} == {"crm:gone", "crm:child"}
    assert {line["treatment"] for line in lines if line["to"] == "crm:gone"} == {"wine.email"}
    assert re.search(r"^3 slipped away, 2 are written to$", first.stderr, re.M)

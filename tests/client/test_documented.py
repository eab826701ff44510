"""The guide to the client: its code runs, its tables are complete, its numbers are the real ones."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import nba_engine.client
from nba_engine.client import AioClient, Client, InteractionBatcher, NbaClientError
from nba_engine.client.channels import RETRIED
from nba_engine.client.retries import MAX_ATTEMPTS
from tests.client.test_methods import python_name
from tests.integration.shop import serving_shop

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text("utf-8")


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def test_the_code_of_the_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) > 12
    with serving_shop(tmp_path) as shop:
        code = "\n".join(blocks).replace("127.0.0.1:50051", shop.address)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["serving", "1. milk.banner: Milk today, 0.12 EUR"]
    assert "['recorded', 'recorded']" in lines
    assert "view of nobody: RecordInteractions: identity: must be a namespace" in done.stdout
    assert "{'age': 44}" in lines
    assert "eligibility not_eligible" in done.stdout
    assert "placements[0].placement - not a placement of the catalog" in done.stdout
    assert "crm:42 True" in lines
    assert "['nothing', 'milk', 'bread', 'wine']" in lines[-1]


def test_the_table_of_errors_is_complete() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", section("Errors"), re.MULTILINE))
    classes = {
        name
        for name in nba_engine.client.__all__
        if isinstance(value := getattr(nba_engine.client, name), type)
        and issubclass(value, NbaClientError)
    }
    assert told == classes - {"NbaClientError"}


def test_the_table_of_repeats_tells_of_every_method() -> None:
    rows = re.findall(
        r"^\| (`[^|]+`) \| ([^|]+) \|", section("Deadlines, waiting, repeats"), re.MULTILINE
    )
    told = {name: text for names, text in rows for name in re.findall(r"`(\w+)`", names)}
    public = {name for name in vars(Client) if not name.startswith("_")} - {"interactions"}
    assert told.keys() == public
    always = {"health" if method == "Check" else python_name(method) for _, method in RETRIED}
    assert always == {
        name for name, text in told.items() if not text.startswith(("only with", "never"))
    }
    assert "four attempts" in PAGE
    assert MAX_ATTEMPTS == 4


def test_the_numbers_of_the_page_are_the_defaults() -> None:
    batcher = inspect.signature(Client.interactions).parameters
    for name, text in [("max_batch", "500"), ("max_wait", "0.2"), ("max_queue", "10,000")]:
        assert re.search(rf"`{name}`\s+\({text}\)", PAGE)
        assert batcher[name].default == float(text.replace(",", ""))
    assert "`timeout` (30)" in PAGE
    assert batcher["timeout"].default == 30
    for kind in (Client, AioClient):
        given = inspect.signature(kind).parameters
        assert given["timeout"].default == 2
        assert given["keepalive"].default == 60
        assert given["wait_for_ready"].default is False
        assert inspect.signature(kind.stream_decide).parameters["ahead"].default == 16


def test_every_public_method_and_class_says_what_it_is_for() -> None:
    for kind in (Client, AioClient, InteractionBatcher):
        for name, value in inspect.getmembers(kind, callable):
            if not name.startswith("_"):
                assert inspect.getdoc(value), f"{kind.__name__}.{name}"

"""The guide to the client: its tables are complete, its numbers are the real ones.

Its code is run by tests/docs.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import nba_engine.client
from nba_engine.client import AioClient, Client, InteractionBatcher, NbaClientError
from nba_engine.client.channels import RETRIED
from nba_engine.client.contact_plans import ContactPlans
from nba_engine.client.erasures import Erasures
from nba_engine.client.exports import Exports
from nba_engine.client.limits import Limits
from nba_engine.client.publishing import Publishing
from nba_engine.client.recording import Recording
from nba_engine.client.retries import MAX_ATTEMPTS
from tests.client.test_methods import python_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text("utf-8")


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


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
    public = {
        name
        for kind in (Client, ContactPlans, Erasures, Exports, Publishing, Limits, Recording)
        for name in vars(kind)
        if not name.startswith("_") and name != "interactions"
    }
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
        assert inspect.signature(kind.stream_interactions).parameters["ahead"].default == 1000
        assert inspect.signature(kind.stream_interactions).parameters["timeout"].default == 30


def test_every_public_method_and_class_says_what_it_is_for() -> None:
    for kind in (Client, AioClient, InteractionBatcher):
        for name, value in inspect.getmembers(kind, callable):
            if not name.startswith("_"):
                assert inspect.getdoc(value), f"{kind.__name__}.{name}"

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nba_engine.app import open_app
from nba_engine.domain import Consent, ProfileUpdate
from nba_engine.store import turn

if TYPE_CHECKING:
    from tests.cli.conftest import Nba


def said(shop: Path, identity: str, time: float, *, granted: bool) -> None:
    consent = Consent(granted=granted, time=time, source="page")
    with open_app(shop) as app:
        update = ProfileUpdate(identity=identity, consents={"marketing:web": consent})
        app.engine.update_profile(update)


def test_linked_identities_are_shown_with_time_and_source(shop: Path, nba: Nba) -> None:
    said(shop, "crm:42", 0.0, granted=True)
    assert nba("identity", "link", "crm:42", "cookie:9f", "-s", shop, "--source", "desk") == 0
    assert nba("identity", "show", "cookie:9f", "-s", shop) == 0
    customer, first, second, _, heading, link, also = nba.out.splitlines()
    assert re.fullmatch(r"customer [0-9a-f]{32}", customer)
    assert (first, second) == ("  cookie:9f", "  crm:42")
    assert re.split(" {2,}", heading) == [
        "linked (Europe/Berlin)",
        "source",
        "identities",
        "customers ended",
    ]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +desk +cookie:9f", link)
    assert also.split() == ["crm:42"]


def test_customers_that_become_one_are_told(shop: Path, nba: Nba) -> None:
    said(shop, "crm:42", 0.0, granted=True)
    said(shop, "cookie:9f", 5.0, granted=False)
    nba("identity", "link", "crm:42", "cookie:9f", "-s", shop)
    assert nba.out.startswith("1 customer merged into ")
    nba("identity", "link", "cookie:9f", "crm:42", "-s", shop)
    assert "merged" not in nba.out


def test_all_that_was_said_of_consents_is_shown_in_the_catalogs_time(shop: Path, nba: Nba) -> None:
    said(shop, "crm:42", 0.0, granted=True)
    said(shop, "crm:42", 86_400.0, granted=False)
    assert nba("identity", "show", "crm:42", "--consents", "-s", shop) == 0
    assert [line.split() for line in nba.out.splitlines()[-2:]] == [
        ["1970-01-01", "01:00:00", "marketing:web", "granted", "page", "crm:42"],
        ["1970-01-02", "01:00:00", "marketing:web", "withdrawn", "page", "crm:42"],
    ]


def test_somebody_without_consents_has_none(shop: Path, nba: Nba) -> None:
    nba("identity", "link", "crm:1", "crm:2", "-s", shop)
    nba("identity", "show", "crm:1", "--consents", "-s", shop)
    assert "No consent was ever given or withdrawn." in nba.out


def test_a_customer_is_erased_after_asking_and_listed_without_a_name(
    shop: Path, nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(shop, "crm:42", 0.0, granted=True)
    nba("identity", "link", "crm:42", "cookie:9f", "-s", shop)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert nba("identity", "erase", "cookie:9f", "-s", shop) == 130
    assert "cookie:9f, crm:42" in nba.out
    assert nba("identity", "show", "crm:42", "-s", shop) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert nba("identity", "erase", "cookie:9f", "-s", shop) == 0
    lines = [line.strip() for line in nba.out.splitlines()[-5:]]
    assert lines[1:] == ["1 consent", "1 customer", "2 identities", "1 link"]
    assert nba("identity", "show", "crm:42", "-s", shop) == 1
    assert nba("identity", "erased", "-s", shop) == 0
    assert "1 customer" in nba.out
    assert "crm" not in nba.out
    assert "pending" in nba.out.splitlines()[0]


def test_somebody_unknown_is_told_and_no_error(shop: Path, nba: Nba) -> None:
    nba("identity", "erased", "-s", shop)
    assert nba.out == "Nobody was erased.\n"
    assert nba("identity", "erase", "crm:nobody", "--yes", "-s", shop) == 0
    assert "no customer was known" in nba.out


def test_what_cannot_be_done_now_is_told_as_pending(shop: Path, nba: Nba) -> None:
    said(shop, "crm:42", 0.0, granted=True)
    log = shop.parent / "data" / "decisions.db"
    with turn(log.with_name("decisions.db.moving")):
        assert nba("identity", "erase", "crm:42", "--yes", "-s", shop) == 1
    assert "pending: decision_log, sinks, files" in nba.err
    assert nba("identity", "erase", "crm:42", "--yes", "-s", shop) == 0
    nba("identity", "erased", "-s", shop)
    assert "decision_log" not in nba.out


def test_nobody_and_one_identity_alone_are_refused_in_a_sentence(shop: Path, nba: Nba) -> None:
    assert nba("identity", "show", "crm:nobody", "-s", shop) == 1
    assert "crm:nobody: no customer is known by this identity" in nba.err
    assert nba("identity", "link", "crm:1", "-s", shop) == 1
    assert "two different identities" in nba.err

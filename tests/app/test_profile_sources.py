"""Profile sources behind a real engine: an installed plugin, its settings, and what is wrong with them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import pytest

from nba_engine.app import check, open_app, open_logged
from nba_engine.client import Client
from nba_engine.domain import CustomerState, DecisionRequest, PlacementRequest, ProfileUpdate
from nba_engine.engine import SourceStatus, repeat
from nba_engine.errors import MistakesFound
from nba_engine.server import Server, make_logger
from nba_engine.settings import LoggingSettings, ServerSettings
from tests.app.folder import SETTINGS, write
from tests.engine.world import CATALOG
from tests.plugin.distributions import Distributions, distributions

__all__ = ["distributions"]

PLUGIN = """
import msgspec
from nba_engine.domain import ProfileSourceFactory
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.plugin import hookimpl

nba_plugin_api = "1.0"
opened = []

class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = ""
    age: int = 44

class Crm:
    batch = 1

    def __init__(self, settings, folder):
        if settings.url == "nowhere":
            raise MistakesFound([Mistake(file="", place="url", message="leads nowhere")])
        if settings.url == "broken":
            raise OSError("password=4711")
        self.settings, self.folder, self.asked, self.closed = settings, folder, [], 0
        opened.append(self)

    def fetch(self, ids, wanted, *, seconds):
        self.asked.append((tuple(ids), dict(wanted), seconds))
        return {key: {"age": self.settings.age} for key in ids if key != "2"}

    def close(self):
        self.closed += 1

@hookimpl
def nba_profile_sources():
    return {"memory": ProfileSourceFactory(build=Crm, settings=Settings)}
"""

LOGGING = LoggingSettings(level="error")
SOURCE = """
[profile_sources.crm]
kind = "memory"
namespace = "crm"
attributes = ["age"]
"""


def ask(identity: str) -> DecisionRequest:
    return DecisionRequest(identity=identity, placements=(PlacementRequest("banner"),))


def install(
    folder: Path, distributions: Distributions, more: str = SOURCE, catalog: str = CATALOG
) -> Path:
    distributions.install("nba-memory", PLUGIN, plugin="memory")
    return write(folder, distributions, settings=SETTINGS + more, catalog=catalog)


def test_a_source_of_a_plugin_is_opened_asked_replayed_from_the_log_and_closed(
    tmp_path: Path, distributions: Distributions
) -> None:
    path = install(tmp_path, distributions)
    environ = {"NBA_PROFILE_SOURCES__CRM__SETTINGS__URL": "db://reader:secret@crm"}
    with open_app(path, environ=environ) as app:
        app.engine.update_profile(ProfileUpdate(identity="crm:1", attributes={"first_name": "Ada"}))
        decisions = [app.engine.decide(ask(f"crm:{number}")) for number in (1, 1, 2, 3)]
        assert app.profile_sources is not None
        assert app.profile_sources.statuses == {"crm": SourceStatus(calls=3, failures=0, kept=3)}
        record = app.engine.log.read(decisions[0].decision_id)
        assert record is not None
        state = msgspec.msgpack.decode(record.profile, type=CustomerState)
        assert state.attributes == {"first_name": "Ada"}
        (fetched,) = state.fetched
        assert (fetched.source, fetched.attributes) == ("crm", {"age": 44})
        assert abs(fetched.time - time.time()) < 60
    (crm,) = __import__("nba_memory").opened
    assert crm.settings.url == "db://reader:secret@crm"
    assert crm.folder == tmp_path
    assert crm.asked == [((key,), {"age": "int"}, 0.05) for key in ("1", "2", "3")]
    assert crm.closed == 1
    with open_logged(path, environ={}) as logged:
        for decision in decisions:
            found = logged.log.read(decision.decision_id)
            assert found is not None
            assert repeat(logged.of(found), found).outcome == "identical"
    assert len(__import__("nba_memory").opened) == 1  # a replay asks nobody
    assert not [t.name for t in threading.enumerate() if t.name.startswith("nba-profile-source")]


def test_clients_are_told_where_attributes_came_from(
    tmp_path: Path, distributions: Distributions
) -> None:
    with open_app(install(tmp_path, distributions), environ={}) as app:
        server = Server(app.engine, ServerSettings(listen="127.0.0.1:0"), make_logger(LOGGING))
        port = server.start()
        try:
            with Client(f"127.0.0.1:{port}") as client:
                decision = client.decide("crm:9", ["banner"])
                app.engine.log.flush()
                explained = client.explain_decision(decision.decision_id, page_size=2)
        finally:
            server.stop(1.0)
    (origin,) = explained.origins
    assert (origin.attribute, origin.source) == ("age", "crm")
    assert abs(origin.fetch_time.timestamp() - time.time()) < 60
    assert [each for each in explained.sentences if "“age” comes from the profile source" in each]


def test_without_sources_there_is_no_thread_and_nothing_in_the_way(
    tmp_path: Path, distributions: Distributions
) -> None:
    with open_app(install(tmp_path, distributions, ""), environ={}) as app:
        assert app.profile_sources is None
        assert app.engine._profile_sources is None
        assert not [
            t.name for t in threading.enumerate() if t.name.startswith("nba-profile-source")
        ]


def test_mistakes_of_sources_are_told_by_check_with_their_places(
    tmp_path: Path, distributions: Distributions
) -> None:
    more = """
[profile_sources.a]
kind = "memroy"
namespace = "crm"
attributes = ["age"]
[profile_sources.b]
kind = "memory"
namespace = "crm:"
attributes = []
settings = { uri = "x" }
[profile_sources.c]
attributes = ["age", "frist_name"]
ttl = "soon"
"""
    told = [(m.place, m.remedy) for m in check(install(tmp_path, distributions, more), environ={})]
    assert sorted(told) == [
        ("profile_sources.a.kind", 'did you mean "memory"?'),
        ("profile_sources.b.attributes", "add an entry"),
        ("profile_sources.b.namespace", 'write what is before their colon: "crm"'),
        ("profile_sources.b.settings.uri", 'did you mean "url"?'),
        ("profile_sources.c", "add kind = …"),
        ("profile_sources.c", "add namespace = …"),
        (
            "profile_sources.c.attributes[0]",
            "an attribute has one source: remove it from one of them",
        ),
        ("profile_sources.c.attributes[1]", 'did you mean "first_name"?'),
        ("profile_sources.c.ttl", 'write a number and s, m, h, d or w in quotes: "7d", "1d12h"'),
    ]


def test_no_limit_depends_on_what_a_source_says(
    tmp_path: Path, distributions: Distributions
) -> None:
    catalog = CATALOG.replace("amount = 1", 'amount = "customer.age / 10"')
    (mistake,) = check(install(tmp_path, distributions, catalog=catalog), environ={})
    assert mistake.place == "profile_sources.crm.attributes[0]"
    assert mistake.message == "the amount of limit 'email_week' depends on 'age'"


def test_a_catalog_that_no_longer_declares_what_a_source_supplies_is_not_taken(
    tmp_path: Path, distributions: Distributions
) -> None:
    with open_app(install(tmp_path, distributions), environ={}) as app:
        changed = CATALOG.replace("[attributes.age]", "[attributes.years]").replace(
            "customer.age", "customer.years"
        )
        (mistake,) = app.engine.validate_catalog({"shop.toml": changed})
        assert mistake.message == "the catalog declares no attribute 'age'"


@pytest.mark.parametrize(
    ("url", "place", "message"),
    [
        ("nowhere", "profile_sources.crm.settings.url", "leads nowhere"),
        (
            "broken",
            "profile_sources.crm",
            "profile source 'memory' of plugin 'memory' could not be opened: OSError",
        ),
    ],
)
def test_a_source_that_cannot_be_opened_stops_the_start_without_telling_secrets(
    tmp_path: Path, distributions: Distributions, url: str, place: str, message: str
) -> None:
    more = f'{SOURCE}settings = {{ url = "{url}" }}\n'
    with pytest.raises(MistakesFound) as found:
        open_app(install(tmp_path, distributions, more), environ={})
    (mistake,) = found.value.mistakes
    assert (mistake.place, mistake.message) == (place, message)
    assert "4711" not in str(found.value)
    assert not [t.name for t in threading.enumerate() if t.name.startswith("nba-profile-source")]

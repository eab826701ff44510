from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.errors import Mistake, MistakesFound
from nba_engine.settings import OfferedModel, RegisteredModel, Settings, load_settings

COMPLETE = """
[server]
listen = "127.0.0.1:0"
threads = 4
reflection = true
max_message_bytes = 1_048_576
grace_seconds = 2
default_deadline_ms = 250
[store]
url = "sqlite:data/nba.db"
decision_log = "data/decisions.db"
request_window = "1d12h"
[catalog]
path = "catalog"
[models]
propensity = "models/propensity"
[tables]
complements = "tables/complements.npz"
[[pipeline]]
stage = "profile"
[[pipeline]]
stage = "propensity"
on_error = "fall_back"
timeout_ms = 20
time_budget_ms = 10.5
settings = { model = "propensity", deep = { any = [1] } }
[breaker]
failures = 3
open_seconds = 1.5
[plugins]
optional = ["nba-sms"]
disabled = ["nba-fax"]
[logging]
level = "debug"
format = "console"
[security]
allow_remote = false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with everything that the complete settings name."""
    for name in ("catalog", "models/propensity", "tables"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tables/complements.npz").write_bytes(b"")
    return tmp_path


def load(folder: Path, text: str, **environ: str) -> Settings:
    path = folder / "nba.toml"
    path.write_text(text)
    return load_settings(path, environ)


def find(folder: Path, text: str, **environ: str) -> list[Mistake]:
    with pytest.raises(MistakesFound) as found:
        load(folder, text, **environ)
    return list(found.value.mistakes)


def places(mistakes: list[Mistake]) -> list[tuple[str, str]]:
    """Line (or what was named instead of the file) and place."""
    return [(Path(m.file).name.removeprefix("nba.toml:"), m.place) for m in mistakes]


def test_complete_settings_are_read_as_written(folder: Path) -> None:
    settings = load(folder, COMPLETE)
    assert settings.server.threads == 4
    assert settings.server.grace_seconds == 2.0
    assert settings.store.request_window == 36 * 3600.0
    assert settings.pipeline[0].on_error is None
    second = settings.pipeline[1]
    assert (second.stage, second.on_error) == ("propensity", "fall_back")
    assert (second.timeout_ms, second.time_budget_ms) == (20.0, 10.5)
    assert second.settings == {"model": "propensity", "deep": {"any": [1]}}
    assert settings.plugins.optional == ("nba-sms",)
    assert (settings.logging.level, settings.logging.format) == ("debug", "console")


@pytest.mark.parametrize("window", ['"24"', "24", '"0s"', '"800d"'])
def test_a_window_of_requests_is_a_duration_within_reason(folder: Path, window: str) -> None:
    text = COMPLETE.replace('"1d12h"', window)
    with pytest.raises(MistakesFound) as found:
        load(folder, text)
    (mistake,) = found.value.mistakes
    assert mistake.place.endswith("store.request_window")
    assert '"' in mistake.remedy


def test_relative_paths_start_at_the_files_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "nba.toml").write_text(COMPLETE)
    monkeypatch.chdir(folder)
    settings = load_settings("nba.toml", {})
    assert settings.store.url == f"sqlite:{folder}/data/nba.db"
    assert settings.store.decision_log == folder / "data/decisions.db"
    assert settings.catalog.path == folder / "catalog"
    assert settings.models == {"propensity": folder / "models/propensity"}
    assert settings.tables == {"complements": folder / "tables/complements.npz"}


def test_a_model_of_a_plugin_is_a_name_and_no_path(folder: Path) -> None:
    stages = '[[pipeline]]\nstage = "a"\n'
    settings = load(folder, stages + '[models]\nfirst = "plugin:starter"')
    assert settings.models == {"first": OfferedModel("starter")}
    assert places(find(folder, stages + '[models]\nfirst = "plugin:"')) == [("4", "models.first")]


def test_a_model_of_the_registry_is_a_name_with_or_without_a_version(folder: Path) -> None:
    stages = '[[pipeline]]\nstage = "a"\n'
    wanted = '[models]\nfirst = "registry:propensity"\nsecond = "registry:propensity@3f2a"'
    settings = load(folder, stages + wanted)
    assert settings.models == {
        "first": RegisteredModel("propensity"),
        "second": RegisteredModel("propensity", "3f2a"),
    }
    assert settings.registry.path == folder / "registry"
    for wrong in ("registry:", "registry:@3f2a", "registry:propensity@"):
        found = find(folder, f'{stages}[models]\nfirst = "{wrong}"')
        assert places(found) == [("4", "models.first")]


def test_sinks_are_tables_by_id_and_their_mistakes_are_told(folder: Path) -> None:
    stages = '[[pipeline]]\nstage = "a"\n'
    settings = load(folder, stages + '[sinks.a]\nkind = "jsonl"\ntakes = ["decisions"]')
    assert settings.sinks["a"].takes == ("decisions",)
    assert settings.sinks["a"].queue == 10_000
    wrong = '[sinks.a]\ntakes = []\nqueue = 0\n[sinks.b]\nkind = "x"\ntakes = ["profiles"]\n'
    assert sorted(places(find(folder, stages + wrong))) == [
        ("3", "sinks.a"),
        ("4", "sinks.a.takes"),
        ("5", "sinks.a.queue"),
        ("8", "sinks.b.takes[0]"),
    ]


def test_absolute_paths_and_other_stores_stay_as_they_are(folder: Path) -> None:
    text = '[store]\nurl = "postgres://db/nba"\ndecision_log = "/log.db"\n[[pipeline]]\nstage = "a"'
    settings = load(folder, text)
    assert settings.store.url == "postgres://db/nba"
    assert settings.store.decision_log == Path("/log.db")


def test_a_path_of_any_stores_address_starts_at_the_files_folder(folder: Path) -> None:
    settings = load(folder, '[store]\nurl = "audited:data/nba.db"\n[[pipeline]]\nstage = "a"')
    assert settings.store.url == f"audited:{folder}/data/nba.db"


def test_everything_but_the_pipeline_has_a_default(folder: Path) -> None:
    settings = load(folder, '[[pipeline]]\nstage = "profile"')
    assert settings.server.listen == "127.0.0.1:50051"
    assert settings.catalog.path == folder / "catalog"
    assert settings.breaker.failures == 5
    assert places(find(folder, "")) == [("nba.toml", "pipeline")]


def test_every_mistake_is_reported_in_one_run(folder: Path) -> None:
    text = """[server]
lisen = "x"
threads = "8"
max_message_bytes = 5
[store]
url = "data/nba.db"
decision_log = 3
[catalog]
path = "katalog"
[models]
a = "models/a"
[tables]
b = "models"
[[pipeline]]
stage = "profile"
[[pipeline]]
stge = "value"
on_error = "dropp"
timeout_ms = 0
[breaker]
failures = 1.5
[plugins]
optional = "nba-sms"
settings.x = 1
[logging]
level = "loud"
[secutiry]
"""
    assert sorted(places(find(folder, text)), key=lambda place: int(place[0])) == [
        ("2", "server.lisen"),
        ("3", "server.threads"),
        ("4", "server.max_message_bytes"),
        ("6", "store.url"),
        ("7", "store.decision_log"),
        ("9", "catalog.path"),
        ("11", "models.a"),
        ("13", "tables.b"),
        ("16", "pipeline[1]"),
        ("17", "pipeline[1].stge"),
        ("18", "pipeline[1].on_error"),
        ("19", "pipeline[1].timeout_ms"),
        ("21", "breaker.failures"),
        ("23", "plugins.optional"),
        ("24", "plugins.settings"),
        ("26", "logging.level"),
        ("27", "secutiry"),
    ]


def test_each_mistake_has_a_remedy(folder: Path) -> None:
    for text in ("[server]\nthreds = 1", "x = 1", "[server]\nthreads = 0", 'store.url = "a"'):
        for mistake in find(folder, text):
            assert mistake.remedy, mistake


def test_a_file_that_is_not_toml_is_told_with_line_and_column(folder: Path) -> None:
    (mistake,) = find(folder, '[server]\nlisten = "a\n')
    assert mistake.place == "2:12"
    assert mistake.message.startswith("not TOML: ")
    (mistake,) = find(folder, "[server")
    assert mistake.place == "end of file"
    (mistake,) = find(folder, "x = " + "[" * 100_000)
    assert mistake.message == "not TOML: lists or tables are nested too deep"


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(MistakesFound, match="there is no such file"):
        load_settings(tmp_path / "nba.toml", {})
    (tmp_path / "nba.toml").write_bytes(b"\xff")
    with pytest.raises(MistakesFound, match="is not UTF-8 text"):
        load_settings(tmp_path / "nba.toml", {})
    with pytest.raises(MistakesFound, match="cannot be read"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:1", "127.8.9.1:1", "localhost:1", "[::1]:1", "unix:/tmp/nba.sock"]
)
def test_loopback_needs_no_permission(folder: Path, listen: str) -> None:
    text = f'[server]\nlisten = "{listen}"\n[[pipeline]]\nstage = "a"'
    assert load(folder, text).server.listen == listen


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "10.0.0.7:1", "shop.example:1"])
def test_listening_to_others_must_be_allowed(folder: Path, listen: str) -> None:
    text = f'[server]\nlisten = "{listen}"\n[[pipeline]]\nstage = "a"\n'
    (mistake,) = find(folder, text)
    assert (mistake.place, "allow_remote" in mistake.remedy) == ("server.listen", True)
    assert load(folder, f"{text}[security]\nallow_remote = true").server.listen == listen


@pytest.mark.parametrize("listen", ['"50051"', '"host:port"', '"h:70000"', '":1"', "50051"])
def test_an_address_is_host_and_port(folder: Path, listen: str) -> None:
    text = f'[server]\nlisten = {listen}\n[[pipeline]]\nstage = "a"\n'
    assert places(find(folder, text)) == [("2", "server.listen")]

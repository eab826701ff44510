from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.errors import MistakesFound
from nba_engine.settings import Settings, load_settings

TEXT = """
[server]
threads = 4
[[pipeline]]
stage = "profile"
[[pipeline]]
stage = "value"
[models]
my-model = "models/first"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "models/first").mkdir(parents=True)
    (tmp_path / "nba.toml").write_text(TEXT)
    return tmp_path / "nba.toml"


def load(path: Path, environ: dict[str, str]) -> Settings:
    return load_settings(path, environ)


def test_variables_override_the_file_typed_by_their_field(path: Path) -> None:
    settings = load(
        path,
        {
            "NBA_SERVER__LISTEN": "127.0.0.1:0",
            "NBA_SERVER__THREADS": "16",
            "NBA_SERVER__REFLECTION": "true",
            "NBA_SERVER__GRACE_SECONDS": "0.5",
            "NBA_LOGGING__LEVEL": "debug",
            "NBA_CATALOG__PATH": str(path.parent),
            "NBA_PLUGINS__DISABLED": '["a", "b"]',
            "NBA_PIPELINE__1__ON_ERROR": "fail",
            "NBA_PIPELINE__0__TIMEOUT_MS": "5",
            "OTHER__SERVER__LISTEN": "no",
            "NBA": "no",
            "NBA_TEST_POSTGRES": "no setting of ours",
        },
    )
    assert settings.server.listen == "127.0.0.1:0"
    assert (settings.server.threads, settings.server.reflection) == (16, True)
    assert settings.server.grace_seconds == 0.5
    assert settings.logging.level == "debug"
    assert settings.catalog.path == path.parent
    assert settings.plugins.disabled == ("a", "b")
    assert [stage.on_error for stage in settings.pipeline] == [None, "fail"]
    assert settings.pipeline[0].timeout_ms == 5.0


def test_variables_reach_names_with_hyphens_and_the_settings_of_stages(path: Path) -> None:
    (path.parent / "models/second").mkdir()
    settings = load(
        path,
        {
            "NBA_MODELS__MY_MODEL": "models/second",  # there is a my-model in the file
            "NBA_MODELS__NEW": "models/first",
            "NBA_PIPELINE__1__SETTINGS__DEEP__RETRIES": "3",
            "NBA_PIPELINE__1__SETTINGS__SENDER": "me",
        },
    )
    names = {name: folder.name for name, folder in settings.models.items()}
    assert names == {"my-model": "second", "new": "first"}
    assert settings.pipeline[1].settings == {"deep": {"retries": 3}, "sender": "me"}


@pytest.mark.parametrize(
    ("name", "value", "message", "remedy"),
    [
        ("NBA_SERVER__THREDS", "3", "no setting 'server.threds'", 'did you mean "threads"?'),
        ("NBA_SEVER__THREADS", "3", "no setting 'sever'", 'did you mean "server"?'),
        ("NBA_SERVER_THREADS", "3", "sets nothing", "NBA_SERVER__THREADS"),
        ("NBA_SERVER__THREADS", "many", "server.threads: expected a whole number", ""),
        ("NBA_SERVER__THREADS", "0", "server.threads: 0 is out of range", ">= 1"),
        ("NBA_PIPELINE__7__STAGE", "x", "there is no pipeline[7]", "2 entries"),
        ("NBA_PIPELINE__X__STAGE", "x", "there is no pipeline[x]", "2 entries"),
        ("NBA_SERVER__THREADS__X", "x", "server.threads is not a table", ""),
        ("NBA_SERVER__LISTEN", "0.0.0.0:1", "server.listen: 0.0.0.0:1 can be", "allow_remote"),
        ("NBA_CATALOG__PATH", "no", "catalog.path: there is no folder", ""),
        ("NBA_PIPELINE__0__ON_ERROR", "x", "pipeline[0].on_error: 'x' is not one of", ""),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(
    path: Path, name: str, value: str, message: str, remedy: str
) -> None:
    with pytest.raises(MistakesFound) as found:
        load(path, {name: value})
    (mistake,) = found.value.mistakes
    assert (mistake.file, mistake.place) == ("environment", name)
    assert message in mistake.message
    assert remedy in mistake.remedy


def test_mistakes_of_file_and_variables_come_together(path: Path) -> None:
    path.write_text(TEXT.replace("threads", "threds"))
    with pytest.raises(MistakesFound) as found:
        load(path, {"NBA_SERVER__LISTEN": "nowhere", "NBA_X__Y": "1"})
    assert {mistake.place for mistake in found.value.mistakes} == {
        "server.threds",
        "NBA_SERVER__LISTEN",
        "NBA_X__Y",
    }


def test_the_process_environment_is_the_default(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBA_SERVER__THREADS", "2")
    assert load_settings(path).server.threads == 2

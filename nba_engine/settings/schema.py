"""Frozen structs of ``nba.toml``. docs/settings.md is their reference."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from nba_engine.domain import OnError, Topic
from nba_engine.settings.convert import REQUIRED, Unreadable, Written
from nba_engine.settings.durations import parse_duration

__all__ = [
    "BreakerSettings",
    "CatalogSettings",
    "LoggingSettings",
    "OfferedModel",
    "PluginSettings",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "SinkSettings",
    "StageSettings",
    "StoreSettings",
    "is_loopback",
]


_LONGEST_WINDOW = 366 * 86_400.0


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value.strip():
        raise Unreadable(
            "expected the path of a file or folder", 'write it in quotes: "folder/name"'
        )
    return Path(value).expanduser()


def _listen(value: object) -> str:
    if not isinstance(value, str):
        raise Unreadable("expected an address", 'write host and port in quotes: "127.0.0.1:50051"')
    if value.startswith("unix:"):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise Unreadable(
            f"{value!r} is not an address",
            'write host and port (0 picks a free one): "127.0.0.1:50051", "[::1]:50051"',
        )
    return value


def _url(value: object) -> str:
    scheme, colon, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not rest or not scheme.isidentifier():
        raise Unreadable("expected scheme:address", 'write for example "sqlite:data/nba.db"')
    return f"{scheme}:{rest}"


def _window(value: object) -> float:
    seconds = parse_duration(value)
    if not 1.0 <= seconds <= _LONGEST_WINDOW:
        raise Unreadable(
            f"{value!r} is no time to remember requests for", 'write "1s" to "366d", as "24h"'
        )
    return seconds


def is_loopback(listen: str) -> bool:
    """Whether an address can only be reached from this machine."""
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class OfferedModel(msgspec.Struct, frozen=True):
    """``plugin:<name>``: a model that a plugin offers by this name."""

    name: str


def _model(value: object) -> Path | OfferedModel:
    if isinstance(value, str) and value.startswith("plugin:"):
        name = value.removeprefix("plugin:").strip()
        if not name:
            raise Unreadable("names no model", 'write its name: "plugin:starter"')
        return OfferedModel(name)
    return _path(value)


FilePath = Annotated[Path, Written(_path)]
ModelSource = Annotated[Path | OfferedModel, Written(_model)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how the gRPC server answers."""

    listen: Annotated[str, Written(_listen)] = "127.0.0.1:50051"
    threads: Annotated[int, Meta(ge=1, le=1024)] = 8
    reflection: bool = False
    max_message_bytes: Annotated[int, Meta(ge=1024)] = 4_194_304
    grace_seconds: Annotated[float, Meta(ge=0)] = 10.0  # for calls in flight when stopping
    default_deadline_ms: Count = 1000  # for callers that set none
    max_streams: Annotated[int, Meta(ge=0, le=1024)] = 100  # a thread each
    stream_threads: Annotated[int, Meta(ge=1, le=1024)] = 4  # streams that decide at once
    stream_idle_seconds: Positive = 300.0  # then a stream on which nothing comes is ended


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where state is kept. Paths are absolute after loading."""

    url: Annotated[str, Written(_url)] = "sqlite:data/nba.db"
    decision_log: FilePath = Path("data/decisions.db")
    request_window: Annotated[float, Written(_window)] = 86_400.0  # repeats of Decide: seconds


class CatalogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the catalog's TOML files are."""

    path: FilePath = Path("catalog")


class StageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``[[pipeline]]``. ``settings`` is checked by the stage's own struct."""

    stage: Annotated[str, REQUIRED] = ""
    on_error: OnError | None = None  # None: the stage's own default
    timeout_ms: Positive | None = None  # run on a bounded pool, abandoned after this
    time_budget_ms: Positive | None = None  # the breaker counts a longer run as a failure
    settings: dict[str, Any] = {}


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a failing stage is no longer called, and for how long."""

    failures: Count = 5
    open_seconds: Positive = 10.0


class SinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[sinks.<id>]``. ``settings`` is checked by the sink's own struct."""

    kind: Annotated[str, REQUIRED] = ""
    takes: Annotated[tuple[Topic, ...], Meta(min_length=1)] = ("decisions", "interactions")
    queue: Count = 10_000  # records that may wait; what does not fit is lost and counted
    settings: dict[str, Any] = {}


class PluginSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which plugins may be missing, and which stay off."""

    optional: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()


class LoggingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class SecuritySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may reach the server."""

    allow_remote: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of ``nba.toml``, with defaults filled in and paths made absolute."""

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    catalog: CatalogSettings = CatalogSettings()
    models: dict[str, ModelSource] = {}  # name → folder, or what a plugin offers
    tables: dict[str, FilePath] = {}  # name → complement table
    pipeline: tuple[StageSettings, ...] = ()
    breaker: BreakerSettings = BreakerSettings()
    sinks: dict[str, SinkSettings] = {}  # id → sink
    plugins: PluginSettings = PluginSettings()
    logging: LoggingSettings = LoggingSettings()
    security: SecuritySettings = SecuritySettings()

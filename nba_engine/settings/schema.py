"""Frozen structs of ``nba.toml``. docs/settings.md is their reference."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from nba_engine.domain import OnError, Topic
from nba_engine.settings.convert import REQUIRED, Unreadable, Written
from nba_engine.settings.durations import DURATION, parse_duration

__all__ = [
    "AffinitySettings",
    "BatchSettings",
    "BreakerSettings",
    "CatalogSettings",
    "LoggingSettings",
    "OfferedModel",
    "PluginSettings",
    "ProfileSourceSettings",
    "RegisteredModel",
    "RegistrySettings",
    "RetentionSettings",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "SinkSettings",
    "SourceSettings",
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


class RegisteredModel(msgspec.Struct, frozen=True):
    """``registry:<name>``: its promoted version; ``registry:<name>@<version>``: always that one."""

    name: str
    version: str = ""


def _model(value: object) -> Path | OfferedModel | RegisteredModel:
    if isinstance(value, str) and value.startswith("registry:"):
        name, at, version = value.removeprefix("registry:").strip().partition("@")
        if not name or (at and not version):
            raise Unreadable(
                "names no model of the registry",
                'write its name: "registry:propensity", or "registry:propensity@3f2a" for a version',
            )
        return RegisteredModel(name, version)
    if isinstance(value, str) and value.startswith("plugin:"):
        name = value.removeprefix("plugin:").strip()
        if not name:
            raise Unreadable("names no model", 'write its name: "plugin:starter"')
        return OfferedModel(name)
    return _path(value)


def _namespace(value: object) -> str:
    if not isinstance(value, str) or not value or ":" in value or not value.isprintable():
        raise Unreadable(
            "expected the namespace of identities", 'write what is before their colon: "crm"'
        )
    return value


_TEXT = {"type": "string", "pattern": r"\S"}
_ADDRESS = {"type": "string", "pattern": r"^(unix:.*|.+:\d{1,5})$"}
_NAMESPACE = {"type": "string", "pattern": r"^[^:]+$"}
_STORE = {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*:.+$"}

FilePath = Annotated[Path, Written(_path, _TEXT)]
ModelSource = Annotated[Path | OfferedModel | RegisteredModel, Written(_model, _TEXT)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how the gRPC server answers."""

    listen: Annotated[str, Written(_listen, _ADDRESS)] = "127.0.0.1:50051"
    """host and port, `"[::1]:50051"`, or `"unix:/path"`. Port 0 picks a free one. Beyond loopback it
    needs `security.allow_remote = true`
    """
    processes: Annotated[int, Meta(ge=1, le=256)] = 1
    """server processes at this address; not with a unix socket. About one per core"""
    threads: Annotated[int, Meta(ge=1, le=1024)] = 8
    """threads that answer calls. Measure it: 4 to 16 are good for most"""
    reflection: bool = False
    """gRPC server reflection"""
    max_message_bytes: Annotated[int, Meta(ge=1024)] = 4_194_304
    """longest request that is accepted"""
    grace_seconds: Annotated[float, Meta(ge=0)] = 10.0
    """time for calls in flight when the server is told to stop"""
    default_deadline_ms: Count = 1000
    """deadline of calls that set none"""
    slow_decision_ms: Positive = 100.0
    """a decision that takes this long is logged as a warning, with the time of each stage"""
    max_streams: Annotated[int, Meta(ge=0, le=1024)] = 100
    """streams that may be open at once; each has a thread of its own"""
    stream_threads: Annotated[int, Meta(ge=1, le=1024)] = 4
    """streams that may decide at once; the others wait for their turn"""
    stream_idle_seconds: Positive = 300.0
    """a stream on which nothing comes for so long is ended"""
    admin: bool = False
    """offers PublishCatalog, RollbackCatalog and ListCatalogVersions to whoever reaches the server.
    `nba catalog` on the same machine does not need it
    """


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where state is kept. Paths are absolute after loading."""

    url: Annotated[str, Written(_url, _STORE)] = "sqlite:data/nba.db"
    """`scheme:address`. `sqlite:` is built in and followed by a path; other schemes come from plugins.
    An address that does not start with `//` is a path, relative to the folder of this file
    """
    decision_log: FilePath = Path("data/decisions.db")
    """the decision log, a file of its own"""
    decision_log_days: Count | None = None
    """decisions of earlier days than this many ago are moved to Parquet files beside the log; without
    it they stay. Needs `pyarrow`; never on a simulated store
    """
    request_window: Annotated[float, Written(_window, DURATION.schema, DURATION.write)] = 86_400.0
    """how long a repeated `request_id` of Decide gets the first answer"""
    max_links: Annotated[int, Meta(ge=2, le=10_000)] = 50
    """how many identities one customer may have: a link that would give it more is refused"""


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """For how long is kept what happened. A running server deletes what is older, by whole days."""

    interactions_days: Count | None = None
    """interactions of earlier days than this many ago are deleted; aggregates stay. Without it they
    stay. Never on a simulated store, as all of this section
    """
    decisions_days: Count | None = None
    """logged decisions of earlier days than this many ago are deleted, also from Parquet files; without
    it they stay
    """
    windows_days: Annotated[int, Meta(ge=31)] | None = None
    """accounts of limits whose calendar window ended on an earlier day than this many ago are deleted;
    without it they stay. A month is added where a window is named by a date
    """
    catalogs_days: Count | None = None
    """catalogs that went out of force on an earlier day than this many ago are deleted, but for the last
    20 and those that logged decisions may need; without it they stay
    """


class CatalogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the catalog's TOML files are."""

    path: FilePath = Path("catalog")
    """folder of the catalog's `*.toml` files; must exist"""


class RegistrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where versions of models are kept: what `nba train` and `nba model` write."""

    path: FilePath = Path("registry")
    """folder of the model registry; made when the first version is added"""


class AffinitySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is kept what customers answer to, prefer and buy again."""

    path: FilePath = Path("tables/affinities.json")
    """the file that `nba affinity fit` and `nba reorder fit` write; until it is there, affinities say
    nothing. Earlier versions stay beside it
    """


class StageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``[[pipeline]]``. ``settings`` is checked by the stage's own struct."""

    stage: Annotated[str, REQUIRED] = ""
    """name of a stage that a plugin offers (`nba plugin list`)"""
    on_error: OnError | None = None
    """what becomes of a decision when the stage fails: drop what could not be judged, go on with
    priors, go on as if nothing was, or answer UNAVAILABLE
    """
    timeout_ms: Positive | None = None
    """run on a thread of its own and abandon it after this time. Without it the stage runs inline
    """
    time_budget_ms: Positive | None = None
    """a longer run counts as a failure for the breaker"""
    settings: dict[str, Any] = {}
    """the stage's own settings, checked by the stage"""


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a failing stage is no longer called, and for how long."""

    failures: Count = 5
    """failures in a row that open the breaker"""
    open_seconds: Positive = 10.0
    """time until the stage is tried again"""


class SinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[sinks.<id>]``. ``settings`` is checked by the sink's own struct."""

    kind: Annotated[str, REQUIRED] = ""
    """name of a sink that a plugin offers; built in: `"jsonl"`"""
    takes: Annotated[tuple[Topic, ...], Meta(min_length=1)] = ("decisions", "interactions")
    """what it gets. Of interactions, those that were recorded now: no repeats, no imports"""
    queue: Count = 10_000
    """records that may wait for it; further ones are lost"""
    settings: dict[str, Any] = {}
    """the sink's own settings, checked by the sink"""


class ProfileSourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[profile_sources.<id>]``. ``settings`` is checked by the source's own struct."""

    kind: Annotated[str, REQUIRED] = ""
    """name of a profile source that a plugin offers"""
    namespace: Annotated[str, REQUIRED, Written(_namespace, _NAMESPACE)] = ""
    """it knows customers by identities of this namespace: `"crm"` for `crm:42`, of which it gets `42`
    """
    attributes: Annotated[tuple[str, ...], REQUIRED, Meta(min_length=1)] = ()
    """what it supplies: attributes of the catalog, each of one source only. No limit's amount may use
    them
    """
    precedence: Literal["profile", "source"] = "profile"
    """whose value counts where the profile has the attribute, too"""
    timeout_ms: Positive = 50.0
    """how long a decision waits for it; never longer than half of what is left of its deadline"""
    ttl: Annotated[float, DURATION] = 600.0
    """for how long an answer counts as fresh"""
    stale_ttl: Annotated[float, DURATION] = 3600.0
    """for how long after that it is still used, while it is asked again behind the decision"""
    negative_ttl: Annotated[float, DURATION] = 60.0
    """for how long somebody it does not know is not asked for again"""
    max_parallel: Annotated[int, Meta(ge=1, le=64)] = 4
    """calls of it at once, and threads for them"""
    cached: Count = 100_000
    """customers whose answers are kept in memory, in each process; the oldest answers go first"""
    settings: dict[str, Any] = {}
    """the source's own settings, checked by the source"""


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[sources.<id>]``. ``settings`` is checked by the source's own struct."""

    kind: Annotated[str, REQUIRED] = ""
    """name of a source that a plugin offers; built in: `"jsonl"`, `"csv"`"""
    batch: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    """records that are written in one commit, at most"""
    poll_seconds: Positive = 1.0
    """how long it waits when all is read"""
    timeout_seconds: Positive = 60.0
    """a source that does not answer for so long is left, and opened again"""
    rejects: FilePath = Path("data/rejects.jsonl")
    """file with a line for each record that cannot be used: where it is, and why"""
    settings: dict[str, Any] = {}
    """the source's own settings, checked by the source"""


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where what is computed for all customers is computed. ``settings`` is checked by the engine."""

    engine: str = "local"
    """name of a batch engine that a plugin offers; built in: `"local"`"""
    settings: dict[str, Any] = {}
    """the batch engine's own settings, checked by it"""


class PluginSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which plugins may be missing, and which stay off."""

    optional: tuple[str, ...] = ()
    """plugins whose failure to load does not stop the start"""
    disabled: tuple[str, ...] = ()
    """plugins that are not loaded"""


class LoggingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """what is logged"""
    format: Literal["json", "console"] = "json"
    """one JSON object per line, or colored text for people"""


class SecuritySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may reach the server."""

    allow_remote: bool = False
    """permits `server.listen` beyond loopback. The server has no authentication yet: put something in
    front of it
    """


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All of ``nba.toml``, with defaults filled in and paths made absolute."""

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    retention: RetentionSettings = RetentionSettings()
    catalog: CatalogSettings = CatalogSettings()
    models: dict[str, ModelSource] = {}
    """name → folder with a model's `manifest.toml`; `"registry:<name>"` for the version that is
    promoted, `"registry:<name>@<version>"` for that one; or `"plugin:<name>"` for one a plugin offers
    """
    registry: RegistrySettings = RegistrySettings()
    tables: dict[str, FilePath] = {}
    """name → file of a complement table (`.npz`)"""
    affinities: AffinitySettings = AffinitySettings()
    pipeline: tuple[StageSettings, ...] = ()
    """the stages of a decision, in their order"""
    breaker: BreakerSettings = BreakerSettings()
    sinks: dict[str, SinkSettings] = {}
    """id → where copies of decisions and interactions go"""
    sources: dict[str, SourceSettings] = {}
    """id → where interactions and profiles come from, beside the API. `nba serve` reads them"""
    profile_sources: dict[str, ProfileSourceSettings] = {}
    """id → where further attributes of customers come from"""
    batch: BatchSettings = BatchSettings()
    plugins: PluginSettings = PluginSettings()
    logging: LoggingSettings = LoggingSettings()
    security: SecuritySettings = SecuritySettings()

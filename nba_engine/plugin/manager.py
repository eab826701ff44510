"""Loads plugins one by one, fills the register, and keeps what became of each.

The only user of pluggy. `load_plugins` never raises for a broken plugin: it goes on, so that one
run finds every mistake; `Plugins.require` is what stops the start.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import click
import msgspec
import pluggy

from nba_engine.domain import (
    BatchEngineFactory,
    ChannelFactory,
    ModelFactory,
    ProfileSourceFactory,
    RuleFunction,
    SinkFactory,
    SourceFactory,
    StageFactory,
)
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.plugin import spec
from nba_engine.plugin.markers import PROJECT
from nba_engine.plugin.patience import told_when_slow
from nba_engine.plugin.register import NameTaken, Offers, Register
from nba_engine.plugin.version import DECLARATION, api_problem

__all__ = ["GROUP", "PluginStatus", "Plugins", "load_plugins"]

GROUP = "nba_engine"  # the entry point group

# offering hook → (the offers it fills, the test an offer must pass, what it must be)
_OFFERS: Mapping[str, tuple[Callable[[Register], Offers[Any]], Callable[[object], bool], str]] = {
    "nba_stages": (
        lambda register: register.stages,
        lambda thing: isinstance(thing, StageFactory),
        "a StageFactory",
    ),
    "nba_channels": (
        lambda register: register.channels,
        lambda thing: isinstance(thing, ChannelFactory),
        "a ChannelFactory",
    ),
    "nba_stores": (lambda register: register.stores, callable, "a function that opens a store"),
    "nba_model_runtimes": (
        lambda register: register.model_runtimes,
        callable,
        "a function that makes a model runtime",
    ),
    "nba_models": (
        lambda register: register.models,
        lambda thing: (
            isinstance(thing, ModelFactory) or (isinstance(thing, Path) and thing.is_absolute())
        ),
        "a ModelFactory or the absolute path of a model's folder",
    ),
    "nba_rule_functions": (
        lambda register: register.rule_functions,
        lambda thing: isinstance(thing, RuleFunction),
        "a RuleFunction",
    ),
    "nba_sinks": (
        lambda register: register.sinks,
        lambda thing: isinstance(thing, SinkFactory),
        "a SinkFactory",
    ),
    "nba_sources": (
        lambda register: register.sources,
        lambda thing: isinstance(thing, SourceFactory),
        "a SourceFactory",
    ),
    "nba_profile_sources": (
        lambda register: register.profile_sources,
        lambda thing: isinstance(thing, ProfileSourceFactory),
        "a ProfileSourceFactory",
    ),
    "nba_batch_engines": (
        lambda register: register.batch_engines,
        lambda thing: isinstance(thing, BatchEngineFactory),
        "a BatchEngineFactory",
    ),
}


class PluginStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one plugin. ``problem`` says why it was not loaded ("" when it was)."""

    name: str
    distribution: str
    version: str
    api: str = ""  # the version of the plugin API that it was made for
    hooks: tuple[str, ...] = ()
    loaded: bool = False
    problem: str = ""


class Plugins:
    """The plugin manager of one start: the filled register, a status per plugin, the mistakes."""

    def __init__(self, *, optional: Collection[str] = (), disabled: Collection[str] = ()) -> None:
        self.register = Register()
        self.statuses: list[PluginStatus] = []
        self.mistakes: list[Mistake] = []
        self._optional = frozenset(optional)
        self._disabled = frozenset(disabled)
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(spec)

    def require(self) -> Register:
        """The register. Raises `MistakesFound` when a plugin that is not optional is broken."""
        if self.mistakes:
            raise MistakesFound(self.mistakes)
        return self.register

    def plugin(self, name: str) -> object:
        """What the entry point of a loaded plugin leads to. Raises `KeyError`."""
        plugin = self._pluggy.get_plugin(name)
        if plugin is None:
            raise KeyError(name)
        return plugin

    def add(
        self,
        name: str,
        load: Callable[[], object],
        *,
        distribution: str = "nba-engine",
        version: str = "",
    ) -> None:
        """Load one plugin and call its hooks; whatever goes wrong ends up in its status."""
        status = PluginStatus(name=name, distribution=distribution, version=version)
        if name in self._disabled:
            problem = "disabled in the settings"
            self.statuses.append(msgspec.structs.replace(status, problem=problem))
            return
        try:
            plugin = self._registered(name, load, distribution)
            status = msgspec.structs.replace(
                status, api=getattr(plugin, DECLARATION), hooks=self._hooks(name)
            )
            self._call_hooks(name, plugin)
        except _Broken as broken:
            self._reject(status, str(broken), broken.remedy)
        else:
            self.statuses.append(msgspec.structs.replace(status, loaded=True))

    def _registered(self, name: str, load: Callable[[], object], distribution: str) -> object:
        taken = next((s for s in self.statuses if s.name == name and s.loaded), None)
        if taken is not None:
            raise _Broken(
                f"two plugins are named {name!r}: one of {taken.distribution}, "
                f"one of {distribution}",
                remedy="rename one of them or uninstall its distribution",
            )
        try:
            with told_when_slow(f"importing plugin {name!r} of {distribution}"):
                plugin = load()
        except (Exception, SystemExit) as error:
            raise _Broken(f"it cannot be imported: {_told(error)}") from error
        if plugin is None:
            raise _Broken("its entry point leads to None")
        problem, remedy = api_problem(plugin)
        if problem:
            raise _Broken(problem, remedy=remedy)
        try:
            self._pluggy.register(plugin, name)
            self._pluggy.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            hint = self._misspelt(name)
            self._unregister(name)
            raise _Broken(hint or " ".join(str(error).split())) from error
        if not self._hooks(name):
            self._unregister(name)
            raise _Broken(
                f"its entry point leads to {plugin!r:.80}, which implements no hook",
                remedy="mark its hooks with nba_engine.plugin.hookimpl",
            )
        return plugin

    def _misspelt(self, name: str) -> str:
        """Names the hook that does not exist, with the one that was probably meant."""
        known = [n for n in spec.__all__ if n.startswith("nba_")]
        for hook in self._hooks(name):
            if hook not in known:
                close = difflib.get_close_matches(hook, known, n=1)
                return f"there is no hook {hook!r}" + (
                    f"; did you mean {close[0]!r}?" * bool(close)
                )
        return ""

    def _hooks(self, name: str) -> tuple[str, ...]:
        plugin = self._pluggy.get_plugin(name)
        callers = self._pluggy.get_hookcallers(plugin) if plugin is not None else None
        return tuple(sorted(caller.name for caller in callers or ()))

    def _call_hooks(self, name: str, plugin: object) -> None:
        """Call the plugin's hooks and take what they offer; a broken one is forgotten whole."""
        try:
            for caller in self._pluggy.get_hookcallers(plugin) or ():
                for impl in caller.get_hookimpls():
                    if impl.plugin is plugin:
                        self._call(name, caller.name, impl)
        except _Broken:
            self.register.withdraw(name)
            self._unregister(name)
            raise

    def _call(self, name: str, hook: str, impl: pluggy.HookImpl) -> None:
        if impl.wrapper or impl.hookwrapper:
            raise _Broken(f"{hook} is a wrapper; hooks of this project cannot be wrapped")
        group = click.Group(name)
        arguments = {"commands": group}
        try:
            with told_when_slow(f"calling {hook} of plugin {name!r}"):
                result = impl.function(*(arguments[argument] for argument in impl.argnames))
        except (Exception, SystemExit) as error:
            raise _Broken(f"{hook} failed: {_told(error)}") from error
        try:
            if hook == "nba_commands":
                for command_name, command in group.commands.items():
                    self.register.commands.add(command_name, command, name)
            else:
                self._take(name, hook, result)
        except NameTaken as error:
            remedy = "disable one of the two under [plugins] disabled"
            raise _Broken(str(error), remedy=remedy) from error

    def _take(self, name: str, hook: str, result: object) -> None:
        offers, fits, expected = _OFFERS[hook]
        if not isinstance(result, Mapping):
            raise _Broken(f"{hook} returned {type(result).__name__}, not a mapping of names")
        for offered, thing in result.items():
            if not isinstance(offered, str) or not fits(thing):
                raise _Broken(f"{hook} offers {offered!r}, which is not {expected}")
            offers(self.register).add(offered, thing, name)

    def _unregister(self, name: str) -> None:
        if self._pluggy.has_plugin(name):
            self._pluggy.unregister(name=name)

    def _reject(self, status: PluginStatus, problem: str, remedy: str) -> None:
        self.statuses.append(msgspec.structs.replace(status, problem=problem))
        if status.name not in self._optional:
            self.mistakes.append(
                Mistake(
                    file=f"plugin {status.name}",
                    place=f"{status.distribution} {status.version}".strip(),
                    message=problem,
                    remedy=remedy
                    or f'mend it, uninstall it, or list "{status.name}" under [plugins] disabled',
                )
            )


def load_plugins(
    builtins: Mapping[str, object],
    *,
    optional: Collection[str] = (),
    disabled: Collection[str] = (),
    version: str = "",
) -> Plugins:
    """Load the built-in plugins, then those installed under the entry point group `GROUP`.

    ``optional`` ones may be broken or absent; ``disabled`` ones are not even imported.
    """
    plugins = Plugins(optional=optional, disabled=disabled)
    for name, plugin in builtins.items():
        plugins.add(name, lambda plugin=plugin: plugin, version=version)  # type: ignore[misc]
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        _add_entry_point(plugins, point)
    known = [status.name for status in plugins.statuses]
    for name in sorted(set(disabled) - set(known)):
        close = difflib.get_close_matches(name, known, n=1)
        plugins.mistakes.append(
            Mistake(
                file="nba.toml",
                place="plugins.disabled",
                message=f"there is no plugin {name!r}",
                remedy=f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(known)}",
            )
        )
    return plugins


def _add_entry_point(plugins: Plugins, point: EntryPoint) -> None:
    dist = point.dist
    plugins.add(
        point.name,
        point.load,
        distribution=dist.name if dist is not None else "an unknown distribution",
        version=dist.version if dist is not None else "",
    )


class _Broken(Exception):
    """Why a plugin cannot be used."""

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem)
        self.remedy = remedy


def _told(error: BaseException) -> str:
    """The error and the innermost place it came from, on one line."""
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    where = f" (at {frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {_first_line(error)}{where}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message"

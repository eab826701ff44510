"""Packages made from templates: what kinds there are, which names will do, what is written.

The templates are the files under ``nba_engine/scaffold``: those of ``shared`` and those of the
kind, `string.Template` text with the suffix ``.tmpl``; the folder ``PACKAGE`` takes the package's
name. Everything is rendered before anything is written.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import msgspec

from nba_engine import __version__
from nba_engine.errors import FailedPrecondition, InvalidRequest, Violation
from nba_engine.plugin import API_VERSION, Plugins

__all__ = ["KINDS", "Kind", "Names", "names_of", "new_package"]

_PREFIX = "nba-"
_PEP_508 = re.compile(r"[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?", re.IGNORECASE | re.ASCII)
_LONGEST = 60
# words that CEL keeps to itself: a rule could not call a function of that name
_CEL = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import"),
        *("in", "let", "loop", "package", "namespace", "null", "return", "true", "var", "void"),
        "while",
    )
)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of plugin: in words, its module, and where the register has its names."""

    name: str
    summary: str
    module: str
    register: str


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="stage",
            summary="A stage that boosts or drops what is tagged",
            module="stage",
            register="stages",
        ),
        Kind(
            name="channel",
            summary="A channel of short plain texts",
            module="channel",
            register="channels",
        ),
        Kind(
            name="model",
            summary="A model of what a customer buys again",
            module="model",
            register="models",
        ),
        Kind(
            name="model-runtime",
            summary="A runtime for logistic models in JSON files",
            module="runtime",
            register="model_runtimes",
        ),
        Kind(
            name="store",
            summary="The embedded store, with a file of what was granted",
            module="store",
            register="stores",
        ),
        Kind(
            name="sink",
            summary="A sink that writes decisions and interactions to a CSV file",
            module="sink",
            register="sinks",
        ),
        Kind(
            name="profile-source",
            summary="A profile source over a table in nba.toml",
            module="source",
            register="profile_sources",
        ),
        Kind(
            name="source",
            summary="A source of interactions in an SQLite table",
            module="source",
            register="sources",
        ),
        Kind(
            name="batch-engine",
            summary="The built-in batch engine, with a file of how long each pass took",
            module="engine",
            register="batch_engines",
        ),
        Kind(
            name="rule-function",
            summary="A rule function: kilometers between two places",
            module="function",
            register="rule_functions",
        ),
    )
}


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin is called: ``nba-store-hours``, ``nba_store_hours``, ``store_hours``."""

    distribution: str  # what pip installs
    package: str  # what Python imports
    plugin: str  # what nba.toml and the catalog name


def names_of(text: str) -> Names:
    """The names behind what a user typed; the plugin's own is without ``nba-``.

    Raises `InvalidRequest` with one sentence.
    """
    if not _PEP_508.fullmatch(text):
        raise _refused(f"{text!r} cannot name a package: use letters, digits and hyphens")
    if len(text) > _LONGEST:
        raise _refused(f"the name has {len(text)} characters, of {_LONGEST} at most")
    distribution = re.sub(r"[-_.]+", "-", text).lower()  # PEP 503
    package = distribution.replace("-", "_")
    plugin = distribution.removeprefix(_PREFIX).replace("-", "_")
    for name, what in ((package, "Python"), (plugin, "nba.toml and rules")):
        taken = keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _CEL
        if taken or not name.isidentifier():
            raise _refused(f"{name!r} cannot be a name in {what}; choose another one")
    if package == "nba_engine" or package in sys.stdlib_module_names:
        raise _refused(f"there is a package {package!r} already; choose another name")
    if importlib.util.find_spec(package) is not None:
        raise _refused(f"a package {package!r} is installed already; choose another name")
    return Names(distribution=distribution, package=package, plugin=plugin)


def new_package(names: Names, kind: Kind, folder: Path, installed: Plugins) -> str:
    """Write the package into ``folder``; its settings and catalog snippets, as Markdown.

    Raises `FailedPrecondition` when the folder has files in it, or when an installed plugin is
    called like this one or offers what it would offer; then nothing is written.
    """
    for status in installed.statuses:
        if status.name == names.plugin:
            raise FailedPrecondition(
                f"{status.distribution} has a plugin {names.plugin!r} already; choose another name"
            )
    offers = getattr(installed.register, kind.register)
    if names.plugin in offers:
        raise FailedPrecondition(
            f"the plugin {offers.plugin(names.plugin)!r} offers a {offers.kind} {names.plugin!r} "
            "already; choose another name"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FailedPrecondition(f"{folder} is there already; nothing was written")
    words = {
        "api": API_VERSION,
        "distribution": names.distribution,
        "dollar": "$",
        "engine": __version__,
        "kind": kind.name,
        "module": kind.module,
        "name": names.plugin,
        "package": names.package,
        "summary": kind.summary,
        "title": "".join(word.capitalize() for word in names.plugin.split("_")),
    }
    templates = importlib.resources.files("nba_engine") / "scaffold"
    words["usage"] = Template(
        (templates / kind.name / "usage.md.tmpl").read_text("utf-8")
    ).substitute(words)
    rendered = {
        path.replace("PACKAGE", names.package): Template(text).substitute(words)
        for root in ("shared", kind.name)
        for path, text in _texts(templates / root, "")
    }
    del rendered["usage.md"]
    for path, text in rendered.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return words["usage"]


def _texts(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    """Every template below a folder: the path of the file it makes, and its text."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _texts(entry, f"{path}{entry.name}/")
        elif entry.name.endswith(".tmpl"):
            name = entry.name.removesuffix(".tmpl").replace("gitignore", ".gitignore")
            yield f"{path}{name}", entry.read_text("utf-8")


def _refused(description: str) -> InvalidRequest:
    return InvalidRequest([Violation(field="NAME", description=description)])

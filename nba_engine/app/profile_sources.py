"""``[profile_sources]``: what is wrong with them, and the sources that they describe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nba_engine.domain import CatalogView, ProfileSource, Store
from nba_engine.engine.profile_sources import (
    Asking,
    Memory,
    ProfileSources,
    SourceInUse,
    Whose,
)
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.pipeline import Breaker
from nba_engine.plugin import Register, told_when_slow
from nba_engine.settings import (
    BreakerSettings,
    ProfileSourceSettings,
    Settings,
    convert,
    join,
    suggest,
)

__all__ = ["open_profile_sources", "source_mistakes", "supplied_mistakes"]


def source_mistakes(settings: Settings, register: Register, file: str) -> list[Mistake]:
    """Every mistake under ``[profile_sources]`` that no catalog is needed for."""
    mistakes = [mistake for _, _, found in _read(settings, register, file) for mistake in found]
    supplier: dict[str, str] = {}
    for name, wanted in settings.profile_sources.items():
        for number, attribute in enumerate(wanted.attributes):
            other = supplier.setdefault(attribute, name)
            place = f"{join('profile_sources', name)}.attributes[{number}]"
            if other != name:
                message = f"{attribute!r} is also supplied by the source {other!r}"
                remedy = "an attribute has one source: remove it from one of them"
                mistakes.append(Mistake(file=file, place=place, message=message, remedy=remedy))
    return mistakes


def supplied_mistakes(settings: Settings, catalog: CatalogView, file: str) -> list[Mistake]:
    """Attributes that the catalog does not declare, and limits that would depend on a source."""
    mistakes: list[Mistake] = []
    for name, wanted in settings.profile_sources.items():
        for number, attribute in enumerate(wanted.attributes):
            place = f"{join('profile_sources', name)}.attributes[{number}]"
            if attribute not in catalog.attributes:
                message = f"the catalog declares no attribute {attribute!r}"
                remedy = suggest(attribute, catalog.attributes, "attributes")
                mistakes.append(Mistake(file=file, place=place, message=message, remedy=remedy))
            for limit in catalog.limits:
                if not isinstance(limit.amount, float | int) and re.search(
                    rf"\b{re.escape(attribute)}\b", limit.amount.text
                ):
                    message = f"the amount of limit {limit.id!r} depends on {attribute!r}"
                    remedy = "limits hold by what the store knows: keep it in the profile instead"
                    mistakes.append(Mistake(file=file, place=place, message=message, remedy=remedy))
    return mistakes


def open_profile_sources(
    settings: Settings, register: Register, store: Store, folder: Path, file: str
) -> ProfileSources | None:
    """Build every source; None when there are none. Raises `MistakesFound`; none stays open then."""
    if not settings.profile_sources:
        return None
    opened: list[SourceInUse] = []
    try:
        for name, own, mistakes in _read(settings, register, file):
            if own is None or mistakes:
                raise MistakesFound(mistakes)
            wanted = settings.profile_sources[name]
            source = _build(name, wanted.kind, register, own, folder, file)
            opened.append(_in_use(name, wanted, source, settings.breaker))
    except BaseException:
        for each in opened:
            each.asking.close()
        raise
    return ProfileSources(opened, store)


def _read(
    settings: Settings, register: Register, file: str
) -> Iterator[tuple[str, msgspec.Struct | None, list[Mistake]]]:
    for name, wanted in settings.profile_sources.items():
        place = join("profile_sources", name)
        factory = register.profile_sources.get(wanted.kind)
        if factory is not None:
            own, mistakes = convert(wanted.settings, factory.settings, file, f"{place}.settings")
            yield name, own, mistakes
        elif wanted.kind:  # without one, that is told
            message = f"no plugin offers a profile source {wanted.kind!r}"
            remedy = suggest(wanted.kind, register.profile_sources, "profile sources")
            wrong = Mistake(file=file, place=f"{place}.kind", message=message, remedy=remedy)
            yield name, None, [wrong]


def _build(
    name: str, kind: str, register: Register, own: msgspec.Struct, folder: Path, file: str
) -> ProfileSource:
    place = join("profile_sources", name)
    try:
        with told_when_slow(f"opening profile source {name!r}"):
            return register.profile_sources[kind].build(own, folder)
    except MistakesFound as found:  # the plugin names its settings, not where they are written
        raise MistakesFound(
            [
                msgspec.structs.replace(one, file=file, place=f"{place}.settings.{one.place}")
                for one in found.mistakes
            ]
        ) from None
    except (Exception, SystemExit) as error:
        # without its text: settings of a source hold passwords
        message = (
            f"profile source {kind!r} of plugin {register.profile_sources.plugin(kind)!r} could "
            f"not be opened: {type(error).__name__}"
        )
        raise MistakesFound([Mistake(file=file, place=place, message=message)]) from error


def _in_use(
    name: str, wanted: ProfileSourceSettings, source: ProfileSource, breaker: BreakerSettings
) -> SourceInUse:
    return SourceInUse(
        name=name,
        namespace=wanted.namespace,
        attributes=wanted.attributes,
        overrides=wanted.precedence == "source",
        whose=Whose(wanted.namespace, most=wanted.cached, seconds=wanted.ttl),
        asking=Asking(
            name,
            source,
            memory=Memory(
                most=wanted.cached,
                ttl=wanted.ttl,
                stale_ttl=wanted.stale_ttl,
                negative_ttl=wanted.negative_ttl,
            ),
            breaker=Breaker(breaker.failures, breaker.open_seconds),
            timeout=wanted.timeout_ms / 1000,
            max_parallel=wanted.max_parallel,
        ),
    )

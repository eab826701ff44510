"""Whatever is written into a catalog: it loads, or it tells its mistakes; nothing else."""

from __future__ import annotations

import copy
import datetime as dt
import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nba_engine.catalog import Vocabulary
from nba_engine.catalog.findings import Findings
from nba_engine.catalog.load import load
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.settings import Settings, convert, join

JUNK: list[Any] = [
    0,
    -1,
    10**20,
    1.5,
    float("nan"),
    float("-inf"),
    True,
    "",
    "x",
    "customer.age",
    "nothing",
    "7d",
    "a.b:c\n\"'",
    [],
    [[]],
    ["x", 1],
    {},
    {"": {}},
    {"x": {"channel": "email"}},
    dt.date(1, 1, 1),
    dt.date(9999, 12, 31),
    dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-12))),
    dt.time(3),
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside nested tables and lists."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def written(value: Any) -> str:
    """A value as inline TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{join('', k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return value.isoformat() if isinstance(value, dt.date | dt.time) else repr(value)


def mistakes_of(files: dict[str, str]) -> tuple[Mistake, ...]:
    """What is wrong with a catalog; any other error gets out."""
    try:
        load(files, Vocabulary(channel_kinds=frozenset({"template"})))
    except MistakesFound as found:
        return found.mistakes or (Mistake(file="", place="", message=""),)
    return ()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_catalog_loads_or_tells_its_mistakes(
    shop: dict[str, str], data: st.DataObject
) -> None:
    tables = tomllib.loads("\n".join(shop.values()))
    for _ in range(data.draw(st.integers(1, 4))):
        *way, last = data.draw(st.sampled_from(list(paths(tables))))
        target = tables
        for step in way:
            target = target[step]
        if data.draw(st.booleans()):
            target[last] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
        elif isinstance(target, dict):
            target[data.draw(st.sampled_from(["", "x", "a b", "if", "name"]))] = target.pop(last)
    text = "\n".join(f"{join('', key)} = {written(value)}" for key, value in tables.items())
    mistakes = mistakes_of({"all.toml": text})
    assert all(mistake.message and mistake.file for mistake in mistakes)


@given(
    st.dictionaries(
        st.sampled_from(["server", "store", "pipeline", "models", "plugins", "x"]),
        st.sampled_from(JUNK)
        | st.dictionaries(
            st.sampled_from(["listen", "threads", "url", "stage", "settings", "optional"]),
            st.sampled_from(JUNK),
        ),
    )
)
def test_damaged_settings_are_told(raw: dict[str, Any]) -> None:
    value, mistakes = convert(raw, Settings, "nba.toml", "")
    assert (value is None) == bool(mistakes)


def test_the_same_mistake_is_noted_once_on_request() -> None:
    findings = Findings()
    findings.mistake("f", "a.b", "first")
    findings.mistake("f", "a", "second", once=True)
    findings.mistake("g", "a", "third", once=True)
    assert [mistake.message for mistake in findings.mistakes] == ["first", "third"]

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, cast

import pytest

from nba_engine.domain import ProfileUpdate, Store
from nba_engine.store import WrappedStore, open_store

VERBS = [
    name for name, member in vars(Store).items() if inspect.isfunction(member) and name[0] != "_"
]


class Noting:
    """Notes what it is asked to do, and answers with the verb."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, verb: str) -> Any:
        def note(*arguments: Any, **named: Any) -> str:
            self.asked.append((verb, arguments, named))
            return verb

        return note


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_protocol_is_handed_on_with_all_its_arguments(verb: str) -> None:
    inner = Noting()
    wrapped: Store = WrappedStore(cast("Store", inner))
    method = getattr(wrapped, verb)
    wanted = inspect.signature(getattr(Store, verb)).parameters.values()
    assert [str(p) for p in inspect.signature(method).parameters.values()] == [
        str(p) for p in wanted if p.name != "self"
    ]
    parameters = inspect.signature(method).parameters.values()
    positional = [object() for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = {p.name: object() for p in parameters if p.kind is p.KEYWORD_ONLY}
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    answer = method(*positional, **named)
    ((asked, arguments, more),) = inner.asked
    given = dict(zip(names, arguments, strict=False)) | more
    assert (asked, given) == (verb, dict(zip(names, positional, strict=True)) | named)
    returns = inspect.signature(getattr(Store, verb)).return_annotation
    assert answer == (None if returns == "None" else verb)


def test_the_store_inside_is_there_for_what_is_added(tmp_path: Path) -> None:
    class Counting(WrappedStore):
        updates = 0

        def update(self, updates: Any) -> Any:
            self.updates += len(updates)
            return super().update(updates)

    store = Counting(open_store(tmp_path / "nba.db", simulated=True))
    store.update([ProfileUpdate(identity="crm:1", attributes={"age": 41})])
    found = store.customer("crm:1")
    assert found is not None
    assert (found[0].attributes, store.updates, store.simulated) == ({"age": 41}, 1, True)
    store.close()
    store.close()

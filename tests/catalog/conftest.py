from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nba_engine.catalog import Catalog, Vocabulary, load, read_folder
from nba_engine.errors import Mistake, MistakesFound

DATA = Path(__file__).parent / "data"

Load = Callable[[Mapping[str, str]], Catalog]
Mistakes = Callable[[Mapping[str, str]], tuple[Mistake, ...]]


@pytest.fixture(scope="session")
def shop() -> dict[str, str]:
    """A small but complete catalog."""
    return read_folder(DATA / "shop")


@pytest.fixture(scope="session")
def catalog(shop: dict[str, str]) -> Catalog:
    return load(shop, Vocabulary())


@pytest.fixture
def mistakes() -> Mistakes:
    """What is found wrong with files."""

    def find(files: Mapping[str, str]) -> tuple[Mistake, ...]:
        with pytest.raises(MistakesFound) as found:
            load(files, Vocabulary(channel_kinds=frozenset({"template"})))
        return found.value.mistakes

    return find

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nba_engine.errors import MistakesFound
from nba_engine.models import CsrTable, load_table, save_table

GOOD: dict[str, Any] = {
    "items": np.array(["milk", "cereal", "soap"]),
    "indptr": np.array([0, 2, 3, 3]),
    "indices": np.array([2, 1, 0]),
    "strength": np.array([0.1, 0.7, 0.5]),
}


def test_a_table_survives_saving_and_loading(tmp_path: Path) -> None:
    table = CsrTable(**{name: GOOD[name] for name in GOOD})
    save_table(tmp_path / "t.npz", table)
    again = load_table(tmp_path / "t.npz")
    assert list(again.items) == ["milk", "cereal", "soap"]
    assert list(again.complements("milk").items()) == [("cereal", 0.7), ("soap", 0.1)]
    assert dict(again.complements("soap")) == {}
    assert dict(again.complements("unknown")) == {}
    assert [file.name for file in tmp_path.iterdir()] == ["t.npz"]


def test_a_cart_sums_the_strengths_of_its_distinct_items() -> None:
    table = CsrTable(["a", "b", "c"], [0, 1, 2, 2], [2, 2], [0.25, 0.5])
    assert table.strengths(["a", "b", "a", "unknown"]) == {"c": 0.75}
    assert table.strengths([]) == {}


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    save_table(tmp_path / "t.npz", CsrTable([], [0], [], []))
    assert list(load_table(tmp_path / "t.npz").items) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"items": np.array(["milk", "milk", "soap"])}, "a name occurs twice"),
        ({"items": np.array([1, 2, 3])}, "items: holds int64 in 1 dimensions"),
        ({"indptr": np.array([0, 2, 1, 3])}, "indptr: must rise"),
        ({"indptr": np.array([0, 3])}, "indptr: must rise"),
        ({"indptr": np.array([0, 2, 3, 4])}, "last entry must be the number of indices"),
        ({"indptr": np.array([], dtype=int)}, "indptr: must rise"),
        ({"indices": np.array([2, 1, 7])}, "point outside of items"),
        ({"indices": np.array([2, 2, 0])}, "same complement twice"),
        ({"indices": np.array([2, 1])}, "equally long"),
        ({"strength": np.array([0.1, 0.7, -0.5])}, "strength: must be finite and above 0"),
        ({"strength": np.array([0.1, 0.7, np.nan])}, "strength: must be finite and above 0"),
        ({"strength": np.array([[0.1, 0.7, 0.5]])}, "strength: holds float64 in 2 dimensions"),
        ({"strength": np.array(["a", "b", "c"])}, "strength: holds <U1"),
    ],
)
def test_every_flaw_of_a_table_is_named(
    tmp_path: Path, changes: dict[str, np.ndarray], says: str
) -> None:
    file = tmp_path / "t.npz"
    np.savez(file, **(GOOD | changes))
    with pytest.raises(MistakesFound) as caught:
        load_table(file)
    assert says in str(caught.value)
    assert caught.value.mistakes[0].file == str(file)
    assert "save_table" in caught.value.mistakes[0].remedy


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    missing, cut, text = tmp_path / "missing.npz", tmp_path / "cut.npz", tmp_path / "text.npz"
    save_table(cut, CsrTable(**GOOD))
    cut.write_bytes(cut.read_bytes()[:-40])
    text.write_text("items = [1]")
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, **(GOOD | {"items": np.array([{"a": 1}], dtype=object)}))
    plain = tmp_path / "plain.npz"
    with plain.open("wb") as file:
        np.save(file, np.ones(3))
    lacking = tmp_path / "lacking.npz"
    np.savez(lacking, items=GOOD["items"])
    empty = tmp_path / "empty.npz"
    empty.touch()
    for path in (missing, cut, text, pickled, plain, lacking, empty, tmp_path):
        with pytest.raises(MistakesFound) as caught:
            load_table(path)
        assert len(caught.value.mistakes) == 1
        assert str(path) in str(caught.value)

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nba_engine.errors import FailedPrecondition, NbaError
from nba_engine.learning.training import Options, examples_of_table, export, train
from nba_engine.models import OnnxRuntime, open_scorer, predict_columns
from nba_engine.testing import NOW, make_catalog

HEADINGS = ("day", "bought", "age", "basket value", "since", "color", "offer", "note")


def made(rows: int = 1_500) -> list[dict[str, Any]]:
    random = np.random.default_rng(5)
    made_up = []
    for row in range(rows):
        age, color = int(random.integers(18, 80)), random.choice(["red", "green", "blue", ""])
        value: Any = "" if random.random() < 0.2 else round(float(random.exponential(20)), 2)
        logit = 0.06 * (age - 45) + 1.5 * (color == "red") - (0.05 * value if value else 0) - 0.5
        made_up.append(
            {
                "day": f"2025-{1 + row * 12 // rows:02}-{1 + row % 28:02}",
                "bought": "yes" if random.random() < 1 / (1 + np.exp(-logit)) else "no",
                "age": age,
                "basket value": value,
                "since": f"2024-{1 + row % 12:02}-01",
                "color": color,
                "offer": random.choice(["bread", "wine"]),
                "note": f"free text {row}",
            }
        )
    return sorted(made_up, key=lambda one: one["day"])


def written(file: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {
        name: [None if row[name] == "" else row[name] for row in rows]
        for name in ("age", "basket value", "color", "offer")
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    examples = examples_of_table(
        written(folder / "visits.csv", made()), label="bought", time="day", action="offer"
    )
    export(
        train(examples, Options(model="logistic", threads=1)),
        folder / "model",
        name="propensity",
        label="bought",
    )
    return folder / "model"


def test_kinds_are_inferred_and_gaps_and_categories_kept(tmp_path: Path) -> None:
    examples = examples_of_table(
        written(tmp_path / "visits.csv", made(300)), label="bought", time="day", action="offer"
    )
    found = {feature.name: feature for feature in examples.features}
    assert {name: (one.source, one.transform) for name, one in found.items()} == {
        "age": ("customer.age", "none"),
        "basket value": ("customer.basket_value", "none"),
        "since": ("customer.since", "days_since"),
        "color": ("customer.color", "category"),
        "offer": ("action.id", "category"),
    }
    assert set(found["color"].categories) == {"red", "green", "blue"}
    assert examples.actions == ("bread", "wine")
    assert examples.warnings == ("note was left out: 300 different texts are names, no kinds",)


def test_the_model_predicts_plain_columns(model: Path) -> None:
    rows = made()
    found = predict_columns(model, columns_of(rows))
    label = np.array([row["bought"] == "yes" for row in rows])
    assert found[label].mean() > found[~label].mean() + 0.1


def test_a_parquet_file_gives_the_same_examples_as_a_csv_file(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = made(200)
    plain = written(tmp_path / "visits.csv", rows)
    table = pa.table(
        {
            "day": [row["day"] for row in rows],
            "bought": [row["bought"] == "yes" for row in rows],
            "age": [row["age"] for row in rows],
            "basket value": pa.array([row["basket value"] or None for row in rows], pa.float64()),
            "color": [row["color"] for row in rows],
        }
    )
    parquet.write_table(table, tmp_path / "visits.parquet")
    wanted = ("age", "basket value", "color")
    one, other = (
        examples_of_table(path, label="bought", time="day", features=wanted)
        for path in (plain, tmp_path / "visits.parquet")
    )
    assert one.features == other.features
    assert np.array_equal(one.rows, other.rows)
    assert np.array_equal(one.label, other.label)


def test_a_catalog_that_declares_the_columns_serves_the_same_numbers(model: Path) -> None:
    declared = {"basket_value": "double", "since": "timestamp", "color": "string"}
    catalog = make_catalog(
        attributes={name: {"type": kind} for name, kind in declared.items()},
        actions={"bread": {"treatments_from": "standard"}},
    )
    scorer = open_scorer(model, catalog, {"onnx": OnnxRuntime()}, {})
    asked = [catalog.treatment_index[f"{action}.app"] for action in ("bread", "offer1")]
    person = {"age": 33, "basket_value": 12.5, "since": NOW - 864_000, "color": "red"}
    served = scorer.propensities(np.array(asked), person, {}, NOW)
    columns: dict[str, list[Any]] = {
        "age": [33, 33],
        "basket value": [12.5, 12.5],
        "since": [NOW - 864_000] * 2,
        "color": ["red", "red"],
        "offer": ["bread", None],
    }
    assert served.tolist() == pytest.approx(predict_columns(model, columns, now=NOW).tolist())
    assert served[0] != served[1]


def test_an_unknown_category_is_a_missing_one(model: Path) -> None:
    columns: dict[str, list[Any]] = {
        "age": [40, 40, 40],
        "color": ["purple", None, ""],
        "basket value": [1.0] * 3,
    }
    found = predict_columns(model, columns)
    assert found.tolist() == [found[0]] * 3
    red = predict_columns(model, {"age": [40], "color": ["red"], "basket value": [1.0]})
    assert red[0] > found[0]


def test_a_number_that_is_not_there_differs_from_any_that_is(model: Path) -> None:
    values: list[float | None] = [None, float("nan"), 0.0]
    found = predict_columns(model, {"age": [40] * 3, "basket value": values})
    assert found[0] == found[1] != found[2]


def test_a_table_without_any_known_column_is_refused(model: Path) -> None:
    with pytest.raises(FailedPrecondition, match="none of the model's columns is there: age"):
        predict_columns(model, {"size": [1.0]})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bought": "maybe"}, "column `bought`, row 3: 'maybe' is no label; write 1 for"),
        ({"bought": ""}, "column `bought`, row 3: is empty"),
        ({"day": "last week"}, "column `day`, row 3: cannot read 'last week'"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(
    tmp_path: Path, change: dict[str, str], said: str
) -> None:
    rows = made(10)
    rows[2] |= change
    with pytest.raises(NbaError, match=r"visits\.csv") as caught:
        examples_of_table(written(tmp_path / "visits.csv", rows), label="bought", time="day")
    assert said in caught.value.message


def test_a_label_that_never_changes_is_refused(tmp_path: Path) -> None:
    rows = [row | {"bought": "no"} for row in made(20)]
    with pytest.raises(NbaError, match="every row says 0"):
        examples_of_table(written(tmp_path / "visits.csv", rows), label="bought", time="day")


def test_the_label_cannot_be_a_feature(tmp_path: Path) -> None:
    path = written(tmp_path / "visits.csv", made(20))
    with pytest.raises(NbaError, match="`bought` cannot be a feature"):
        examples_of_table(path, label="bought", time="day", features=("age", "bought"))


def test_what_becomes_known_with_the_outcome_is_suspected(tmp_path: Path) -> None:
    rows = [
        row | {"receipts": int(row["bought"] == "yes"), "state": f"closed: {row['bought']}"}
        for row in made(400)
    ]
    examples = examples_of_table(
        written(tmp_path / "visits.csv", rows),
        label="bought",
        time="day",
        features=("age", "receipts", "color", "state"),
    )
    warnings = train(examples, Options(model="logistic")).warnings
    told = [one.partition(" ")[0] for one in warnings if "the outcome almost by itself" in one]
    assert told == ["receipts", "state"]


def test_actions_with_numbers_for_names_are_names(tmp_path: Path) -> None:
    rows = [row | {"offer": "07" if row["offer"] == "wine" else "12"} for row in made(200)]
    examples = examples_of_table(
        written(tmp_path / "visits.csv", rows), label="bought", time="day", action="offer"
    )
    assert examples.actions == ("07", "12")
    (offer,) = (one for one in examples.features if one.source == "action.id")
    assert (offer.transform, set(offer.categories)) == ("category", {"07", "12"})
    assert not any("offer" in one for one in examples.warnings)


def test_a_cell_that_makes_numbers_a_category_is_told(tmp_path: Path) -> None:
    rows = made(200)
    rows[4]["age"] = "n/a"
    path = written(tmp_path / "visits.csv", rows)
    examples = examples_of_table(path, label="bought", time="day", features=("age", "color"))
    assert examples.warnings == (
        "age was taken for a category; most of it is numbers, 'n/a' is none: mend or empty it",
    )


def test_a_time_after_the_rows_own_is_told(tmp_path: Path) -> None:
    rows = [row | {"since": "2027-01-01" if row["bought"] == "yes" else ""} for row in made(200)]
    path = written(tmp_path / "visits.csv", rows)
    examples = examples_of_table(path, label="bought", time="day", features=("age", "since"))
    assert any(
        "since lies after the row's own time in 100.0% of the rows" in one
        for one in examples.warnings
    )


def test_a_label_that_is_a_number_is_told_as_one(tmp_path: Path) -> None:
    path = written(tmp_path / "visits.csv", made(20))
    with pytest.raises(NbaError, match=r"column `age`, row 1: [0-9.]+ is no label"):
        examples_of_table(path, label="age", time="day")


def test_examples_of_one_moment_cannot_be_split(tmp_path: Path) -> None:
    rows = [row | {"day": "2025-01-01"} for row in made(200)]
    path = written(tmp_path / "visits.csv", rows)
    examples = examples_of_table(path, label="bought", time="day", features=("age",))
    with pytest.raises(FailedPrecondition, match="all examples are of one moment"):
        train(examples, Options(model="logistic"))


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([["a", "b"]] * 300),
        pa.array([[1.0, 2.0]] * 300, type=pa.list_(pa.float64(), 2)),
        pa.array([{"a": 1}] * 300),
        pa.array([b"\xff"] * 300, type=pa.large_binary()),
        pa.array([b"1234"] * 300, type=pa.binary(4)),
    ],
    ids=["list", "fixed size list", "struct", "large binary", "fixed size binary"],
)
def test_columns_of_lists_or_bytes_are_left_out_and_named_ones_are_one_clear_error(
    cells: pa.Array, tmp_path: Path
) -> None:
    rows = made(300)
    columns = {name: [row[name] for row in rows] for name in ("day", "bought", "age")}
    file = tmp_path / "visits.parquet"
    pq.write_table(pa.table({**columns, "tags": cells}), file)
    examples = examples_of_table(file, label="bought", time="day")
    assert [feature.name for feature in examples.features] == ["age"]
    (warning,) = examples.warnings
    assert warning.startswith("tags was left out: its cells hold more than one value, or bytes (")
    with pytest.raises(NbaError, match="column `tags` cannot be a feature: its cells hold more"):
        examples_of_table(file, label="bought", time="day", features=("age", "tags"))
    with pytest.raises(NbaError, match=r"column `tags`: holds .*one number, time or text"):
        examples_of_table(file, label="tags", time="day")

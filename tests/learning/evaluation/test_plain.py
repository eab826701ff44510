"""Picks from anybody's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from nba_engine.errors import NbaError
from nba_engine.learning.evaluation import read_picks

HEADING = "action,reward,propensity,target_probability"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "log.csv"
    path.write_text("\n".join(lines))
    return path


def test_four_columns_are_enough(tmp_path: Path) -> None:
    picks = read_picks(written(tmp_path, HEADING, "a,1,0.5,0.25", "b,0,1,0"))
    assert picks.reward.tolist() == [1.0, 0.0]
    assert picks.decision.tolist() == [0, 1]
    assert picks.customer is None
    assert picks.expected is None


def test_customers_predictions_and_slates_are_read_where_they_are(tmp_path: Path) -> None:
    picks = read_picks(
        written(
            tmp_path,
            f"{HEADING},customer,q_logged,q_target,decision,placement,position",
            "a,1,0.5,0.25,anna,0.1,0.2,d1,home,1",
            "b,0,1,0,anna,0.1,0.2,d1,home,0",
            "c,0,1,0,bob,0.1,0.2,d2,home,0",
        )
    )
    assert picks.customer is not None
    assert picks.customer.tolist() == [0, 0, 1]
    assert picks.decision.tolist() == [0, 0, 1]
    assert picks.expected_target is not None


MISTAKES = [
    (HEADING, "a,1,0,1", "column `propensity`, row 2: 0; it is the probability with which"),
    (HEADING, "a,1,1.2,1", "column `propensity`, row 2: 1.2"),
    (HEADING, "a,1,-0.1,1", "column `propensity`, row 2: -0.1"),
    (HEADING, "a,1,nan,1", "column `propensity`, row 2: nan is no number"),
    (HEADING, "a,1,,1", "column `propensity`, row 2: is empty"),
    (HEADING, "a,1,0.5,-0.1", "column `target_probability`, row 2: -0.1"),
    (HEADING, "a,1,0.5,1.1", "column `target_probability`, row 2: 1.1"),
    (HEADING, "a,inf,0.5,1", "column `reward`, row 2: inf is no number"),
    (f"{HEADING},q_logged", "a,1,0.5,1,1", "it has `q_logged` alone; DR needs"),
    (f"{HEADING},position", "a,1,0.5,1,0", "it has `position` without `decision`"),
]


@pytest.mark.parametrize(("heading", "row", "told"), MISTAKES)
def test_a_mistake_names_column_row_and_remedy(
    tmp_path: Path, heading: str, row: str, told: str
) -> None:
    good = "a,1,0.5,0.5" + ",0" * (heading.count(",") - 3)
    path = written(tmp_path, heading, good, row)
    with pytest.raises(NbaError) as error:
        read_picks(path)
    assert error.value.message.startswith(f"{path}: ")
    assert told in error.value.message


@pytest.mark.parametrize(
    ("positions", "told"),
    [
        (("1", "2"), "row 1: 1 where 0 was due"),
        (("0", "0"), "row 2: 0 where 1 was due"),
        (("0", "2"), "row 2: 2 where 1 was due"),
    ],
    ids=["from 1", "twice", "a gap"],
)
def test_positions_count_from_0_without_gaps(
    tmp_path: Path, positions: tuple[str, str], told: str
) -> None:
    rows = [f"a,1,0.5,0.5,d,{position}" for position in positions]
    with pytest.raises(NbaError, match=told):
        read_picks(written(tmp_path, f"{HEADING},decision,position", *rows))


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(NbaError, match=r"no columns `propensity`, `target_probability`; it has"):
        read_picks(written(tmp_path, "action,reward", "a,1"))

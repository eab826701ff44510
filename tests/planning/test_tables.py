"""Tables that are wrong are told so, with place and remedy; a run that was stopped goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nba_engine.batch import LocalEngine
from nba_engine.errors import NbaError
from nba_engine.planning import PlanOptions, Step
from nba_engine.planning.run import CHECKPOINT, PLAN, SUMMARY, plan_tables
from nba_engine.planning.tables import Changed, read_tables

TABLES = {
    "customers.csv": "customer,budget\nanna,2.00\nben,0.70\ncleo,\n",
    "candidates.csv": (
        "customer,action,treatment,channel,value,cost\n"
        "anna,milk,milk.letter,letter,3.10,0.70\nanna,milk,milk.email,email,1.20,0.02\n"
        "ben,bread,bread.letter,letter,2.00,0.70\nben,bread,bread.email,email,0.80,0.02\n"
        "cleo,milk,milk.letter,letter,1.50,0.70\n"
    ),
    "limits.csv": "limit,amount,measure,channel,period\nletters,2,contacts,letter,\nmoney,1.6,money,,2\n",
    "settings.toml": "periods = 2\nmost_contacts = 2\n",
}


def write(folder: Path, **instead: str) -> Path:
    for name, text in TABLES.items():
        (folder / name).write_text(instead.get(name.partition(".")[0], text))
    return folder


def test_tables_become_contacts_values_and_limits_in_whole_numbers(tmp_path: Path) -> None:
    tables = read_tables(write(tmp_path))
    assert tables.customers.tolist() == ["anna", "ben", "cleo"]
    assert tables.budget.tolist() == [2_000_000, 700_000, np.iinfo(np.int64).max]
    names = [one.treatment for one in tables.problem.names]
    assert tables.values[0, names.index("milk.letter"), 0] == np.float32(3.1)
    assert np.isnan(tables.values[0, names.index("bread.email"), 0])
    letters, money = tables.problem.limits
    assert (letters.amount, money.amount) == (2, 1_600_000)
    assert letters.use[names.index("milk.letter")].tolist() == [1, 1]
    assert money.use[names.index("milk.email")].tolist() == [0, 20_000]


def test_a_limit_may_say_how_much_it_is_at_least(tmp_path: Path) -> None:
    limits = (
        "limit,amount,at_least,measure,action\nfew,2,,contacts,milk\nsome,,1.5,contacts,bread\n"
    )
    few, some = read_tables(write(tmp_path, limits=limits)).problem.limits
    assert (few.floor, few.amount) == (False, 2)
    assert (some.floor, some.amount) == (True, 2)  # one and a half contacts are two


def test_the_values_may_be_a_file(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    there = read_tables(write(tmp_path), work=work)
    here = read_tables(tmp_path)
    assert isinstance(there.values, np.memmap)
    np.testing.assert_array_equal(there.values, here.values)
    assert there.problem.names == here.problem.names


def test_values_may_be_given_by_period(tmp_path: Path) -> None:
    candidates = (
        "customer,action,treatment,value,cost,period\nanna,milk,m,1,0,1\nanna,milk,m,2,0,2\n"
    )
    limits = "limit,amount,measure\nall,5,contacts\n"
    tables = read_tables(write(tmp_path, candidates=candidates, limits=limits))
    assert tables.values[0].tolist() == [[1.0, 2.0]]
    assert np.isnan(tables.values[1:]).all()


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("customers", "ben,0.70", "anna,0.70", "row 2: customer 'anna' was there before"),
        ("customers", "0.70", "-1", "row 2: budget is below 0"),
        ("candidates", "1.50,0.70", "-1.50,0.70", "row 5: value is below 0"),
        ("candidates", "cleo,milk", "dora,milk", "row 5: customer is not in the table"),
        ("candidates", "0.80,0.02\n", "0.80,0.02\nben,bread,bread.email,email,0.8,0.02\n", "row 5"),
        (
            "limits",
            "contacts,letter",
            "letters,letter",
            "measure 'letters'; write contacts or money",
        ),
        ("limits", "contacts,letter", "contacts,fax", "no candidate is counted"),
        ("limits", "money,,2", "money,,3", "period 3 is not 1 to 2"),
        ("limits", "letters,2", "letters,", "neither amount nor at_least"),
        ("settings", "periods = 2", "periods = 0", "periods must be"),
        ("settings", "periods = 2", "period = 2", "docs/plan.md"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, table: str, old: str, new: str, words: str
) -> None:
    whole = {name.partition(".")[0]: text for name, text in TABLES.items()}
    assert old in whole[table]
    with pytest.raises(NbaError, match=words):
        read_tables(write(tmp_path, **{table: whole[table].replace(old, new, 1)}))


def test_a_table_that_is_missing_and_a_limit_that_is_not_there_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(NbaError, match="no limit 'fax'"):
        read_tables(tmp_path, Changed(amounts={"fax": 1.0}))
    (tmp_path / "limits.csv").unlink()
    with pytest.raises(NbaError, match=r"neither limits.parquet nor limits.csv"):
        read_tables(tmp_path)


def test_a_run_that_was_stopped_goes_on_and_finds_the_same_plan(tmp_path: Path) -> None:
    tables = read_tables(write(tmp_path))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    options = PlanOptions(passes=8)

    def stop(step: Step) -> None:
        if step.number == 4:
            raise KeyboardInterrupt

    first = plan_tables(tables, whole, LocalEngine(), options)
    with pytest.raises(KeyboardInterrupt):
        plan_tables(tables, stopped, LocalEngine(), options, stop)
    assert sorted(path.name for path in stopped.iterdir()) == [CHECKPOINT]
    again = plan_tables(tables, stopped, LocalEngine(), options)
    assert (first.resumed, again.resumed) == (False, True)
    assert (again.plan.value, again.plan.bound) == (first.plan.value, first.plan.bound)
    assert sorted(path.name for path in stopped.iterdir()) == [PLAN, SUMMARY]

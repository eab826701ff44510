"""Candidates: columns, drops, and going back."""

from __future__ import annotations

import numpy as np
import pytest

from nba_engine.domain import ByTreatment, Candidates
from nba_engine.errors import StageFailed

NOTHING = np.array([True, False, False, False, False])


def candidates(*index: int, one_place: bool = True) -> Candidates:
    """Candidates for one placement, of a catalog of five treatments; the first is *nothing*."""
    places = np.zeros(len(index), dtype=np.intp)
    made = Candidates(np.array(index, dtype=np.intp), places, NOTHING, one_place=one_place)
    made.stage = "this stage"
    return made


def numbers(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A column."""
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize("listed", [False, True])
def test_a_shared_column_is_read_like_one_of_the_candidates(listed: bool) -> None:
    some = candidates(4, 0, 2)
    cost = numbers(0.0, 0.1, 0.2, 0.3, 0.4)
    if listed:
        some.share_all({"cost": ByTreatment(cost, listed=True)})
    else:
        some.share("cost", cost)
    assert "cost" in some
    assert some["cost"].tolist() == some.columns["cost"].tolist() == [0.4, 0.0, 0.2]
    assert some.number("cost", 2) == 0.2
    assert some.rows([2, 0], {"cost": 0.0, "weight": 1.0}) == [(0.2, 1.0), (0.4, 1.0)]
    some.drop(np.array([True, False, False]), "dear")
    assert some["cost"].tolist() == [0.0, 0.2]
    assert some.drops[0].columns["cost"].tolist() == [0.4]


def test_a_view_of_an_array_that_its_owner_goes_on_writing_into_is_copied() -> None:
    buffer = numbers(0.1, 0.2, 0.3, 0.4)
    some = candidates(4, 0, 2)
    some["propensity"] = buffer[:3]
    buffer[:] = 0.9
    assert some["propensity"].tolist() == [0.1, 0.2, 0.3]


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan, np.inf])
def test_a_propensity_is_a_probability(wrong: float) -> None:
    some = candidates(4, 0, 2)
    with pytest.raises(StageFailed, match=r"outside of \[0, 1\]"):
        some["propensity"] = numbers(0.0, wrong, 1.0)


def test_keeping_a_few_drops_all_others_for_one_reason() -> None:
    some = candidates(4, 0, 2, 1, 3)
    some["score"] = numbers(4.0, 0.5, 2.0, 1.0, 3.0)
    some.stage = "slate"
    some.keep_only([4, 0], "outranked")  # best first is not in order
    assert some.index.tolist() == [4, 3]
    assert some["score"].tolist() == [4.0, 3.0]
    (drop,) = some.drops
    assert (drop.stage, drop.reason, drop.count) == ("slate", "outranked", 3)
    assert drop.index.tolist() == [0, 2, 1]
    assert drop.columns["score"].tolist() == [0.5, 2.0, 1.0]
    assert isinstance(drop.code, np.ndarray)
    assert not drop.code.flags.writeable
    assert not some["score"].flags.writeable


def test_an_assigned_column_replaces_a_shared_one_and_the_other_way_round() -> None:
    some = candidates(1, 2)
    some.share("lever", numbers(1, 1, 1, 1, 1))
    some["lever"] = numbers(2, 3)
    assert some["lever"].tolist() == some.columns["lever"].tolist() == [2.0, 3.0]
    assert some.number("lever", 1) == 3.0
    assert some.rows([1], {"lever": 0.0}) == [(3.0,)]
    some.share("lever", numbers(5, 5, 5, 5, 5))
    assert some["lever"].tolist() == [5.0, 5.0]


def test_a_shared_column_has_a_number_per_treatment() -> None:
    some = candidates(1, 2)
    with pytest.raises(StageFailed, match="5 treatments"):
        some.share("cost", numbers(1, 2))
    with pytest.raises(StageFailed, match="int64"):
        some.share("cost", np.ones(5, dtype=np.int64))
    with pytest.raises(StageFailed, match=r"\(5, 1\)"):
        some.share("cost", np.ones((5, 1)))


def test_a_column_that_nobody_set_is_missing() -> None:
    some = candidates(1, 2)
    with pytest.raises(KeyError):
        some["score"]
    with pytest.raises(KeyError):
        some.number("score", 0)


def test_a_drop_tells_who_fell_out_with_the_columns_of_that_moment() -> None:
    some = candidates(0, 1, 2, 3, one_place=False)
    some["score"] = numbers(0, 1, 2, 3)
    some.drop_each(np.array([0, 2, 1, 2], dtype=np.int8), ("one", "two", "three"))
    some["score"] = numbers(9)
    told = {d.reason: (d.count, d.index.tolist(), d.columns["score"].tolist()) for d in some.drops}
    assert told == {"one": (1, [2], [2.0]), "two": (2, [1, 3], [1.0, 3.0])}
    assert [d.slot.tolist() for d in some.drops] == [[0], [0, 0]]
    assert some.index.tolist() == [0]


def test_a_code_without_a_reason_is_refused() -> None:
    some = candidates(1, 2)
    with pytest.raises(StageFailed, match="1 codes"):
        some.drop_each(np.array([1, 3], dtype=np.int8), ("one", "two"))


def test_nothing_is_spared_unless_the_stage_says_otherwise() -> None:
    some = candidates(0, 1, 2)
    some.drop(np.ones(3, dtype=np.bool_), "no")
    assert some.index.tolist() == [0]
    some.drop(np.ones(1, dtype=np.bool_), "no", spare_nothing=False)
    assert len(some) == 0
    assert [d.count for d in some.drops] == [2, 1]


def test_what_a_drop_was_told_cannot_be_changed_afterwards() -> None:
    some = candidates(1, 2, 3)
    mask = np.array([True, False, False])
    some.drop(mask, "no", spare_nothing=False)
    mask[:] = False
    assert some.drops[0].index.tolist() == [1]
    kept = np.array([False, True])
    some.keep(kept, "no", spare_nothing=False)
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = True
    assert some.drops[1].index.tolist() == [2]
    assert some.index.tolist() == [3]


def test_a_mark_brings_back_drops_and_columns_of_both_kinds() -> None:
    some = candidates(1, 2, 3)
    some["score"] = numbers(1, 2, 3)
    some.share("cost", np.zeros(5))
    mark = some.mark()
    some.share("cost", np.ones(5))
    some.share("lever", np.ones(5))
    some["score"] = numbers(0, 0, 0)
    some.drop(np.array([True, False, False]), "no")
    some.restore(mark)
    assert some.index.tolist() == [1, 2, 3]
    assert sorted(some.columns) == ["cost", "score"]
    assert some["cost"].tolist() == [0.0, 0.0, 0.0]
    assert some["score"].tolist() == [1.0, 2.0, 3.0]
    assert some.drops == []


def test_a_detached_copy_goes_its_own_way() -> None:
    some = candidates(1, 2)
    some.share("cost", np.zeros(5))
    copy = some.detached()
    copy.share("cost", np.ones(5))
    copy.drop(np.array([True, False]), "no")
    assert some["cost"].tolist() == [0.0, 0.0]
    assert some.drops == []


@pytest.mark.parametrize("seed", range(40))
def test_a_bitset_of_the_candidates_changes_nothing_but_the_time(seed: int) -> None:
    draw = np.random.default_rng(seed)
    size = int(draw.integers(1, 40))
    nothing = draw.random(size) < 0.2
    index = (draw.random(size) < 0.7).nonzero()[0]
    places = np.zeros(len(index), np.intp)
    bits = sum(1 << treatment for treatment in index.tolist())
    seen: list[list[object]] = [[], []]
    for units, told in zip((None, bits), seen, strict=True):
        some = Candidates(index, places, nothing, one_place=True, units=units)
        source = np.random.default_rng(seed)
        marks = []
        for step in range(8):
            marks.append(some.mark())
            looks = source.random() < 0.4  # who does not look leaves the index to be gathered later
            number, least = source.random(size), source.random(size)
            if source.random() < 0.2:
                some[f"column{step}"] = number[: len(some)]
            passing = int(source.integers(1 << size)) | int(source.integers(1 << size))
            match source.integers(10):
                case 0:
                    some.keep(least[: len(some)] < 0.8, "kept")
                case 1:
                    some.drop_each((least[: len(some)] >= 0.8).astype(np.int8), ["each"])
                case 2 if len(some) > 1:
                    some.keep_only([0], "few")
                case 3:
                    some.restore(marks[int(source.integers(len(marks)))])
                case 4:
                    some = some.detached()
                case _:
                    some.keep_units(passing, "passing")
            if not looks and step < 7:
                continue
            told.append((some.slot.tolist(), some.index.tolist(), some.nothing.tolist()))
            if some.units is not None:
                assert some.units == sum(1 << treatment for treatment in some.index.tolist())
            told.append({name: column.tolist() for name, column in some.columns.items()})
            for drop in some.drops:
                columns = {name: column.tolist() for name, column in drop.columns.items()}
                told.append(
                    (drop.reason, drop.count, drop.index.tolist(), drop.slot.tolist(), columns)
                )
            assert not some.index.flags.writeable
            assert not some.slot.flags.writeable
    assert seen[0] == seen[1]


def test_the_bitset_is_known_until_somebody_drops_by_position() -> None:
    nothing = np.zeros(9, dtype=np.bool_)
    some = Candidates(
        np.arange(9), np.zeros(9, dtype=np.intp), nothing, one_place=True, units=0b1_1111_1111
    )
    before = some.mark()
    some.keep_units(0b0_1111_0110, "no")
    known = [some.units]
    assert some.drops[0].index.tolist() == [0, 3, 8]
    known.append(some.detached().units)
    some.drop(np.array([True, *[False] * 5]), "by position")
    known.append(some.units)
    some.restore(before)
    known.append(some.units)
    assert known == [0b0_1111_0110, 0b0_1111_0110, None, 0b1_1111_1111]
    assert len(some) == 9

"""What is kept of a source's answers, against a model that keeps everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nba_engine.engine.profile_sources import Kept, Memory

KEYS = ("1", "2", "3", "4", "5", "6")
OLD, NEW = {"age": "int"}, {"age": "int", "city": "string"}

steps = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), st.sampled_from(KEYS), st.booleans(), st.booleans()),
        st.tuples(st.just("look"), st.sampled_from(KEYS), st.booleans()),
        st.tuples(st.just("forget"), st.sets(st.sampled_from(KEYS))),
        st.tuples(st.just("sweep")),
        st.tuples(st.just("pass"), st.sampled_from((0.0, 0.5, 1.0, 2.0, 5.0, 9.0))),
    ),
    max_size=60,
)
spans = st.sampled_from((0.0, 1.0, 3.0, 7.0))


@given(steps, st.integers(1, 4), spans, spans, spans)
def test_it_gives_what_a_list_of_all_answers_would_give(
    steps: list[tuple[object, ...]], most: int, ttl: float, stale: float, negative: float
) -> None:
    now = 100.0
    memory = Memory(most=most, ttl=ttl, stale_ttl=stale, negative_ttl=negative, clock=lambda: now)
    model: list[tuple[str, Kept]] = []  # the oldest answer first, one per customer
    for what, *arguments in steps:
        if what == "pass":
            now += float(str(arguments[0]))
        elif what == "keep":
            key, known, new = str(arguments[0]), arguments[1], arguments[2]
            values = {"age": int(now)} if known else None
            kept = Kept(values=values, time=now, at=now, wanted=NEW if new else OLD)
            memory.keep(key, kept)
            model = [*((k, v) for k, v in model if k != key), (key, kept)][-most:]
        elif what == "forget":
            gone = arguments[0]
            assert isinstance(gone, set)
            memory.forget(gone)
            model = [(k, v) for k, v in model if k not in gone]
        elif what == "sweep":
            longest = max(ttl + stale, negative)
            left = [(k, v) for k, v in model if now - v.at < longest]
            assert memory.sweep() == len(model) - len(left)
            model = left
        else:
            key, wanted = str(arguments[0]), dict(NEW if arguments[1] else OLD)
            found = dict(model).get(key)
            usable, fresh = False, False
            if found is not None and found.wanted == wanted:
                age = now - found.at
                fresh = age < (negative if found.values is None else ttl)
                usable = fresh or (found.values is not None and age < ttl + stale)
            assert memory.look(key, wanted) == (found if usable else None, fresh)
        assert len(memory) == len(model) <= most


def test_what_is_too_old_does_not_stay_in_memory_for_long() -> None:
    now = 0.0
    memory = Memory(most=10, ttl=5.0, stale_ttl=5.0, negative_ttl=1.0, clock=lambda: now)
    for number in range(4):
        now = float(number)
        memory.keep(str(number), Kept(values={"age": 1}, time=now, at=now, wanted=OLD))
    now = 11.5
    assert memory.sweep() == 2
    assert [memory.last(str(number)) is None for number in range(4)] == [True, True, False, False]

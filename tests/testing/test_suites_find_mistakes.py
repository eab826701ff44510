"""A suite that nothing can fail is worth nothing: each promise broken once, and found."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nba_engine.domain import (
    CatalogView,
    ChannelFactory,
    Deciding,
    Drop,
    FloatArray,
    ModelFactory,
    Renderer,
    RuleFunction,
    SinkFactory,
    SinkRecord,
    StageFactory,
    Treatment,
)
from nba_engine.testing import (
    ChannelSuite,
    FixedScorer,
    ModelSuite,
    RuleFunctionSuite,
    SinkSuite,
    StageSuite,
)

pytest_plugins = ["pytester"]

Ran = Callable[[type, Mapping[str, Any]], set[str]]


@pytest.fixture
def failing(pytester: pytest.Pytester) -> Ran:
    """Runs a suite with some fixtures; the names of the tests that fail."""

    def run(suite: type, fixtures: Mapping[str, Any]) -> set[str]:
        members = {name: _fixture(value) for name, value in fixtures.items()}
        module = type("Collected", (), {"TestIt": type("TestIt", (suite,), members)})
        pytester.makepyfile(test_it="from _collected import TestIt")
        sys.modules["_collected"] = module  # type: ignore[assignment]
        try:
            result = pytester.inline_run("-q", "-p", "no:cacheprovider", "-W", "ignore")
        finally:
            del sys.modules["_collected"]
        _, _, failed = result.listoutcomes()
        assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        return {report.nodeid.rpartition("::")[2] for report in failed}

    return run


def _fixture(value: Any) -> Any:
    @pytest.fixture
    def given(_self: object) -> Any:
        return value

    return given


def stage(apply: Callable[[Any, Deciding], None], **more: Any) -> StageFactory[Any]:
    """A factory of stages with this `apply`."""

    def init(self: Any, _settings: object, _resources: object) -> None:
        self.calls = 0

    made = type("Made", (), {"__init__": init, "apply": apply, **more})
    return StageFactory(build=made)


def share_nan(_self: Any, deciding: Deciding) -> None:
    everything = len(deciding.catalog.treatments)
    deciding.candidates.share("value", np.full(everything, np.nan))


def spaced_reason(_self: Any, deciding: Deciding) -> None:
    deciding.candidates.keep(deciding.candidates.index % 2 == 0, "not this one")


def changes_context(_self: Any, deciding: Deciding) -> None:
    context: Any = deciding.context
    context["hour"] = 1.0


def counts_calls(self: Any, deciding: Deciding) -> None:
    self.calls += 1
    deciding.candidates["weight"] = np.full(len(deciding.candidates), float(self.calls))


def reads_the_clock(_self: Any, deciding: Deciding) -> None:
    # the suite's runs are moments apart: the hour is the same unless the clock is moved
    deciding.candidates["weight"] = np.full(len(deciding.candidates), time.time() // 864_000)


def needs_candidates(_self: Any, deciding: Deciding) -> None:
    deciding.candidates["weight"] = (
        deciding.candidates["score"] / deciding.candidates["score"].max()
    )


def needs_the_customer(_self: Any, deciding: Deciding) -> None:
    deciding.candidates.keep(
        np.full(len(deciding.candidates), deciding.customer["age"] > 0), "too_young"
    )


def drops_odd(_self: Any, deciding: Deciding) -> None:
    deciding.candidates.keep(deciding.candidates.index % 2 == 0, "odd")


def says_nothing(
    _self: Any, _deciding: Deciding, _drop: Drop, _position: int
) -> tuple[str, tuple[()]]:
    return "", ()


def keeps_between(self: Any, deciding: Deciding) -> None:
    self.seed = deciding.seed  # another thread's, by the time it is read
    for _ in range(20):
        time.sleep(0)
    deciding.candidates["weight"] = np.full(len(deciding.candidates), float(self.seed))


STAGES: dict[str, tuple[StageFactory[Any], str]] = {
    "shares_nan": (
        stage(share_nan),
        "test_candidates_stay_aligned_finite_and_accounted_for",
    ),
    "has_no_word_as_reason": (
        stage(spaced_reason),
        "test_candidates_stay_aligned_finite_and_accounted_for",
    ),
    "changes_the_context": (
        stage(changes_context),
        "test_it_leaves_what_it_was_given_as_it_was",
    ),
    "counts_its_calls": (
        stage(counts_calls),
        "test_the_same_input_gives_the_same_outcome_on_a_stage_built_anew_too",
    ),
    "reads_the_clock": (
        stage(reads_the_clock),
        "test_it_takes_the_time_from_the_decision_alone",
    ),
    "keeps_state_between_threads": (
        stage(keeps_between),
        "test_four_threads_come_to_the_outcome_of_one",
    ),
    "needs_candidates": (
        stage(needs_candidates),
        "test_it_takes_a_decision_without_candidates",
    ),
    "needs_the_customer": (
        stage(needs_the_customer),
        "test_it_takes_an_unknown_customer_without_context",
    ),
    "explains_with_nothing": (
        stage(drops_odd, explain=says_nothing),
        "test_it_can_explain_what_it_dropped",
    ),
    "drops_in_its_fallback": (
        stage(lambda self, deciding: None, fallback=drops_odd),
        "test_its_fallback_leaves_candidates_in_order",
    ),
}


@pytest.mark.parametrize("how", STAGES)
def test_a_stage_that_breaks_a_promise_is_found(how: str, failing: Ran) -> None:
    factory, test = STAGES[how]
    assert test in failing(StageSuite, {"factory": factory})


def test_a_stage_that_keeps_them_all_passes(failing: Ran) -> None:
    assert failing(StageSuite, {"factory": stage(drops_odd)}) == set()


def channel(prepare: Callable[[Treatment], Renderer]) -> ChannelFactory:
    made = type("Made", (), {"prepare": lambda _self, treatment: prepare(treatment)})
    return ChannelFactory(build=lambda _settings, _catalog: made())


def raises_key_error(treatment: Treatment) -> Renderer:
    return lambda seen: {"text": seen["customer"]["first_name"]}


def hands_out_its_own(treatment: Treatment) -> Renderer:
    own = dict(treatment.content)
    return lambda _seen: own


def renders_numbers(treatment: Treatment) -> Renderer:
    return lambda seen: {"text": seen["now"]}


def changes_what_it_sees(treatment: Treatment) -> Renderer:
    def render(seen: Mapping[str, Any]) -> dict[str, str]:
        seen["context"]["hour"] = 0.0
        return {"text": "x"}

    return render


def wants_content(treatment: Treatment) -> Renderer:
    text = treatment.content["text"]
    return lambda _seen: {"text": text}


CHANNELS = {
    "raises_key_error": (
        raises_key_error,
        "test_for_every_customer_it_renders_or_says_that_it_cannot",
    ),
    "hands_out_its_own": (hands_out_its_own, "test_what_it_returns_belongs_to_the_caller"),
    "renders_numbers": (
        renders_numbers,
        "test_it_renders_texts_by_field_for_a_customer_who_has_everything",
    ),
    "changes_what_it_sees": (
        changes_what_it_sees,
        "test_rendering_changes_nothing_of_what_it_sees",
    ),
    "wants_content": (
        wants_content,
        "test_it_prepares_every_treatment_of_a_catalog_and_nothing_too",
    ),
}


@pytest.mark.parametrize("how", CHANNELS)
def test_a_channel_that_breaks_a_promise_is_found(how: str, failing: Ran) -> None:
    prepare, test = CHANNELS[how]
    assert test in failing(ChannelSuite, {"factory": channel(prepare)})


def test_content_that_a_channel_should_refuse_is_found(failing: Ran) -> None:
    fixtures = {"factory": channel(hands_out_its_own), "bad_content": [{"text": "{{"}]}
    assert "test_bad_content_is_a_mistake_that_says_where" in failing(ChannelSuite, fixtures)


class Off(FixedScorer):
    """A scorer with something wrong, by name."""

    def __init__(self, catalog: CatalogView, how: str) -> None:
        super().__init__(catalog)
        self.version = "" if how == "no_version" else "1"
        self._how = how

    def propensities(self, index: Any, customer: Any, context: Any, now: float) -> FloatArray:
        scores = super().propensities(index, customer, context, now)
        wrong: dict[str, Callable[[], Any]] = {
            "above_one": lambda: scores + 1.0,
            "too_short": lambda: scores[1:],
            "single_precision": lambda: scores.astype(np.float32),
            "relative": lambda: scores / len(scores) if len(scores) else scores,
            "random": lambda: np.random.default_rng().random(len(scores)),
            "never": lambda: np.full(len(scores), np.nan),
            "needs_age": lambda: scores * (customer["age"] >= 0),
        }
        return np.asarray(wrong.get(self._how, lambda: scores)())


MODELS = {
    "above_one": "test_every_candidate_gets_a_probability_or_no_answer",
    "too_short": "test_every_candidate_gets_a_probability_or_no_answer",
    "single_precision": "test_every_candidate_gets_a_probability_or_no_answer",
    "never": "test_every_candidate_gets_a_probability_or_no_answer",
    "relative": "test_a_candidate_has_the_same_score_among_others",
    "random": "test_the_same_question_gets_the_same_answer_from_a_model_opened_anew_too",
    "needs_age": "test_it_answers_for_customers_with_nothing_and_with_extreme_values",
    "no_version": "test_it_says_its_version_and_keeps_to_it",
}


@pytest.mark.parametrize("how", MODELS)
def test_a_model_that_breaks_a_promise_is_found(how: str, failing: Ran) -> None:
    model = ModelFactory(build=lambda catalog: Off(catalog, how))
    assert MODELS[how] in failing(ModelSuite, {"model": model})


def function(call: Callable[..., Any], result: str = "double", **more: Any) -> RuleFunction:
    return RuleFunction(
        parameters=("double",), result=result, call=call, **{"description": "x", **more}
    )


def slow(x: float) -> float:
    until = time.perf_counter() + 2e-4
    while time.perf_counter() < until:
        pass
    return x


FUNCTIONS: dict[str, tuple[RuleFunction, str]] = {
    "another_type": (
        function(str),
        "test_it_gives_its_type_or_an_error_in_the_value",
    ),
    "an_odd_error": (
        function(lambda x: x.no_such_attribute),
        "test_it_gives_its_type_or_an_error_in_the_value",
    ),
    "impure": (function(lambda x: float(time.perf_counter_ns())), "test_it_is_pure"),
    "slow": (function(slow), "test_a_call_takes_less_than_a_tenth_of_a_millisecond"),
    "unknown_type": (function(abs, result="number"), "test_it_declares_types_that_rules_know"),
    "silent": (function(abs, description=""), "test_it_says_what_it_computes"),
}


@pytest.mark.parametrize("how", FUNCTIONS)
def test_a_rule_function_that_breaks_a_promise_is_found(how: str, failing: Ran) -> None:
    it, test = FUNCTIONS[how]
    assert test in failing(RuleFunctionSuite, {"function": it})


class Lines:
    """A sink with something wrong, by name; ``kept`` is what has arrived."""

    def __init__(self, how: str, kept: list[str]) -> None:
        self._how, self._kept = how, kept
        self._waiting: list[str] = []
        self._closed = False

    def write(self, records: Sequence[SinkRecord]) -> None:
        if self._how == "chokes" and any("value" in record.data for record in records):
            raise RuntimeError
        keys = [record.key for record in records]
        self._waiting += reversed(keys) if self._how == "reorders" else keys

    def flush(self) -> None:
        if self._how != "flushes_nothing":
            self._kept += self._waiting
            self._waiting = []

    def close(self) -> None:
        if self._how == "closes_once":
            assert not self._closed
        self._closed = True
        if self._how != "forgets_at_close":
            self._kept += self._waiting
        self._waiting = []


SINKS = {
    "flushes_nothing": "test_what_was_flushed_has_arrived_in_order_before_anything_is_closed",
    "reorders": "test_what_was_flushed_has_arrived_in_order_before_anything_is_closed",
    "forgets_at_close": "test_what_was_written_has_arrived_after_closing",
    "closes_once": "test_closing_twice_is_allowed",
    "chokes": "test_odd_records_arrive_or_are_refused_and_the_next_one_arrives",
}


@pytest.mark.parametrize("how", [*SINKS, "right"])
def test_a_sink_that_breaks_a_promise_is_found(how: str, failing: Ran) -> None:
    kept: list[str] = []

    class Suite(SinkSuite):
        @pytest.fixture
        def received(self, tmp_path: Path) -> Callable[[], Sequence[str]] | None:
            kept.clear()
            return lambda: kept

    factory = SinkFactory(build=lambda _settings, _folder: Lines(how, kept))
    failed = failing(Suite, {"factory": factory})
    assert SINKS.get(how) in failed if how in SINKS else not failed

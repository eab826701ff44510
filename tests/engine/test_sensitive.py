"""What is marked as sensitive is used by rules, templates, limits and values, and told to nobody."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nba_engine.domain import Change, Interaction, ProfileUpdate
from nba_engine.engine import Engine
from nba_engine.errors import InvalidRequest
from tests.engine.world import CATALOG, NOON, ask, shop

SECRETS = ("migraine", "hba1c", "81250", "81_250", "oncology", "pregnant", "2718", "asthma")
SENSITIVE = (
    CATALOG.replace(
        '[attributes.income]\ntype = "double"',
        '[attributes.income]\ntype = "double"\nsensitive = true',
    )
    + """
[attributes.readings]
type = "map<string,double>"
sensitive = true
[context.told]
type = "string"
sensitive = true
[aggregates.wards]
kind = "count"
types = ["visit"]
by = "ward"
sensitive = true
[rules.healthy]
tier = "suitability"
when = "customer.secret == 'nothing' && size(customer.readings) == 0"
applies_to = { actions = ["wine"] }
[rules.rested]
tier = "applicability"
when = "size(customer.wards) == 0 && context.told == 'nothing'"
applies_to = { actions = ["milk"] }
[limits.by_income]
scope = ["customer"]
measure = "money"
amount = "customer.income * 0.000001 - 1.0"
window = "month"
applies_to = { actions = ["bread"] }
[actions.rest]
name = "Rest"
prior = 0.3
value = "customer.income / 2.0"
[actions.rest.treatments.app]
channel = "app"
content = { title = "{{ {'nothing': 'Rest'}[customer.secret] }}", body = "{{ {}[context.told] }}" }
"""
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with shop(tmp_path, catalog=SENSITIVE) as opened:
        opened.update_profile(
            ProfileUpdate(
                identity="crm:1",
                attributes={
                    "secret": "migraine",
                    "income": 81_250.0,
                    "readings": {"hba1c": 8.125, "more": 2718.0},
                },
            )
        )
        visit = Interaction(
            interaction_id="v",
            identity="crm:1",
            type="visit",
            time=NOON - 60,
            properties={"ward": "oncology"},
        )
        assert opened.record([visit])[0].status == "recorded"
        yield opened


def leaks(*told: object) -> list[str]:
    """Secrets in anything that is shown."""
    text = repr([msgspec.to_builtins(one) for one in told])
    return [secret for secret in SECRETS if secret in text]


def asked(engine: Engine) -> str:
    return engine.decide(ask(told="pregnant")).decision_id


def test_no_explanation_tells_it_whatever_a_candidate_failed_at(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        explained = engine.explain(asked(engine))
    reasons = {(one.stage, one.reason) for one in explained.candidates}
    assert ("eligibility", "not_suitable") in reasons
    assert ("eligibility", "not_applicable") in reasons
    assert ("slate", "render_failed") in reasons
    assert leaks(explained.candidates, explained.sentences, explained.funnel) == []
    assert leaks(caplog.text) == []


@pytest.mark.parametrize(
    "change",
    [
        Change(kind="attribute", target="age", value=17),
        Change(kind="lever", target="bread.app", value=2.0),
        Change(kind="context", target="told", value="nothing"),
    ],
)
def test_no_what_if_answer_tells_it(engine: Engine, change: Change) -> None:
    supposed = engine.what_if(asked(engine), [change])
    assert leaks(supposed.candidates, supposed.sentences, supposed.funnel) == []


def test_no_error_text_tells_it(engine: Engine) -> None:
    wrong = ProfileUpdate(
        identity="crm:1",
        attributes={"secret": ["migraine"], "income": "81250", "readings": {"hba1c": "8.125"}},
    )
    with pytest.raises(InvalidRequest) as refused:
        engine.update_profile(wrong)
    with pytest.raises(InvalidRequest) as also:
        engine.decide(ask(told=["pregnant"]))
    for error in (refused.value, also.value):
        assert leaks(str(error), error.message, error.metadata, error.violations) == []

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from nba_engine.domain import Consent, Interaction, ProfileUpdate
from nba_engine.errors import InvalidRequest, NotFound
from tests.engine.world import CATALOG, DAY, NOON, ask, shop


def bought(number: int = 1, **changed: Any) -> Interaction:
    fields: dict[str, Any] = {
        "interaction_id": f"i{number}",
        "identity": "crm:1",
        "type": "purchase",
        "time": NOON - DAY,
        "properties": {"category": "MILK"},
        **changed,
    }
    return Interaction(**fields)


def test_the_next_decision_sees_what_was_just_recorded(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        before = engine.decide(ask("crm:1"))
        (result,) = engine.record([bought()])
        after = engine.decide(ask("crm:1"))
    assert result.status == "recorded"
    assert "milk" in {one.action for one in before.recommendations}
    assert after.dropped["cross_sell/bought_recently"] == 1
    assert after.recommendations[0].action == "cereal"
    assert "complement_of:MILK" in after.recommendations[0].reason_codes


def test_malformed_interactions_are_rejected_one_by_one_and_the_rest_recorded(
    tmp_path: Path,
) -> None:
    deep: Any = [[[[["too deep"]]]]]
    with shop(tmp_path) as engine:
        results = engine.record(
            [
                bought(1),
                bought(2, identity="nobody"),
                bought(3, time=math.nan),
                bought(4, type=""),
                bought(5, interaction_id=""),
                bought(6, properties={"price": math.inf}),
                bought(7, properties={"secret": deep}),
                bought(8, properties={"big": 2**70}),
                bought(9, recommendation_id="r" * 300),
                bought(10, properties={"list": ["a", 1, 1.5, True], "map": {"a": {"b": 1}}}),
                bought(1),
            ]
        )
        engine.profile("crm:1")
    assert [result.status for result in results] == [
        "recorded",
        *["rejected"] * 8,
        "recorded",
        "duplicate",
    ]
    told = " ".join(result.message for result in results)
    for word in ("identity", "time", "type", "interaction_id", "price", "secret", "big"):
        assert word in told
    assert "too deep" not in told


def test_a_time_in_the_far_future_is_only_for_replays(tmp_path: Path) -> None:
    later = bought(time=NOON + 3 * DAY)
    with shop(tmp_path / "real", simulated=False) as engine:
        (result,) = engine.record([later])
        assert result.status == "rejected"
        assert "future" in result.message
    with shop(tmp_path / "replay") as engine:
        assert engine.record([later])[0].status == "recorded"


def test_nothing_but_malformed_interactions_writes_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        assert [r.status for r in engine.record([bought(identity="x")])] == ["rejected"]
        assert engine.record([]) == []


def test_more_than_a_thousand_interactions_are_refused(tmp_path: Path) -> None:
    with shop(tmp_path) as engine, pytest.raises(InvalidRequest):
        engine.record([bought(n) for n in range(1001)])


def test_a_profile_is_found_by_its_identity(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        state = engine.profile("crm:1")
        assert state.attributes["age"] == 40
        assert state.consents["marketing:email"].granted
        with pytest.raises(NotFound) as caught:
            engine.profile("crm:404")
        assert caught.value.reason == "CUSTOMER_NOT_FOUND"
        with pytest.raises(InvalidRequest):
            engine.profile("nobody")


def test_an_update_sets_removes_and_consents(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        state = engine.update_profile(
            ProfileUpdate(
                identity="crm:1",
                attributes={"income": 7},
                remove=("age",),
                consents={"marketing:*": Consent(granted=True, time=NOON)},
            )
        )
        assert engine.profile("crm:1") == state
    assert state.attributes == {"first_name": "Ada", "income": 7.0}
    assert type(state.attributes["income"]) is float
    assert set(state.consents) == {"marketing:email", "marketing:*"}


def test_every_violation_of_an_update_is_told_at_once_without_values(tmp_path: Path) -> None:
    update = ProfileUpdate(
        identity="x",
        attributes={"age": "canary", "agge": 3, "secret": 5},
        remove=("first_nam", "age"),
        consents={
            "marketing": Consent(granted=True, time=NOON),
            "marketing:fax": Consent(granted=True, time=NOON),
            "marketing:app": Consent(granted=True, time=math.nan),
        },
    )
    with shop(tmp_path) as engine, pytest.raises(InvalidRequest) as caught:
        engine.update_profile(update)
    assert [violation.field for violation in caught.value.violations] == [
        "identity",
        "attributes[age]",
        "attributes[agge]",
        "attributes[secret]",
        "remove[0]",
        "remove[1]",
        "consents[marketing]",
        "consents[marketing:fax]",
        "consents[marketing:app]",
    ]
    assert "canary" not in str(caught.value)
    assert '"first_name"' in str(caught.value)


def test_an_import_is_one_commit_with_its_progress(tmp_path: Path) -> None:
    good = ProfileUpdate(identity="crm:7", attributes={"income": 3})
    bad = ProfileUpdate(identity="crm:8", attributes={"age": "old"})
    with shop(tmp_path) as engine:
        results = engine.load(
            updates=[good],
            interactions=[bought(n) for n in range(1200)] + [bought(5, identity="x")],
            progress=("file", "1201"),
        )
        assert engine.profile("crm:7").attributes == {"income": 3.0}
        with pytest.raises(InvalidRequest) as caught:
            engine.load(updates=[good, bad], progress=("file", "9999"))
        assert engine.store.progress("file") == "1201"
    assert [result.status for result in results] == ["recorded"] * 1200 + ["rejected"]
    assert [v.field for v in caught.value.violations] == ["updates[1].attributes[age]"]


TYPES: list[tuple[str, Any, Any]] = [
    ("string", "a", 1),
    ("int", 1, 1.0),
    ("int", 0, True),
    ("double", 1.5, "1.5"),
    ("bool", True, 1),
    ("timestamp", NOON, "yesterday"),
    ("list<string>", ["a"], [1]),
    ("list<double>", [1.0], [True]),
    ("map<string,double>", {"a": 1.0}, {"a": "b"}),
    ("map<string,int>", {"a": 1}, {"a": 1.5}),
    ("map<string,timestamp>", {"a": NOON}, [NOON]),
]


@pytest.mark.parametrize(("kind", "good", "bad"), TYPES)
def test_attributes_keep_to_their_declared_types(
    kind: str, good: Any, bad: Any, tmp_path: Path
) -> None:
    catalog = CATALOG.replace(
        "[attributes.age]", f'[attributes.x]\ntype = "{kind}"\n[attributes.age]'
    )
    with shop(tmp_path, catalog=catalog) as engine:
        state = engine.update_profile(ProfileUpdate(identity="crm:1", attributes={"x": good}))
        assert state.attributes["x"] == good
        with pytest.raises(InvalidRequest):
            engine.update_profile(ProfileUpdate(identity="crm:1", attributes={"x": bad}))

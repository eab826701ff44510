"""A request's fault is its own: no stage fails over it, and no breaker opens for others."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from nba_engine.domain import Change, Interaction, PlacementRequest, ProfileUpdate
from nba_engine.engine import MAX_PLACEMENTS, MAX_SLOTS, Engine
from nba_engine.errors import InvalidRequest
from tests.engine.world import CATALOG, DAY, NOON, ask, shop

YEAR_1, YEAR_1970, YEAR_9000 = -62_135_596_800.0, 0.0, 221_845_392_000.0

EXTREMES = CATALOG.replace("value = 5.0", 'value = "context.stake * 4.0"').replace(
    "amount = 1\n", 'amount = "customer.budget * 1000000.0"\n'
) + (
    '[attributes]\nbudget = { type = "double" }\nborn = { type = "timestamp" }\n'
    'visits = { type = "int" }\nspend = { type = "map<string,double>" }\n'
    'seen = { type = "map<string,timestamp>" }\n'
    '[context]\nstake = { type = "double" }\npage = { type = "string" }\n'
    'at = { type = "timestamp" }\nlevel = { type = "int" }\nprices = { type = "list<double>" }\n'
    'stock = { type = "map<string,int>" }\n'
    '[rules.grown]\napplies_to = { actions = ["gadget"] }\ntier = "suitability"\nwhen = "days_since(customer.born) > 1.0"\n'
    '[rules.early]\napplies_to = { actions = ["gadget"] }\ntier = "applicability"\n'
    "when = 'context.at.getFullYear(\"America/New_York\") < 9999'\n"
    '[rules.lucky]\napplies_to = { actions = ["gadget"] }\ntier = "applicability"\n'
    "when = \"context.level * context.level - customer.visits >= 0 || context.page.matches('a+')\"\n"
    '[rules.cheap]\napplies_to = { actions = ["gadget"] }\ntier = "suitability"\n'
    'when = "context.prices.exists(p, p * p > 3.0) || action.category in context.stock"\n'
    '[rules.spender]\napplies_to = { actions = ["gadget"] }\ntier = "suitability"\n'
    "when = \"customer.spend['a'] * 9.0 > 1.0 || now - customer.seen['a'] > duration('1h')\"\n"
)

_NUMBERS = [0.0, -0.0, 7.5, 30.0, 5e-324, 1e-300, 1e12, 1e13, 1e300, 1.7976931348623157e308]
_TIMES = [YEAR_1, -1.0, 0.0, NOON, YEAR_9000, 253_402_300_799.0]
_INTS = [0, 1, -1, 2**63 - 1, -(2**63), 2**53 + 1]
_TEXTS = ["", " ", "a", "MILK", "\x00", "{{ 7 }}", "ü" * 4096, "a|b%7C", "\U0001f9c0"]
DRAWS: dict[str, list[Any]] = {
    "double": [*_NUMBERS, *(-number for number in _NUMBERS)],
    "timestamp": _TIMES,
    "int": _INTS,
    "string": _TEXTS,
}


def drawn(rng: random.Random, kind: str) -> Any:
    if kind.startswith("list<"):
        return [drawn(rng, kind[5:-1]) for _ in range(rng.choice([0, 1, 3]))]
    if kind.startswith("map<"):
        inner = kind[4:-1].partition(",")[2]
        return {rng.choice(["", "a", "MILK"]): drawn(rng, inner) for _ in range(rng.choice([0, 2]))}
    return rng.choice(DRAWS[kind])


def some(rng: random.Random, attributes: Any) -> dict[str, Any]:
    return {
        name: drawn(rng, attribute.type)
        for name, attribute in attributes.items()
        if rng.random() < 0.8
    }


@pytest.mark.parametrize("seed", range(4))
def test_extreme_values_fail_no_stage_and_can_be_explained(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    ends = set()
    with shop(tmp_path, catalog=EXTREMES) as engine:
        for number in range(40):
            identity = f"crm:{rng.randint(1, 3)}"
            engine.update_profile(
                ProfileUpdate(
                    identity=identity,
                    attributes={**some(rng, engine.catalog.attributes), "age": 40},
                )
            )
            happened = Interaction(
                interaction_id=f"i{number}",
                identity=identity,
                type="purchase",
                time=rng.choice([YEAR_1970, NOON, YEAR_9000 - 1]),
                properties={"category": drawn(rng, rng.choice(["string", "int", "double"]))},
            )
            (result,) = engine.record([happened])
            assert result.status == "recorded", result
            decision = engine.decide(
                ask(
                    identity,
                    "banner",
                    "newsletter",
                    time=rng.choice([YEAR_1970, NOON, YEAR_9000 - 1.0]),
                    **some(rng, engine.catalog.context),
                )
            )
            assert decision.degraded == ()
            ends |= {one.action for one in decision.recommendations} | set(decision.dropped)
            if number % 4 == 0:
                explanation = engine.explain(decision.decision_id)
                assert not [
                    t for t in explanation.candidates if t.text.startswith("It was dropped")
                ]
    assert {"wine", "value/no_value", "contact_policy/limit_exhausted"} <= ends


@pytest.mark.parametrize("time", [YEAR_1, -1.0, YEAR_9000, 1e300, float("nan"), float("inf")])
def test_a_time_beyond_all_calendars_is_the_callers_fault_and_nobody_elses(
    time: float, tmp_path: Path
) -> None:
    with shop(tmp_path) as engine:
        for _ in range(6):  # one more than opens a breaker
            with pytest.raises(InvalidRequest) as caught:
                engine.decide(ask("crm:1", "banner", "newsletter", time=time))
            assert [violation.field for violation in caught.value.violations] == ["time"]
        good = engine.decide(ask("crm:2"))
        assert good.degraded == ()
        assert [one.action for one in good.recommendations] != ["nothing"]
        with pytest.raises(InvalidRequest, match=r"changes\[0\]\.value"):
            engine.what_if(good.decision_id, [Change(kind="time", value=time)])
        event = Interaction(interaction_id="i", identity="crm:1", type="purchase", time=time)
        (result,) = engine.record([event])
        assert result.status == "rejected"
        assert result.message.startswith("time: must be ")


def refused(engine: Engine, **context: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        engine.decide(ask("crm:1", **context))
    return [violation.field for violation in caught.value.violations]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hour", float("nan")),
        ("hour", float("-inf")),
        ("hour", 10**400),
        ("hour", True),
        ("level", 10**23),
        ("level", -(2**63) - 1),
        ("level", 1.0),
        ("page", "\ud800"),
        ("cart", ["MILK", "\udfff"]),
        ("cart", "MILK"),
        ("at", 1e15),
        ("at", YEAR_1 - 1),
        ("prices", [1.0, float("inf")]),
        ("stock", {"a": 10**23}),
        ("stock", {1: 1}),
        ("stock", {"\ud800": 1}),
        ("hour", None),
    ],
)
def test_values_that_cannot_be_kept_are_violations(name: str, value: Any, tmp_path: Path) -> None:
    with shop(tmp_path, catalog=EXTREMES) as engine:
        assert refused(engine, **{name: value}) == [f"context[{name}]"]
        assert engine.decide(ask()).degraded == ()


@pytest.mark.parametrize("identity", ["crm:\ud800", "crm:4\n2", "crm:\x00", "crm:", ":", "42"])
def test_identities_that_cannot_be_kept_are_violations(identity: str, tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        with pytest.raises(InvalidRequest, match="identity"):
            engine.decide(ask(identity))
        event = Interaction(interaction_id="i", identity=identity, type="view", time=NOON - DAY)
        assert engine.record([event])[0].status == "rejected"


def test_the_limits_of_a_request_are_those_of_the_api(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(MAX_PLACEMENTS + 1)]
    catalog = CATALOG + "".join(f'[placements.{name}]\nchannel = "app"\n' for name in names)
    with shop(tmp_path, catalog=catalog) as engine:
        engine.decide(ask("crm:1", *names[:-1], slots=MAX_SLOTS))
        with pytest.raises(InvalidRequest, match="placements: must not be more than 16"):
            engine.decide(ask("crm:1", *names))
        with pytest.raises(InvalidRequest, match=r"placements\[0\]\.slots: must be in 0 … 32"):
            engine.decide(ask("crm:1", slots=MAX_SLOTS + 1))


def test_a_request_id_that_cannot_be_kept_is_a_violation(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        for request_id in ("r" * 129, "\ud800", "a\nb"):
            request = ask().__class__(
                identity="crm:1", placements=(PlacementRequest("banner"),), request_id=request_id
            )
            with pytest.raises(InvalidRequest, match="request_id"):
                engine.decide(request)

"""The plain slate does what filling the slots one by one does, and leaves alone what is not plain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba_engine.domain import Deciding, NoSettings, PlacementRequest
from nba_engine.stages.slate.slate import Slate
from tests.stages.making import (
    Materials,
    catalog,
    customer,
    deciding,
    dropped,
    recommended,
    scored,
    surviving,
)

ACTIONS = "\n".join(
    f'[actions.a{n}]\nkind = "{"win_back" if n % 5 == 0 else "offer"}"\n'
    f'treatments.app = {{ channel = "app", content = {{ t = "{text}" }} }}\n'
    f'treatments.email = {{ channel = "email", cost = 1.0, content = {{ t = "a{n}" }} }}'
    for n in range(24)
    for text in (["Hello {{ customer.first_name }}", "{{ customer.age }} years", f"a{n}"][n % 3],)
)
EXPLORING = """
[placements.corner]
channel = "app"
exploration = { method = "epsilon", share = 0.1 }
"""
LIMIT = """
[limits.some]
scope = ["customer"]
measure = "contacts"
amount = 2
window = "day"
applies_to = { actions = ["a3", "a6", "a9"] }
"""
SIBLING = '[actions.a7]\ntreatments.banner = { channel = "app", content = { t = "again" } }\n'
TOGETHER = '[slate_rules.pair]\napplies_to = { actions = ["a1", "a2"] }\nat_most = 1\n'
PLAIN = catalog(ACTIONS)
MIXED = catalog(ACTIONS.replace("[actions.a7]\n", SIBLING), LIMIT)
BEST = {f"a{n}.app": 24.0 - n for n in range(24)}


def slate(of: Any, *, plain: bool = True) -> Slate:
    made = Slate(NoSettings(), Materials(of))
    if not plain:
        made._plain = None
    return made


def was_plain(made: Deciding, of: Any) -> bool:
    plain = slate(of)._plain
    return plain is not None and plain.fill(made)


def decision(
    of: Any, scores: Mapping[str, float], slots: int, known: Mapping[str, Any] | None = None
) -> Deciding:
    state = customer(**({"first_name": "Ann", "age": 31} if known is None else known))
    made = scored(deciding(of, PlacementRequest("banner", slots), state=state), scores)
    made.candidates.add_reason(int(made.candidates.index[2]), "complement")
    return made


@settings(max_examples=300, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("of", [PLAIN, MIXED], ids=["plain", "limits and siblings"])
def test_it_answers_what_filling_slot_by_slot_answers(of: Any, data: st.DataObject) -> None:
    few = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
    numbers = st.lists(few | st.floats(-1.0, 5.0, width=16), min_size=25, max_size=25)
    # mostly plain; of the second only four are worth anything
    many, four = (st.permutations([n / 4 - least for n in range(25)]) for least in (2.1, 5.1))
    drawn = data.draw(many | four | numbers)
    scores = {f"a{n}.app": drawn[n] for n in range(24)} | {"a7.banner": drawn[24]}
    slots = data.draw(st.integers(1, 8))
    known = data.draw(st.sampled_from([None, None, None, {}, {"first_name": "Bo"}]))
    quick, slow = (decision(of, scores, slots, known) for _ in range(2))
    slate(of).apply(quick)
    slate(of, plain=False).apply(slow)
    assert quick.recommendations == slow.recommendations
    assert dropped(quick) == dropped(slow)
    assert surviving(quick) == surviving(slow)
    assert quick.candidates.total == len(quick.candidates) + sum(
        drop.count for drop in quick.candidates.drops
    )
    for drop in quick.candidates.drops:
        assert len(drop.index) == drop.count
    for name in ("score", "value", "lever"):
        assert quick.candidates[name].tolist() == slow.candidates[name].tolist()
    assert quick.answers == slow.answers


def test_most_slates_are_plain() -> None:
    made = decision(PLAIN, BEST, 3)
    assert was_plain(made, PLAIN)
    assert recommended(made) == ["a0.app", "a1.app", "a2.app"]
    assert made.recommendations[0].reason_codes == ("best_value", "win_back")
    assert made.recommendations[2].reason_codes == ("complement",)
    assert made.recommendations[1].content == {"t": "31 years"}


@pytest.mark.parametrize(
    ("scores", "of"),
    [
        (BEST | {"a1.app": 24.0}, PLAIN),  # equal scores
        (dict.fromkeys(BEST, 0.0), PLAIN),  # nothing is worth it
        (BEST | {"a3.app": 30.0}, MIXED),  # it draws on a limit
        (BEST | {"a7.app": 30.0}, MIXED),  # its action may stand here in another form
    ],
)
def test_what_is_not_plain_is_left_alone(scores: Mapping[str, float], of: Any) -> None:
    made = decision(of, scores, 3)
    before = made.candidates.mark()
    assert not was_plain(made, of)
    assert not made.recommendations
    assert made.candidates.mark() == before


def test_other_requests_are_left_alone() -> None:
    exploring = catalog(ACTIONS, EXPLORING)
    one = {"a2.app": 1.0}
    assert not was_plain(scored(deciding(exploring, "corner"), one), exploring)
    assert was_plain(scored(deciding(exploring, "banner"), one), exploring)
    assert not was_plain(scored(deciding(PLAIN, "banner", "newsletter"), one), PLAIN)
    assert not was_plain(decision(PLAIN, BEST, 3, {"age": 31}), PLAIN)  # no first name to greet
    assert not was_plain(decision(PLAIN, BEST, 12), PLAIN)  # many slots
    together = catalog(ACTIONS, TOGETHER)
    assert slate(together)._plain is None


def test_a_channel_that_fails_costs_its_treatment_alone() -> None:
    class Failing:
        def prepare(self, treatment: Any) -> Any:
            def render(_seen: Mapping[str, Any]) -> Any:
                if treatment.id == "a0.app":
                    raise OSError("printer on fire")
                return {"t": 7} if treatment.id == "a1.app" else {"t": treatment.id}

            return render

    made = decision(PLAIN, BEST, 2)
    channels = dict.fromkeys(PLAIN.channels, Failing())
    Slate(NoSettings(), Materials(PLAIN, channels=channels)).apply(made)
    assert recommended(made) == ["a2.app", "a3.app"]
    assert dropped(made)["a0.app"] == dropped(made)["a1.app"] == "render_failed"

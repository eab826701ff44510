"""An interaction that names a recommendation alone counts for its action."""

from __future__ import annotations

from pathlib import Path

from nba_engine.domain import Interaction
from nba_engine.engine import Engine
from tests.engine.world import CATALOG, DAY, NOON, ask, shop

# milk is the best offer, and pauses when it is rejected
PAUSING = CATALOG.replace(
    'value = 2.0\nowned_for = "14d"\n', 'value = 20.0\npause_after_reject = "30d"\n'
).replace(
    "[channels.app]",
    '[aggregates.rejected_at]\nkind = "last"\ntypes = ["reject"]\nby = "action"\n[channels.app]',
)


def best(engine: Engine, *, days: float = 0.0) -> tuple[str, str]:
    """The first recommendation in the banner: its id and its action."""
    first = engine.decide(ask("crm:1", time=NOON + days * DAY)).recommendations[0]
    return first.recommendation_id, first.action


def reject(engine: Engine, recommendation_id: str, **properties: str) -> str:
    interaction = Interaction(
        interaction_id=f"i-{recommendation_id}",
        identity="crm:1",
        type="reject",
        time=NOON,
        recommendation_id=recommendation_id,
        properties=dict(properties),
    )
    return engine.record([interaction])[0].status


def rejected(engine: Engine) -> dict[str, float]:
    times: dict[str, float] = engine.profile("crm:1").aggregates.get("rejected_at", {})
    return times


def test_a_reject_by_recommendation_id_alone_pauses_its_action(tmp_path: Path) -> None:
    with shop(tmp_path, catalog=PAUSING) as engine:
        wanted, action = best(engine)
        assert action == "milk"
        assert reject(engine, wanted) == "recorded"
        assert best(engine, days=1)[1] != "milk"
        later = engine.decide(ask("crm:1", time=NOON + DAY))
        assert later.dropped["contact_policy/paused_after_reject"] == 1
        assert best(engine, days=31)[1] == "milk"


def test_properties_that_are_given_stay(tmp_path: Path) -> None:
    with shop(tmp_path, catalog=PAUSING) as engine:
        wanted, _ = best(engine)
        reject(engine, wanted, action="bread")
        assert list(rejected(engine)) == ["bread"]


def test_a_recommendation_that_is_not_on_record_adds_nothing(tmp_path: Path) -> None:
    with shop(tmp_path, catalog=PAUSING) as engine:
        wanted, _ = best(engine)
        for unknown in ("nowhere", f"{wanted}9", wanted.partition(".")[0], ".", "é\ud800.0.1"):
            reject(engine, unknown)
        assert rejected(engine) == {}


def test_the_action_is_that_of_the_catalog_it_was_recommended_from(tmp_path: Path) -> None:
    with shop(tmp_path, catalog=PAUSING) as engine:
        wanted, action = best(engine)
        # the same number means another treatment now
        one_more = (
            '[actions.almonds]\nname = "Almonds"\ntreatments_from = "standard"\n[actions.milk]'
        )
        engine.reload({"shop.toml": PAUSING.replace("[actions.milk]", one_more)})
        reject(engine, wanted)
        assert list(rejected(engine)) == [action]


def test_imports_attribute_too(tmp_path: Path) -> None:
    with shop(tmp_path, catalog=PAUSING) as engine:
        wanted, action = best(engine)
        given = Interaction(
            interaction_id="i", identity="crm:1", type="reject", time=NOON, recommendation_id=wanted
        )
        engine.load(interactions=[given])
        assert list(rejected(engine)) == [action]


TAGGED = CATALOG.replace(
    "[channels.app]",
    '[aggregates.by_tone]\nkind = "count"\ntypes = ["click"]\nby = "tone"\n'
    '[aggregates.by_tag]\nkind = "count"\ntypes = ["click"]\nby = "tags"\n[channels.app]',
)


def test_an_interaction_knows_tags_and_texts_of_its_treatment(tmp_path: Path) -> None:
    dressed = TAGGED.replace(
        'channel = "app", ', 'channel = "app", tags = ["voucher"], attributes = { tone = "warm" }, '
    )
    assert dressed != TAGGED
    with shop(tmp_path, catalog=dressed) as engine:
        wanted, _ = best(engine)
        click = Interaction(
            interaction_id="c",
            identity="crm:1",
            type="click",
            time=NOON,
            recommendation_id=wanted,
        )
        alone = Interaction(interaction_id="d", identity="crm:1", type="click", time=NOON)
        engine.record([click, alone])
        counted = engine.profile("crm:1").aggregates
        assert counted["by_tone"] == {"warm": 1}
        assert counted["by_tag"] == {"voucher": 1}

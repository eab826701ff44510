"""Decisions with profile sources: what they see, how long they wait, what is on record of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nba_engine.domain import Change, CustomerState, LinkRequest, ProfileUpdate, Values
from nba_engine.engine import Engine, repeat
from nba_engine.engine.profile_sources import ProfileSources, SourceInUse, Whose
from tests.engine.profile_sources.sources import Crm, asking, wait_for
from tests.engine.world import CATALOG, NOON, another, ask, shop

ADULTS: Mapping[str, Values] = {
    "1": {"age": 44, "first_name": "Eve"},
    "2": {"age": 44},
    "9": {"age": 44},
}


def source(
    crm: Crm,
    *,
    name: str = "crm",
    namespace: str = "crm",
    attributes: Sequence[str] = ("age", "first_name", "secret"),
    overrides: bool = False,
    **how: Any,
) -> SourceInUse:
    return SourceInUse(
        name=name,
        namespace=namespace,
        attributes=tuple(attributes),
        overrides=overrides,
        asking=asking(crm, **how),
        whose=Whose(namespace, most=1000, seconds=60.0),
    )


@contextmanager
def sourced(folder: Path, *sources: SourceInUse, catalog: str = CATALOG) -> Iterator[Engine]:
    """The shop of tests/engine/world.py: crm:1 is 40 and called Ada, crm:2 is 12 and called Bo."""
    with shop(folder, catalog=catalog) as engine:
        asked = ProfileSources(sources, engine.store)
        try:
            yield Engine(
                engine._snapshot,
                engine.store,
                engine.log,
                assemble=engine.catalogs._assemble,
                clock=lambda: NOON,
                profile_sources=asked,
            )
        finally:
            asked.close()


def seen(engine: Engine, identity: str) -> tuple[Any, ...]:
    """What a decision for an identity saw of the customer: age, name, known."""
    record = engine._record(engine.decide(ask(identity)).decision_id)
    if not record.profile:
        return (None, None, record.known)
    state = msgspec.msgpack.decode(record.profile, type=CustomerState)
    values = dict(state.attributes)
    for one in state.fetched:
        values |= one.attributes
    return (values.get("age"), values.get("first_name"), record.known)


def wines(engine: Engine, identity: str) -> bool:
    """Whether wine, for adults only, is among what could be recommended."""
    explained = engine.explain(engine.decide(ask(identity)).decision_id)
    return not [t for t in explained.candidates if t.action == "wine" and t.stage == "eligibility"]


def test_rules_see_what_a_source_says_and_nobody_writes_it_down(tmp_path: Path) -> None:
    with sourced(tmp_path, source(Crm({"9": {"age": 44}}))) as engine:
        engine.update_profile(ProfileUpdate(identity="crm:9", attributes={"first_name": "Cy"}))
        assert wines(engine, "crm:9")
        assert engine.profile("crm:9").attributes == {"first_name": "Cy"}
        assert engine.profile("crm:9").fetched == ()


@pytest.mark.parametrize(
    ("overrides", "of_one", "of_two"), [(False, (40, "Ada"), 12), (True, (44, "Eve"), 44)]
)
def test_where_both_have_it_precedence_says_whose_value_counts(
    tmp_path: Path, overrides: bool, of_one: tuple[int, str], of_two: int
) -> None:
    with sourced(tmp_path, source(Crm(ADULTS), overrides=overrides)) as engine:
        assert seen(engine, "crm:1") == (*of_one, True)
        assert seen(engine, "crm:2") == (of_two, "Bo", True)
        assert wines(engine, "crm:2") is overrides


def test_somebody_whom_only_a_source_knows_is_unknown_but_has_attributes(tmp_path: Path) -> None:
    with sourced(tmp_path, source(Crm(ADULTS))) as engine:
        assert seen(engine, "crm:9") == (44, None, False)
        decision = engine.decide(ask("crm:9"))
        assert (decision.known, decision.customer_id) == (False, "crm:9")
        assert wines(engine, "crm:9")
        assert seen(engine, "crm:8") == (None, None, False)


def test_whoever_has_no_identity_of_the_namespace_costs_no_call_until_a_link(
    tmp_path: Path,
) -> None:
    crm = Crm(ADULTS)
    with sourced(tmp_path, source(crm, overrides=True)) as engine:
        assert seen(engine, "cookie:1") == (None, None, False)
        engine.update_profile(ProfileUpdate(identity="cookie:1", attributes={"age": 3}))
        assert seen(engine, "cookie:1") == (3, None, True)
        assert crm.calls == []
        engine.link_identities(LinkRequest(identities=("cookie:1", "crm:9")))
        assert seen(engine, "cookie:1") == (44, None, True)
        assert crm.calls == [("9",)]


def test_a_customer_of_several_identities_is_looked_up_by_the_first_whoever_asks(
    tmp_path: Path,
) -> None:
    crm = Crm({"3": {"age": 33}, "9": {"age": 99}})
    with sourced(tmp_path, source(crm)) as engine:
        engine.link_identities(LinkRequest(identities=("crm:9", "crm:3", "web:1")))
        assert [seen(engine, each)[0] for each in ("web:1", "crm:9", "crm:3")] == [33] * 3
        assert crm.calls == [("3",)]


def test_several_sources_are_asked_at_once(tmp_path: Path) -> None:
    crm, shops = Crm({"1": {"age": 44}}), Crm({"1": {"secret": "gold"}})
    for each in (crm, shops):
        each.hold()
    sources = (
        source(crm, attributes=["age"], overrides=True, timeout=60.0),
        source(shops, name="shops", attributes=["secret"], timeout=60.0),
    )
    with sourced(tmp_path, *sources) as engine:
        with ThreadPoolExecutor(1) as pool:
            decided = pool.submit(engine.decide, ask("crm:1"))
            for each in (crm, shops):
                assert each.entered.acquire(timeout=10)  # the second while the first is held
            for each in (crm, shops):
                each.release()
            decision = decided.result(timeout=10)
        state = msgspec.msgpack.decode(
            engine._record(decision.decision_id).profile, type=CustomerState
        )
        assert [(one.source, one.attributes) for one in state.fetched] == [
            ("crm", {"age": 44}),
            ("shops", {"secret": "gold"}),
        ]


@pytest.mark.parametrize("seconds", [0.001, 0.6])
def test_a_decision_keeps_its_deadline_however_long_the_source_takes(
    tmp_path: Path, seconds: float
) -> None:
    crm = Crm(ADULTS)
    crm.hold()
    with sourced(tmp_path, source(crm, timeout=60.0)) as engine:
        engine.decide(ask("cookie:1"))  # what is compiled lazily is compiled now
        start = time.monotonic()
        deadline = start + seconds
        found, bytes_of = engine._profile_sources.complete(  # type: ignore[union-attr, misc]
            "crm:9", None, engine.catalog, deadline=deadline
        )
        waited = time.monotonic() - start
        assert found.fetched[0].failed
        assert bytes_of
        assert waited >= seconds * 0.49
        assert waited < 5.0  # of the 60 that the source may take
        decision = engine.decide(ask("crm:1"), deadline=time.monotonic() + 1.0)
        assert decision.degraded == ("profile_sources.crm",)
        assert decision.recommendations
        crm.release()


def test_every_decision_replays_exactly_whatever_the_source_says_by_then(tmp_path: Path) -> None:
    crm = Crm({**ADULTS, "9": {"age": 44, "secret": "s"}})
    it = source(crm, overrides=True, failures=1000)
    with sourced(tmp_path, it) as engine:
        identities = ("crm:1", "crm:2", "crm:9", "cookie:1", "crm:77")
        made = [engine.decide(ask(each, "banner", "newsletter")) for each in identities]
        it.asking.forget(["1", "2", "9", "77"])
        crm.fails = OSError()
        made += [engine.decide(ask(each, "banner", "newsletter")) for each in identities]
        crm.customers = {}
        degraded = [one.degraded for one in made]
        assert degraded[5:] == [("profile_sources.crm",)] * 3 + [(), ("profile_sources.crm",)]
        assert not any(degraded[:5])
        for decision in made:
            repetition = repeat(engine._snapshot, engine._record(decision.decision_id))
            assert (repetition.outcome, repetition.details) == ("identical", ())
        assert len(crm.calls) == 8


def test_an_explanation_says_where_attributes_came_from_but_not_what_they_are(
    tmp_path: Path,
) -> None:
    crm = Crm({"1": {"age": 44, "secret": "divorced"}})
    with sourced(tmp_path, source(crm, overrides=True)) as engine:
        explained = engine.explain(engine.decide(ask("crm:1")).decision_id)
        origins = {(one.attribute, one.source) for one in explained.origins}
        assert origins == {("age", "crm"), ("secret", "crm")}
        assert all(abs(one.time - time.time()) < 60 for one in explained.origins)
        (told,) = [each for each in explained.sentences if "profile source" in each]
        assert told.startswith("“age” and “secret” come from the profile source crm, as of ")
        assert "divorced" not in msgspec.json.encode(explained).decode()
        assert engine.explain(engine.decide(ask("cookie:1")).decision_id).origins == ()


def test_an_explanation_says_that_a_source_gave_no_answer(tmp_path: Path) -> None:
    crm = Crm(ADULTS)
    crm.fails = OSError()
    with sourced(tmp_path, source(crm)) as engine:
        explained = engine.explain(engine.decide(ask("crm:1")).decision_id)
    notes = [each for each in explained.sentences if each.startswith("Note:")]
    (note,) = notes
    assert note == (
        "Note: the profile source crm gave no answer in time, so the decision did without what it "
        "knows."
    )


def test_a_question_what_if_starts_from_what_the_source_said(tmp_path: Path) -> None:
    crm = Crm({"9": {"age": 44}})
    with sourced(tmp_path, source(crm)) as engine:
        decision = engine.decide(ask("crm:9"))
        crm.customers["9"] = {"age": 3}
        younger = Change(kind="attribute", target="age", value=12)
        nobody = Change(kind="attribute", target="age", value=None)
        same = Change(kind="attribute", target="first_name", value="Cy")
        wine = {}
        for change in (same, younger, nobody):
            found = engine.what_if(decision.decision_id, [change])
            wine[change.target, change.value] = {
                trace.stage for trace in found.candidates if trace.action == "wine"
            }
        assert "eligibility" not in wine["first_name", "Cy"]
        assert wine["age", 12] == wine["age", None] == {"eligibility"}


def test_without_sources_a_decision_logs_the_state_as_it_is_stored(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        found = engine.store.customer("crm:1")
        assert found is not None
        assert engine._record(engine.decide(ask("crm:1")).decision_id).profile == found[1]
        assert found[0].known
        assert engine.seen("crm:1") == found[0]
        assert engine.seen("crm:99") is None


def test_all_that_a_decision_may_have_seen_is_at_hand_for_whoever_has_to_hide_it(
    tmp_path: Path,
) -> None:
    crm = Crm({"1": {"secret": "divorced"}})
    with sourced(tmp_path, source(crm)) as engine:
        before = engine.seen("crm:1")
        assert before is not None
        assert before.fetched == ()
        assert crm.calls == []
        engine.decide(ask("crm:1"))
        state = engine.seen("crm:1")
        assert state is not None
        assert state.fetched[0].attributes == {"secret": "divorced"}
        engine.store.erase("crm:1", now=NOON)
        assert engine._profile_sources is not None
        engine._profile_sources.forget_erased()
        assert engine.seen("crm:1") is None


def test_another_catalog_that_declares_another_type_is_not_answered_from_memory(
    tmp_path: Path,
) -> None:
    crm = Crm({"9": {"age": 44}})
    with sourced(tmp_path, source(crm)) as engine:
        assert seen(engine, "crm:9")[0] == 44
        same = engine.catalogs.assembled({"shop.toml": CATALOG.replace('"Bread"', '"Brot"')})
        engine.catalogs.swap(same)
        assert seen(engine, "crm:9")[0] == 44
        assert len(crm.calls) == 1
        other = CATALOG.replace(
            '[attributes.age]\ntype = "int"', '[attributes.age]\ntype = "double"'
        )
        files = {"shop.toml": other.replace(">= 18", ">= 18.0")}
        engine.reload(files)
        age = seen(engine, "crm:9")[0]
        assert (age, type(age), len(crm.calls)) == (44.0, float, 2)


def test_what_a_stage_does_to_a_list_stays_in_its_decision(tmp_path: Path) -> None:
    catalog = CATALOG + '[attributes.likes]\ntype = "list<string>"\n'
    crm = Crm({"9": {"likes": ["tea"]}})
    with sourced(tmp_path, source(crm, attributes=["likes"]), catalog=catalog) as engine:
        sources = engine._profile_sources
        assert sources is not None
        for _ in range(2):
            found = sources.complete("crm:9", None, engine.catalog, deadline=None)
            assert found is not None
            assert found[0].fetched[0].attributes == {"likes": ["tea"]}
            found[0].fetched[0].attributes["likes"].append("coffee")


def test_what_is_kept_of_somebody_goes_when_any_process_erases_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nba_engine.engine.profile_sources.sources._SWEEP_EVERY", 0.01)
    crm = Crm({**ADULTS, "7": {"age": 7}})
    with sourced(tmp_path, source(crm)) as engine:
        engine.link_identities(LinkRequest(identities=("crm:1", "crm:9", "web:1")))
        for identity in ("crm:1", "crm:2", "crm:9"):
            engine.decide(ask(identity))
        crm.hold()
        engine.decide(ask("crm:7"), deadline=time.monotonic() + 0.05)  # on its way
        with another(engine, tmp_path) as elsewhere:
            elsewhere.store.erase("web:1", now=NOON)
            elsewhere.store.erase("crm:7", now=NOON)
        sources = engine._profile_sources
        assert sources is not None
        wait_for(lambda: sources.statuses["crm"].kept == 1)
        wait_for(lambda: sources._erased == 2)
        crm.release()
        assert seen(engine, "crm:2")[0] == 12
        assert seen(engine, "crm:7")[0] == 7  # whoever comes by that identity now is asked for anew
        assert [call for call in crm.calls if call == ("7",)] == [("7",), ("7",)]
        assert crm.calls.count(("2",)) == 1


def test_an_export_holds_what_sources_said(tmp_path: Path) -> None:
    catalog = CATALOG + '[attributes.joined]\ntype = "timestamp"\n'
    crm = Crm({"1": {"age": 44, "secret": "divorced", "joined": NOON}})
    it = source(crm, attributes=["age", "secret", "joined"])
    with sourced(tmp_path, it, catalog=catalog) as engine:
        assert "fetched" not in {entry.kind for entry in engine.export("crm:1")}
        engine.decide(ask("crm:1"))
        entries = list(engine.export("crm:1"))
        (fetched,) = [entry.content for entry in entries if entry.kind == "fetched"]
        assert fetched["source"] == "crm"
        assert fetched["attributes"] == {
            "age": 44,
            "secret": "divorced",
            "joined": "2017-11-07T12:00:00.000000+00:00",
        }
        (decision,) = [entry.content for entry in entries if entry.kind == "decision"]
        assert decision["profile"]["fetched"][0]["attributes"]["secret"] == "divorced"

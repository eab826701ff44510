"""Rows from files: formats, types, bad rows, and going on after a stop."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nba_engine.cli.importing import Progress, import_file
from nba_engine.cli.rows import open_rows
from nba_engine.domain import Attribute, Interaction, InteractionResult, ProfileUpdate
from nba_engine.errors import InvalidRequest, NbaError, Violation
from nba_engine.sources import RowError, interaction, profile, to_seconds

ATTRIBUTES = {
    a.name: a
    for a in (
        Attribute(name="age", type="int"),
        Attribute(name="city", type="string"),
        Attribute(name="vip", type="bool"),
        Attribute(name="since", type="timestamp"),
        Attribute(name="liked", type="list<string>"),
        Attribute(name="spend", type="map<string,double>"),
    )
}


class Memory:
    """A destination that keeps what it is given; it can break after a number of commits."""

    attributes: Mapping[str, Attribute] = ATTRIBUTES

    def __init__(self) -> None:
        self.profiles: list[ProfileUpdate] = []
        self.interactions: dict[str, Interaction] = {}
        self.done: dict[str, Progress] = {}
        self.commits_left = 1_000

    def progress(self, name: str) -> Progress:
        return self.done.get(name, Progress())

    def checked(self, update: ProfileUpdate) -> ProfileUpdate:
        if ":" not in update.identity:
            raise InvalidRequest([Violation(field="identity", description="needs a namespace")])
        return update

    def _commit(self, name: str, at: Progress) -> None:
        if self.commits_left == 0:
            raise NbaError("the store went away")
        self.commits_left -= 1
        self.done[name] = at

    def write_profiles(self, updates: Sequence[ProfileUpdate], name: str, at: Progress) -> None:
        self._commit(name, at)
        self.profiles += updates

    def write_interactions(
        self, interactions: Sequence[Interaction], name: str, at: Progress
    ) -> Sequence[InteractionResult]:
        self._commit(name, at)
        results = []
        for item in interactions:
            known = item.interaction_id in self.interactions
            self.interactions[item.interaction_id] = item
            results.append(
                InteractionResult(
                    interaction_id=item.interaction_id,
                    status="duplicate" if known else "recorded",
                )
            )
        return results


def nothing(_position: int, _total: int) -> None:
    """Progress that nobody watches."""


def test_the_three_formats_give_the_same_interactions(tmp_path: Path) -> None:
    rows = [
        {
            "interaction_id": f"i{n}",
            "identity": "crm:1",
            "type": "purchase",
            "time": 1.5e9 + n,
            "amount": 2.5,
            "category": "milk",
        }
        for n in range(7)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    heading = list(rows[0])
    lines = [",".join(heading), *(",".join(str(r[h]) for h in heading) for r in rows)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")

    found = []
    for ending in ("jsonl", "csv", "parquet"):
        memory = Memory()
        report = import_file(tmp_path / f"a.{ending}", "interactions", memory, nothing)
        assert (report.written, report.rejected) == (7, 0)
        found.append(list(memory.interactions.values()))

    assert found[0] == found[1] == found[2]
    assert found[0][3].properties == {"amount": 2.5, "category": "milk"}


def test_a_bad_row_is_named_and_the_others_are_imported(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "identity,age,vip\ncrm:1,41,true\ncrm:2,old,true\n,3,true\ncrm:4,5\ncrm:5,6,no\nnobody,7,no\ncrm:6,3.7,no\n"
    )
    memory = Memory()

    report = import_file(file, "profiles", memory, nothing)

    assert [u.identity for u in memory.profiles] == ["crm:1", "crm:5"]
    assert {r.row: message for message, r in report.rejections.items()} == {
        2: "attribute 'age' is no int",
        3: "column 'identity' is missing",
        4: "2 cells under 3 headings",
        6: "identity: needs a namespace",
    }
    assert report.rejections["attribute 'age' is no int"].rows == 2
    assert report.rejected == 5


def test_an_interrupted_import_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"
    with file.open("w") as out:
        for n in range(12_000):
            out.write(
                json.dumps({"interaction_id": str(n), "identity": "a:1", "type": "view", "time": n})
            )
            out.write("\n")
    memory = Memory()
    memory.commits_left = 1
    with pytest.raises(NbaError, match="went away"):
        import_file(file, "interactions", memory, nothing)
    memory.commits_left = 100

    report = import_file(file, "interactions", memory, nothing)

    assert (report.skipped, report.written, len(memory.interactions)) == (5_000, 7_000, 12_000)
    again = import_file(file, "interactions", memory, nothing)
    assert (again.skipped, again.written, again.earlier.finished) == (12_000, 0, True)
    assert import_file(file, "interactions", memory, nothing, again=True).duplicates == 12_000


def test_progress_runs_up_to_the_total(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("identity,age\n" + "crm:1,2\n" * 11_000)
    seen: list[tuple[int, int]] = []

    import_file(file, "profiles", Memory(), lambda p, t: seen.append((p, t)))

    assert [p for p, _ in seen] == sorted(p for p, _ in seen)
    assert seen[-1][0] == seen[-1][1] == file.stat().st_size


def test_profiles_take_their_declared_types_and_consents() -> None:
    update = profile(
        {
            "identity": "crm:1",
            "age": "41",
            "vip": "yes",
            "since": "2017-01-01T00:00:00",
            "liked": '["a", "b"]',
            "spend": [("milk", "2.5")],
            "consent:marketing:email": "true",
        },
        ATTRIBUTES,
    )

    assert update.attributes == {
        "age": 41,
        "vip": True,
        "liked": ["a", "b"],
        "spend": {"milk": 2.5},
        "since": datetime(2017, 1, 1, tzinfo=UTC).timestamp(),
    }
    assert update.consents["marketing:email"].granted


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"identity": "a:1", "shoe": 3}, "attribute 'shoe' is not declared"),
        ({"identity": "a:1", "vip": "perhaps"}, "neither true nor false"),
        ({"identity": "a:1", "liked": "milk"}, "is no list<string>"),
        ({"identity": "a:1", "consents": "3"}, "'consents' must be an object"),
        ({"identity": "a:1", "attributes": "{"}, "no JSON object"),
    ],
)
def test_a_wrong_profile_row_says_what_is_wrong(values: dict[str, object], message: str) -> None:
    with pytest.raises(RowError, match=message):
        profile(values, ATTRIBUTES)


@pytest.mark.parametrize("value", [True, 3.5, "3.5"])
def test_nothing_is_cut_off_to_make_a_whole_number(value: object) -> None:
    with pytest.raises(RowError, match="is no int"):
        profile({"identity": "a:1", "age": value}, ATTRIBUTES)
    assert profile({"identity": "a:1", "age": 41.0}, ATTRIBUTES).attributes == {"age": 41}


@pytest.mark.parametrize("missing", ["interaction_id", "identity", "type", "time"])
def test_an_interaction_without_a_required_column_is_refused(missing: str) -> None:
    values = {"interaction_id": "1", "identity": "a:1", "type": "view", "time": 3}
    del values[missing]
    with pytest.raises(RowError, match=f"column '{missing}' is missing"):
        interaction(values)


def test_cells_of_text_files_become_what_they_spell() -> None:
    found = interaction(
        {
            "interaction_id": "1",
            "identity": "a:1",
            "type": "view",
            "time": "12.5",
            "n": "3",
            "ok": "true",
            "list": "[1]",
            "word": "three",
            "properties": '{"deep": {"x": 1}}',
        }
    )
    assert found.time == 12.5
    assert found.properties == {"n": 3, "ok": True, "list": [1], "word": "three", "deep": {"x": 1}}


@pytest.mark.parametrize("value", ["yesterday", True, [], "2017-99-01"])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(RowError, match="is no time"):
        to_seconds(value)


def test_a_time_with_a_zone_is_converted() -> None:
    assert to_seconds("1970-01-01T01:00:00+01:00") == 0.0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"", "use .parquet, .csv or .jsonl"),
        ("a.parquet", b"no", "no Parquet file"),
        ("missing.csv", None, "cannot be read: No such file"),
        ("missing.jsonl", None, "cannot be read: No such file"),
    ],
)
def test_an_unreadable_file_gets_one_clear_sentence(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NbaError, match=message):
        open_rows(file)


def test_a_text_file_that_is_not_utf8_says_where(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"identity\ncrm:\xff\n")
    with pytest.raises(NbaError, match="not UTF-8"):
        import_file(file, "profiles", Memory(), nothing)

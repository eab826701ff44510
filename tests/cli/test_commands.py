"""The commands as a user types them: what they print, and how they exit."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import grpc
import pytest

from nba_engine._gen.nba.v1 import decision_service_pb2, decision_service_pb2_grpc
from nba_engine.sources import to_seconds
from tests.cli.conftest import Nba


def test_check_says_that_there_is_no_mistake(nba: Nba, shop: Path) -> None:
    assert nba("check", "-s", shop) == 0
    assert "no mistakes" in nba.out


def test_check_finds_what_could_not_be_planned(nba: Nba, shop: Path) -> None:
    with (shop.parent / "catalog" / "shop.toml").open("a") as file:
        file.write('[channels.post]\ndirection = "outbound"\n[placements.mail]\nchannel = "post"\n')
        for number in range(31):
            file.write(
                f"[actions.cost{number}]\nvalue = 9.0\ntreatments.letter = "
                f'{{ channel = "post", cost = {number / 100} }}\n'
            )
        file.write('[contact_plan]\nperiod = "7d"\nplacements = ["mail"]\nperiods = 12\n')
        file.write("most_contacts = 4\n")
    assert nba("check", "-s", shop) == 78
    assert "31 different costs, 12 periods and chains of 4 make 463,760,713 patterns" in nba.err
    assert "→ round the costs" in nba.err
    assert not (shop.parent / "data").exists()  # nothing was created


def test_check_names_every_mistake_of_settings_and_catalog_with_its_remedy(
    nba: Nba, shop: Path
) -> None:
    shop.write_text(
        shop.read_text().replace("[server]", "[server]\nlisten_on = 3\nthreads = 'many'")
    )
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(
        catalog.read_text().replace("customer.age >= 18", "customer.agge >= 18")
        + '[actions.milk]\ntreatments.x = { channel = "wep" }\n'
    )

    assert nba("check", "-s", shop) == 78

    for part in ("listen_on", "threads", "agge", "wep", 'did you mean "web"?', "4 mistakes found"):
        assert part in nba.err


def test_check_lists_warnings_and_still_passes(nba: Nba, shop: Path) -> None:
    catalog = shop.parent / "catalog" / "shop.toml"
    catalog.write_text(
        catalog.read_text() + '[treatment_sets.unused]\nx = { channel = "web", cost = 1 }\n'
    )
    assert nba("check", "-s", shop) == 0
    assert "warning:" in nba.err
    assert "unused" in nba.err


def test_decide_prints_a_table_and_the_money(nba: Nba, shop: Path) -> None:
    people = shop.parent / "people.csv"
    people.write_text("identity,age\ncrm:1,41\ncrm:2,17\n")
    assert nba("import", "profiles", people, "-s", shop) == 0
    assert "2 imported" in nba.out

    assert nba("decide", "crm:1", "-s", shop, "-p", "home") == 0

    rows = [line.split() for line in nba.out.splitlines()]
    ranked = [word for row in rows for word in row[1:2] if word in ("wine", "bread")]
    assert ranked == ["wine", "bread"]
    assert "0.89 EUR" in nba.out
    assert "Fresh bread [today]" in nba.out


def test_decide_explains_in_sentences_and_says_what_would_change(nba: Nba, shop: Path) -> None:
    people = shop.parent / "people.jsonl"
    people.write_text('{"identity": "crm:2", "age": 17}\n')
    nba("import", "profiles", people, "-s", shop)

    assert nba("decide", "crm:2", "-s", shop, "--explain") == 0

    text = " ".join(nba.out.split())
    assert "customer.age >= 18" in text
    assert "not_eligible" in text
    assert "Bread" in text


def test_decide_as_json_can_be_read_back(nba: Nba, shop: Path) -> None:
    assert nba("decide", "crm:9", "-s", shop, "--json", "-c", 'cart=["milk"]') == 0
    decision = json.loads(nba.out)
    assert decision["known"] is False
    assert decision["candidates"] == len(decision["recommendations"]) + sum(
        decision["dropped"].values()
    )

    assert nba("decide", "crm:9", "-s", shop, "--json", "--explain") == 0
    assert {"decision", "sentences", "candidates", "funnel"} <= set(json.loads(nba.out))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["decide", "crm:1", "-p", "hoem"], 1, "hoem"),
        (["decide", "crm:1", "-p", "home:many"], 2, "slots must be a number"),
        (["decide", "crm:1", "-c", "cart"], 2, "write NAME=VALUE"),
        (["decide", "crm:1", "-c", "shoe=3"], 1, "shoe"),
        (["decide", "crm:1", "--time", "soon"], 2, "is no time"),
        (["decide", "crm:1", "--time", "2017-11-20T10:00"], 1, "simulated"),
        (["serve", "--listen", "foo"], 78, "nba serve: --listen"),
        (["serve", "--ready-file", "no/where"], 2, "there is no folder"),
        (["decide", "nobody"], 1, "namespace"),
        (["import", "profiles", "nowhere.csv"], 2, "does not exist"),
        (["dceide"], 2, "No such command"),
        ([], 2, "Usage: nba"),
    ],
)
def test_a_user_mistake_is_one_clear_sentence_and_an_exit_code(
    nba: Nba, shop: Path, arguments: list[str], code: int, message: str
) -> None:
    settings = ["-s", shop] if arguments and arguments[0] in ("decide", "import", "serve") else []
    assert nba(*arguments, *settings) == code
    assert message in nba.err + nba.out
    assert "Traceback" not in nba.err


def test_settings_that_do_not_exist_exit_with_78(nba: Nba, tmp_path: Path) -> None:
    for command in (["check"], ["serve"], ["decide", "crm:1"]):
        assert nba(*command, "-s", tmp_path / "no.toml") == 78
        assert "there is no such file" in nba.err


def test_import_lists_bad_rows_and_exits_with_1(nba: Nba, shop: Path) -> None:
    file = shop.parent / "visits.csv"
    rows = [f"i{n},crm:1,purchase,{'soon' if n % 2 else n}" for n in range(60)]
    file.write_text("\n".join(["interaction_id,identity,type,time", *rows]))

    assert nba("import", "interactions", file, "-s", shop) == 1

    assert "30 imported, 30 rejected" in nba.out
    assert "row 2 (and 29 more rows): 'time' is no time; write" in nba.err
    assert nba("import", "interactions", file, "-s", shop) == 1
    assert "imported by an earlier run (60 rows, 30 rejected)" in nba.out
    assert nba("import", "interactions", file, "-s", shop, "--again") == 1
    assert "0 imported, 30 known already, 30 rejected" in nba.out


def test_a_profile_that_the_engine_refuses_costs_only_its_own_row(nba: Nba, shop: Path) -> None:
    file = shop.parent / "people.csv"
    file.write_text("identity,age,consent:marketing:wep\ncrm:1,41,\nnobody,3,\ncrm:2,5,yes\n")

    assert nba("import", "profiles", file, "-s", shop) == 1

    assert "1 imported, 2 rejected" in nba.out
    assert "row 2: identity" in nba.err
    assert 'did you mean "web"?' in nba.err


def test_a_repeated_interaction_is_known_already(nba: Nba, shop: Path) -> None:
    for name in ("a.csv", "b.csv"):
        file = shop.parent / name
        file.write_text(f"interaction_id,identity,type,time,note\ni1,crm:1,purchase,5,{name}\n")
        assert nba("import", "interactions", file, "-s", shop) == 0
    assert "0 imported, 1 known already" in nba.out


def test_plugin_list_shows_what_is_loaded_and_what_it_brings(nba: Nba, shop: Path) -> None:
    assert nba("plugin", "list", "-s", shop) == 0
    text = " ".join(nba.out.split())
    assert "builtin" in text
    assert "loaded" in text
    assert nba("plugin", "list", "-s", shop.parent / "no.toml") == 78


def test_help_teaches_every_command(nba: Nba) -> None:
    assert nba("--help") == 0
    for command in ("serve", "check", "decide", "import", "plugin", "demo"):
        assert command in nba.out
        assert nba(command, "--help") == 0
        assert len(nba.out.split()) > 20
        assert nba("--help") == 0


def test_help_keeps_the_lines_of_its_examples(nba: Nba) -> None:
    nba("--help")
    assert "    nba decide --help                one decision" in nba.out
    nba("decide", "--help")
    assert "  nba decide crm:42 -p app_banner:3 -c cart='[\"milk\"]' --explain" in nba.out


def test_a_mistake_of_ours_is_told_without_a_traceback(
    nba: Nba, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("one by zero")

    monkeypatch.setattr("nba_engine.cli.decide.open_app", broken)
    monkeypatch.delenv("NBA_DEBUG", raising=False)
    assert nba("decide", "crm:1", "-s", shop) == 1
    assert "internal error: ZeroDivisionError: one by zero" in nba.err
    monkeypatch.setenv("NBA_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        nba("decide", "crm:1", "-s", shop)


def test_a_time_without_a_zone_is_in_the_zone_at_hand() -> None:
    assert to_seconds("2017-11-20T17:30", ZoneInfo("Europe/Berlin")) == 1511195400.0
    assert to_seconds("2017-11-20T17:30+00:00", ZoneInfo("Europe/Berlin")) == 1511199000.0


def test_serve_answers_over_grpc_and_stops_on_sigterm(shop: Path) -> None:
    ready = shop.parent / "ready"
    command = [sys.executable, "-m", "nba_engine.cli", "serve", "-s", str(shop)]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--ready-file", str(ready)],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as process:
        try:
            address = _wait_for(ready, process)
            with grpc.insecure_channel(address) as channel:
                decide = decision_service_pb2_grpc.DecisionServiceStub(channel).Decide
                answer = decide(
                    decision_service_pb2.DecideRequest(
                        identity="crm:1",
                        placements=[decision_service_pb2.PlacementRequest(placement="home")],
                    ),
                    timeout=20,
                )
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert any(line.get("decision_id") == answer.decision.decision_id for line in lines)


def _wait_for(ready: Path, process: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        if ready.exists():
            return ready.read_text().strip()
        assert process.poll() is None, "the server ended before it was ready"
        process_wait = 0.05
        try:
            process.wait(process_wait)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("the server was not ready in time")


def test_an_interrupt_while_plugins_load_stops_without_a_traceback(
    nba: Nba, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **_more: object) -> None:
        raise KeyboardInterrupt

    # the package's name `main` is the function
    module = importlib.import_module("nba_engine.cli.main")
    monkeypatch.setattr(module, "add_plugin_commands", interrupted)
    assert nba("--help") == 130
    assert nba.err.split() == ["stopped"]

"""A customer made of unmistakable words is erased: no file under the data folder holds any of them.

Control first: the search finds the words in every kind of file before. Then they are searched for with
the servers running, after ``kill -9``, after a restart, and after a backup from before was restored.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sysconfig
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pyarrow.parquet as pq
import pytest

from nba_engine.app import open_app
from nba_engine.client import Client, Consent, Erasure, Interaction, NotFound
from nba_engine.engine import table_of
from nba_engine.store import Mover

pytestmark = pytest.mark.timeout(180)

NBA = Path(sysconfig.get_path("scripts")) / "nba"
WORD = re.compile(rb"canary(?:-\w+)?", re.IGNORECASE)
# whatever a customer can bring, each with a word of its own
CRM, COOKIE, WEB, PHONE = (f"{kind}:Canary-{kind}" for kind in ("crm", "cookie", "web", "phone"))
SETTINGS = """
[server]
listen = "127.0.0.1:0"
processes = 2
[catalog]
path = "catalog"
[sinks.lines]
kind = "jsonl"
settings = { path = "data/records.jsonl", rotate_bytes = 20000 }
""" + "".join(
    f'[[pipeline]]\nstage = "{stage}"\n'
    for stage in ("profile", "eligibility", "contact_policy", "value", "arbitration", "slate")
)
CATALOG = """
[catalog]
currency = "EUR"
[attributes.note]
type = "string"
merge = "union"
[attributes.words]
type = "list<string>"
merge = "union"
[context.said]
type = "string"
[aggregates.shops]
kind = "count"
types = ["purchase"]
by = "shop"
[channels.mail]
name = "Mail"
consent = "marketing"
[placements.letter]
channel = "mail"
[actions.nothing]
name = "Nothing"
kind = "nothing"
[actions.bread]
name = "Bread"
prior = 0.2
value = 2.0
[actions.bread.treatments.letter]
channel = "mail"
content = { text = "Dear {{ customer.note }}, you said {{ context.said }}" }
[limits.own]
scope = ["customer"]
measure = "contacts"
amount = 100
window = "month"
[limits.shared]
scope = []
measure = "contacts"
amount = 10000
window = "lifetime"
""".replace('type = "string"\nmerge = "union"', 'type = "string"')


class Servers:
    """`nba serve` with two processes; what it prints goes to a file in the data folder."""

    def __init__(self, folder: Path) -> None:
        ready = folder / f"ready-{os.urandom(4).hex()}"
        with (folder / "data" / "server.log").open("ab") as out:
            self._process = subprocess.Popen(
                [NBA, "serve", "--settings", folder / "nba.toml", "--ready-file", ready],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        while not ready.exists():
            assert self._process.poll() is None, (folder / "data" / "server.log").read_text()
            time.sleep(0.02)
        self.address = ready.read_text("utf-8")

    def kill(self) -> None:
        """SIGKILL to every process; none is left when this returns."""
        with suppress(ProcessLookupError):
            while True:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                time.sleep(0.01)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Servers, Client]]:
    servers = Servers(folder)
    try:
        with Client(servers.address, timeout=20.0) as client:
            yield servers, client
    finally:
        servers.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data", "catalog"):
        (tmp_path / "shop" / name).mkdir(parents=True)
    (tmp_path / "shop" / "catalog" / "shop.toml").write_text(CATALOG)
    (tmp_path / "shop" / "nba.toml").write_text(SETTINGS)
    return tmp_path / "shop"


def found(folder: Path) -> Mapping[str, set[str]]:
    """File → canaries in it: raw, in compressed blobs of databases, in pages of Parquet."""
    places: dict[str, set[str]] = {}
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        data = file.read_bytes() + file.name.encode()
        if ".parquet" in file.name and data:
            data += repr(pq.read_table(io.BytesIO(file.read_bytes())).to_pydict()).encode()
        if file.suffix == ".db":
            data += unpacked(file)
        words = {word.decode().lower() for word in WORD.findall(data)}
        if words:
            places[str(file.relative_to(folder))] = words
    return places


def unpacked(file: Path) -> bytes:
    """What the blobs of a database hold when they are decompressed."""
    texts = b""
    with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        connection.set_busy_timeout(20_000)
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        for (table,) in tables.fetchall():
            for row in connection.execute(f"SELECT * FROM {table}"):
                for value in row:
                    if isinstance(value, bytes):
                        try:
                            texts += zlib.decompress(value)
                        except zlib.error:
                            continue
    return texts


def meet(client: Client) -> None:
    """The customer comes by four ways, says all sorts of things, and changes its mind."""
    decide(client, PHONE, "before-known")
    for number in range(4):
        client.update_profile(
            CRM,
            attributes={"note": f"Canary-note{number}", "words": ["Canary-list"] * 20},
            consents=[
                Consent(
                    purpose="marketing",
                    channel="mail",
                    granted=True,
                    source=f"Canary-source{number}",
                    consent_time=datetime(2026, 1, 1 + number, tzinfo=UTC),
                )
            ],
        )
        decide(client, CRM, f"crm{number}")
        client.record_interactions([bought(who, number) for who in (CRM, COOKIE, WEB)])
    client.update_profile(CRM, remove=["words"])
    client.update_profile(WEB, attributes={"note": "Canary-web-note"})
    for who in (WEB, COOKIE, PHONE):
        decide(client, who, "apart")
    client.link_identities([CRM, COOKIE, PHONE], source="Canary-login")
    client.link_identities([WEB, COOKIE], source="Canary-merge")
    for who in (CRM, COOKIE, WEB, PHONE):
        decide(client, who, "together")


def others(client: Client, numbers: range) -> None:
    """Customers in between, so that pages hold several and are split."""
    for number in numbers:
        who = f"{('a', 'crm', 'z')[number % 3]}:{number * 7919 % 1000}"
        client.update_profile(
            who,
            attributes={"note": f"Somebody {number}"},
            consents=[Consent(purpose="marketing", channel="mail", granted=True)],
        )
        client.record_interactions([bought(who, number)])
        decide(client, who, str(number))


def bought(who: str, number: int, *, at: datetime | None = None) -> Interaction:
    word = f"Canary-{number}" if "Canary" in who else f"plain{number}"
    return Interaction(
        interaction_id=f"{who}/{word}",
        identity=who,
        type="purchase",
        interaction_time=datetime.now(UTC) if at is None else at - timedelta(seconds=1),
        properties={"shop": f"{word}-shop", "said": f"{word}-property"},
    )


def decide(client: Client, who: str, number: str) -> None:
    word = "Canary" if "Canary" in who else "plain"
    context = {"said": f"{word}-context-{number}"}
    for request_id in ("", f"{word}-request-{who}-{number}"):
        client.decide(who, ["letter"], context=context, request_id=request_id)


def wait_until_done(client: Client, erasure: Erasure) -> Erasure:
    pause = threading.Event()
    while not erasure.done:
        pause.wait(0.1)
        erasure = client.erase_profile(COOKIE, request_id=erasure.erasure_id)
    return erasure


def test_no_file_holds_anything_of_a_customer_that_was_erased(folder: Path) -> None:
    backup = folder.parent / "backup"
    with serving(folder) as (servers, client):
        others(client, range(40))
        meet(client)
        others(client, range(40, 80))
        wait_for_log(folder, decisions=2 * (80 + 12))
        Mover(folder / "data" / "decisions.db", table_of).move(time.time())
        decide(client, CRM, "after-moving")
        wait_for_sinks(folder)
        subprocess.run(
            [NBA, "store", "backup", "--settings", folder / "nba.toml", "--out", backup], check=True
        )
        before = found(folder)
        check_control(before)

        erasure = client.erase_profile(COOKIE)
        servers.kill()  # the store is committed, the rest is begun at most
    assert erasure.known
    assert erasure.removed_counts["interactions"] == 12
    assert erasure.removed_counts["identities"] == 4

    with serving(folder) as (servers, client):
        done = wait_until_done(client, erasure)
        assert done.kept_places == ()
        assert done.removed_counts["archived_decisions"] > 10
        assert found(folder) == {}, "with the servers running"
        others(client, range(80, 100))  # pages with gaps in memory are written
        assert found(folder) == {}, "after others were written"
        servers.kill()
    assert found(folder) == {}, "after kill -9"

    with serving(folder) as (_, client):
        assert found(folder) == {}, "after a restart"
        for who in (CRM, COOKIE, WEB, PHONE):
            with pytest.raises(NotFound):
                client.get_profile(who)
        repeat = client.record_interactions([bought(CRM, 0, at=erasure.erase_time)])
        shared = list(client.get_limit_usage("shared"))
    assert repeat[0].status == "rejected"
    assert shared[0].reserved > 100

    subprocess.run([NBA, "store", "restore", backup, "--settings", folder / "nba.toml"], check=True)
    with open_app(folder / "nba.toml") as app:
        while not app.eraser.work():
            time.sleep(0.05)
        while any(one.pending for one in app.engine.store.erasures()):
            app.eraser.work()
        assert app.engine.store.identities(CRM) is None
        assert app.engine.store.count_customers() > 50
    assert found(folder) == {}, "after a backup from before was restored"


def wait_for_log(folder: Path, *, decisions: int) -> None:
    """Until the log's writers have written everything that was decided."""
    pause = threading.Event()
    with closing(apsw.Connection(str(folder / "data" / "decisions.db"))) as log:
        while log.execute("SELECT count(*) FROM decisions").fetchall() != [(decisions,)]:
            pause.wait(0.02)


def wait_for_sinks(folder: Path) -> None:
    """Until what was decided last is in the files of the sink."""
    while not any(
        b"after-moving" in file.read_bytes() for file in (folder / "data").glob("records.jsonl*")
    ):
        time.sleep(0.02)


def check_control(before: Mapping[str, set[str]]) -> None:
    """The search finds all words, in all kinds of files, compressed ones too."""
    everywhere = set().union(*before.values())
    for word in ("crm", "cookie", "web", "phone", "note3", "list", "source0", "context", "request"):
        assert f"canary-{word}" in everywhere
    for word in ("login", "merge", "0", "note0"):
        assert f"canary-{word}" in everywhere
    kinds = {
        re.sub(r"[0-9a-f]{16,}|\d{4}-\d\d-\d\d", "…", name.removesuffix("-wal")) for name in before
    }
    files = {"nba.db", "decisions.db", "decisions/date=…/….parquet", "records.jsonl"}
    assert {f"data/{name}" for name in files} <= kinds
    assert any(name.endswith("-wal") for name in before)
    assert not any("server.log" in name for name in before), "the server's output names customers"

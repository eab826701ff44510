"""`nba export`: everything that is held about a customer, in one JSON file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from nba_engine.app import App, open_app
from nba_engine.cli.output import progress_bar, say, settings_option
from nba_engine.domain import CustomerState, DecisionRecord, Identities, Interaction, Reservation
from nba_engine.engine import Engine
from nba_engine.errors import NotFound
from nba_engine.store import open_log_reader

__all__ = ["export_command"]

_encode = msgspec.json.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(CustomerState).decode


@click.command("export")
@click.argument("identity")
@settings_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The JSON file to write; one that is there is replaced.",
)
def export_command(identity: str, settings: Path, out: Path) -> None:
    """Write everything held about the customer behind IDENTITY (such as crm:42) to a file.

    Profile, identities and links, consents with their history, interactions, reservations, and
    all logged decisions, those that were moved to Parquet included. Sensitive attributes are in it:
    the file is readable for its owner only.
    """
    with open_app(settings) as app:
        found = app.engine.identities(identity)
        parts: dict[str, object] = {
            "identity": identity,
            "customer": app.engine.profile(identity),
            "attributes_set": {name: _time(stamp) for name, stamp in found.stamps.items()},
            "identities": found.identities,
            "links": found.links,
            "consent_history": found.consents,
        }
        counted = {"interactions": 0, "reservations": 0, "decisions": 0}
        lists: dict[str, Iterable[object]] = {
            "interactions": _interactions(app.engine, identity),
            "reservations": _reservations(app.engine, identity),
            "decisions": _decisions(app, found),
        }
        draft = out.with_name(f"{out.name}.part")
        draft.unlink(missing_ok=True)
        try:
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                file.write(b"{\n")
                for name, value in parts.items():
                    file.write(_encode(name) + b": " + _encode(value) + b",\n")
                for position, (name, values) in enumerate(lists.items()):
                    file.write((b",\n" if position else b"") + _encode(name) + b": [")
                    for value in values:
                        file.write((b",\n" if counted[name] else b"\n") + _encode(value))
                        counted[name] += 1
                    file.write(b"]")
                file.write(b"\n}\n")
            draft.replace(out)
        finally:
            draft.unlink(missing_ok=True)
    told = ", ".join(f"{count:,} {name}" for name, count in counted.items())
    say(f"{out}: {len(found.identities)} identities, {told}")


def _time(stamp: Any) -> float:
    return float(stamp[0] if isinstance(stamp, list) else stamp)


def _interactions(engine: Engine, identity: str) -> Iterator[Interaction]:
    after = 0
    while page := engine.store.holdings(identity, after=after):
        yield from page.interactions
        after = page.more
        if not after:
            return


def _reservations(engine: Engine, identity: str) -> Iterable[Reservation]:
    page = engine.store.holdings(identity)
    return page.reservations if page is not None else ()


def _decisions(app: App, found: Identities) -> Iterator[dict[str, Any]]:
    """The decisions for the customer, for those merged into it, and for an identity of nobody yet."""
    gone = {customer for link in found.links for customer in link.merged}
    customers = {found.customer_id, *gone, *found.identities}
    app.engine.log.flush()
    try:
        reader = open_log_reader(app.settings.store.decision_log)
    except NotFound:
        return
    try:
        with progress_bar() as bar:
            task = bar.add_task("decision log", total=reader.count())
            for record in reader.records():
                bar.advance(task)
                if record.customer_id in customers or record.request.identity in customers:
                    yield _told(record)
    finally:
        reader.close()


def _told(record: DecisionRecord) -> dict[str, Any]:
    """A decision as it is logged, with the profile it read in words; columns stay in base64."""
    told: dict[str, Any] = msgspec.to_builtins(record)
    told["profile"] = _decode_state(record.profile) if record.profile else None
    return told

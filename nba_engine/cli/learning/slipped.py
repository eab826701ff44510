"""`nba value slipped`: who slipped away between two moments, for marketers and for cron."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import statistics
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.table import Table

from nba_engine.app.learning import open_learnable
from nba_engine.app.slipped import Slipped, Slipping, find_slipped
from nba_engine.cli.learning.options import json_option
from nba_engine.cli.output import counted, errors, output, progress_bar, say, settings_option
from nba_engine.domain.purchase_days import DAY
from nba_engine.domain.words import spoken_money
from nba_engine.errors import NbaError
from nba_engine.settings import Unreadable, parse_duration
from nba_engine.sources import RowError, to_seconds

__all__ = ["slipped_command"]

_ENDINGS = (".csv", ".json", ".parquet")
_SHOWN = 5
_TIMES = ("last_purchase", "seen", "touch")


@click.command("slipped")
@settings_option
@click.option(
    "--since",
    default="7d",
    show_default=True,
    metavar="DURATION|DATE",
    help="The first moment: so long before the second, or a day.",
)
@click.option("--until", metavar="DATE", help="The second moment. Default: now.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a line for each of them (.csv, .json, .parquet).",
)
@json_option
def slipped_command(
    settings: Path,
    since: str,
    until: str | None,
    out: Path | None,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> int:
    """Tell who slipped away between two moments: was a customer then, and is to be won back now.

    By P(alive) of the value model in force, at both moments, and [value] of the catalog
    (win_back_below, win_back_purchases). Purchases count by days (UTC). Nothing is written but FILE,
    in which the most valuable come first; it is there whole or not at all. Servers may be serving.

    \b
    nba value slipped                                  in the last seven days
    nba value slipped --since 1d --out who.csv         every night, for the channel that writes to them
    nba value slipped --since 2025-09-01 --until 2025-09-30 --json
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if out is not None:
        _check(out)
    with open_learnable(settings) as found, progress_bar() as bar:
        zone = ZoneInfo(found.catalog.time_zone)
        end = time.time() if until is None else _moment(until, zone, "--until")
        task = bar.add_task("looking at customers", total=None)
        slipping = find_slipped(
            found.store,
            found.catalog,
            since=_since(since, end, zone),
            until=end,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
        currency = found.catalog.currency
        simulated = found.store.simulated and until is None
    if simulated:
        errors.print(
            "This store is simulated and lives in its own past; without --until it is as of now.",
            style="dim",
        )
    if out is not None:
        _write(out, slipping.slipped)
    if as_json:
        told = msgspec.to_builtins(slipping) | {"currency": currency, "worth": _worth(slipping)}
        told["out"] = None if out is None else str(out)
        output.print_json(json.dumps(told, allow_nan=False))
        return 0
    _print(slipping, currency, zone)
    if out is not None:
        say(f"{out}: {counted(len(slipping.slipped), 'customers')}, the most valuable first")
    return 0


def _check(out: Path) -> None:
    """Raise `click.BadParameter` for what could not be written in the end."""
    if out.suffix.lower() not in _ENDINGS:
        raise click.BadParameter(
            f"{out}: cannot tell the format from the ending; use {', '.join(_ENDINGS)}",
            param_hint="--out",
        )
    if not out.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")


def _moment(text: str, zone: ZoneInfo, option: str) -> float:
    try:
        return to_seconds(text, zone)
    except RowError as error:
        raise click.BadParameter(error.message, param_hint=option) from None


def _since(text: str, end: float, zone: ZoneInfo) -> float:
    try:
        start = end - parse_duration(text)
    except Unreadable:
        try:
            start = to_seconds(text, zone)
        except RowError:
            raise click.BadParameter(
                f"{text!r} is neither a duration (7d) nor a date (2025-09-30)", param_hint="--since"
            ) from None
    if start >= end:
        raise click.BadParameter(f"{text!r} is not before the second moment", param_hint="--since")
    return start


def _worth(slipping: Slipping) -> float:
    return math.fsum(one.worth for one in slipping.slipped)


def _print(slipping: Slipping, currency: str, zone: ZoneInfo) -> None:
    terms, some = slipping.terms, slipping.slipped
    say(
        f"{counted(len(some), 'customers')} slipped away between {_day(slipping.since, zone)} and "
        f"{_day(slipping.until, zone)}: P(alive) fell below {terms.win_back_below:.0%}.",
        style="bold",
    )
    if not slipping.possible:
        say(
            "In the value model in force nobody slips away: P(alive) is 1 for everybody, as no model "
            "with an end told better who stays away (nba value fit)."
        )
        return
    if some:
        worth = _worth(slipping)
        say(
            f"They were worth {spoken_money(worth, currency)} in {terms.horizon:g} days, "
            f"{spoken_money(worth / len(some), currency)} each; they had bought on "
            f"{statistics.mean(one.purchase_days for one in some):.1f} days, the last one "
            f"{statistics.median(_ago(one.last_purchase, slipping) for one in some):.0f} days ago "
            "(median)."
        )
        say(_touches(slipping))
    say(
        f"{counted(slipping.returned, 'customers')} who had slipped away before bought again. Of "
        f"{counted(slipping.customers, 'customers')} who bought on {terms.win_back_purchases} days or "
        f"more, {slipping.away:,} are away by now."
    )
    if some:
        output.print(_table(some[:_SHOWN], slipping, currency))


def _touches(slipping: Slipping) -> str:
    """When and by which channel we met them last."""
    touched = [one for one in slipping.slipped if one.touch is not None]
    never = len(slipping.slipped) - len(touched)
    if not touched:
        return "None of them ever met a recommendation of ours."
    channels = Counter(one.touch_channel or "unknown" for one in touched).most_common()
    told = ", ".join(f"{name} {count:,}" for name, count in channels)
    ago = statistics.median(_ago(one.touch or 0.0, slipping) for one in touched)
    rest = f"; {never:,} never met one" if never else ""
    return f"Last touch by one of our recommendations: {told}, {ago:.0f} days ago (median){rest}."


def _table(some: tuple[Slipped, ...], slipping: Slipping, currency: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("customer", overflow="fold")
    for heading in ("worth", "P(alive)", "was", "bought on", "last purchase", "last touch"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in some:
        touch = "never" if one.touch is None else f"{_ago(one.touch, slipping):.0f} days ago"
        table.add_row(
            one.identity or one.customer_id,
            spoken_money(one.worth, currency),
            f"{one.p_alive:.1%}",
            f"{one.p_alive_before:.1%}",
            counted(one.purchase_days, "days"),
            f"{_ago(one.last_purchase, slipping):.0f} days ago",
            f"{touch} {one.touch_channel}".rstrip(),
        )
    return table


def _ago(moment: float, slipping: Slipping) -> float:
    return max(0.0, slipping.until - moment) // DAY


def _day(moment: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(moment, zone).date().isoformat()


def _write(out: Path, some: tuple[Slipped, ...]) -> None:
    """Write a line each, in one step: readers see the old file or the new one."""
    rows = [_row(one) for one in some]
    kind = out.suffix.lower()
    if kind == ".csv":
        content = _csv(rows)
    elif kind == ".json":
        content = json.dumps(rows, indent=1).encode() + b"\n"
    else:
        content = _parquet(rows)
    draft = out.with_name(f".{out.name}.part")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def _row(one: Slipped) -> dict[str, Any]:
    """Times as ISO 8601 (UTC); what is not known is left empty."""
    row = msgspec.structs.asdict(one)
    for name in _TIMES:
        moment = row[name]
        row[name] = None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
    return row


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=Slipped.__struct_fields__, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise NbaError(
            "writing Parquet needs pyarrow; install it with: pip install 'nba-engine[data]', or "
            "write .csv"
        ) from None
    text, number = pa.string(), pa.float64()
    kinds = {"purchase_days": pa.int64()} | dict.fromkeys(
        ("p_alive_before", "p_alive", "expected_purchases", "expected_spend", "worth"), number
    )
    schema = pa.schema([(name, kinds.get(name, text)) for name in Slipped.__struct_fields__])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return bytes(sink.getvalue())

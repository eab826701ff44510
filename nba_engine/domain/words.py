"""How explanations say things, the same everywhere: money, numbers, values, times, lists."""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from itertools import islice
from typing import Any

from nba_engine.domain.rules import Change
from nba_engine.domain.values import Value

__all__ = [
    "a_share",
    "enumerated",
    "rounded_up",
    "spoken_money",
    "spoken_number",
    "spoken_time",
    "spoken_value",
    "with_changes",
]

_LISTED = 8  # elements of lists and maps that are named


def spoken_money(amount: float, currency: str) -> str:
    """Money with its currency: ``1.25 USD``; more digits where cents would hide small amounts."""
    size = abs(amount)
    if size >= 1 or abs(size * 100 - round(size * 100)) < 1e-6:
        text = f"{amount:,.2f}"
    elif size >= 0.0001:
        text = f"{amount:.4f}"
    else:
        text = f"{amount:.6f}"
    return f"{text.removeprefix('-') if not text.strip('-0.') else text} {currency}"


def spoken_number(number: float, *, exact: bool = False) -> str:
    """A number without a needless ``.0``; six digits of it at most unless ``exact``."""
    if isinstance(number, int) or not math.isfinite(number):
        return str(number)
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    short = f"{number:.6g}"
    if float(short) == number:
        return short
    return repr(number) if exact else f"about {short}"


def spoken_time(time: float, time_zone: str) -> str:
    """A moment as people say it there: ``08:00 on 7 November 2017``, seconds only if it has any."""
    try:
        local = dt.datetime.fromtimestamp(time, zoneinfo.ZoneInfo(time_zone))
    except (OverflowError, ValueError, OSError):
        return "a time before all calendars" if time < 0 else "a time beyond all calendars"
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{clock} on {local.day} {local:%B} {local.year}"


def spoken_value(value: Value, type_: str, time_zone: str, *, exact: bool = False) -> str:
    """A value of an attribute in words; ``type_`` as declared tells times from numbers."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if type_ == "timestamp":
            return spoken_time(value, time_zone)
        return spoken_number(value, exact=exact)
    if isinstance(value, str):
        return f"“{value}”"
    inner = type_.removesuffix(">").partition("<")[2].rpartition(",")[2].strip()

    def element(one: Any) -> str:
        return spoken_value(one, inner, time_zone, exact=exact)

    if isinstance(value, Mapping):
        parts = [f"“{key}” ({element(one)})" for key, one in islice(value.items(), _LISTED)]
    elif isinstance(value, Sequence):
        parts = [element(one) for one in islice(value, _LISTED)]
    else:
        return str(value)
    if len(value) > _LISTED:
        parts.append(f"{len(value) - _LISTED} more")
    return enumerated(parts) or "empty"


def enumerated(parts: Sequence[str]) -> str:
    """Join clauses: a; a and b; a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def a_share(share: float) -> str:
    """A probability with its article: ``a 20.00%``, ``an 18.45%``."""
    text = f"{share:.2%}"
    whole = text.partition(".")[0]
    return f"{'an' if whole.startswith('8') or whole in {'11', '18'} else 'a'} {text}"


def rounded_up(number: float, digits: int = 3) -> str:
    """A positive number rounded up to some significant digits: 1.000001 → ``1.01``."""
    exact = Decimal(repr(float(number)))
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    text = f"{exact.quantize(step, ROUND_CEILING):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_changes(sentence: str, changes: Sequence[Change]) -> str:
    """The sentence, complete: with what its changes say, as far as it does not say so already."""
    texts = [change.text for change in changes if change.text and change.text not in sentence]
    if not texts:
        return sentence
    hint = "; ".join(texts)
    if all(change.kind != "none" for change in changes):
        hint = f"what it would take: {hint}"
    return f"{sentence.rstrip().removesuffix('.')}; {hint}."
